"""Where a checkpoint's folder is, and what a user is told when it does not get there.

Free of torch, so that names can be listed at once. How it gets there:
``models/weights/hub_download.py``; what is in the folder: ``models/weights/checkpoint.py``.
"""

import errno
import json
import logging
import os
import re
from pathlib import Path

from depthlm_ros.models.weights.files import INDEX
from depthlm_ros.status import Code, StatusError

EMBEDDED = Path(__file__).parents[1] / "embedded"
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_log = logging.getLogger(__name__)


def find(name: str, revision: str | None = None) -> Path:
    """Return the folder of a checkpoint that is on this machine; never reaches for the network.

    ``name``: ``embedded``, a folder, or a hub id ``owner/name`` whose ``revision`` was fetched
    before. Raises StatusError(MODEL_NOT_READY) naming what was looked for and what to do.
    """
    if name == "embedded":
        return EMBEDDED
    folder = os.path.expanduser(name)
    if os.path.isdir(folder):  # os.path, not pathlib: a name of any length or content is a name
        return Path(folder)
    if os.path.exists(folder):
        raise StatusError(
            Code.MODEL_NOT_READY,
            f"model {name!r} is a file: give the folder that holds config.json and *.safetensors",
        )
    if not HUB_ID.fullmatch(name):
        raise StatusError(
            Code.MODEL_NOT_READY,
            f"model {name!r} is neither a folder, nor a hub id "
            "'owner/name', nor a known name; `depthlm models` lists those",
        )
    return _cached(name, revision)


def _cached(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download  # heavy, and only hub names need it

    try:  # of a folder that is here in part, whoever opens it says what is missing
        return Path(
            snapshot_download(
                name, revision=revision, allow_patterns="config.json", local_files_only=True
            )
        )
    except Exception as error:  # cache errors have no common base across versions
        raise StatusError(
            Code.MODEL_NOT_READY,
            f"model {name!r} is not on this machine and is never "
            f"downloaded unasked: fetch it beforehand with `{_command(name, revision)}`,"
            " or give a folder",
        ) from error


def fetch(name: str, revision: str | None = None) -> Path:
    """Download a hub checkpoint with progress, resuming what is there; returns its folder.

    Where the hub cannot be reached, a whole copy that was fetched before does, with a warning.
    Raises StatusError(MODEL_NOT_READY or MODEL_ERROR) with the reason and the remedy.
    """
    if not HUB_ID.fullmatch(name):
        raise StatusError(
            Code.MODEL_NOT_READY,
            f"{name!r} is no hub id 'owner/name': there is nothing to fetch; `depthlm models` "
            "lists what can be fetched",
        )
    from depthlm_ros.models.weights.hub_download import download

    try:
        return download(name, revision)
    except StatusError:
        raise
    except Exception as raised:  # hub, wire and disk errors have no common base across versions
        error, (state, folder) = _root_http_error(raised), presence(name, revision)
        if _is_unreachable(error) and state == "yes":
            _log.warning(
                "the hub cannot be reached (%s): %s is the copy fetched before",
                _first_line(error),
                name,
            )
            return folder
        raise StatusError(
            Code.MODEL_NOT_READY,
            f"model {name!r} could not be fetched: {_reason(error, name, revision)}",
        ) from raised


def _root_http_error(error: BaseException) -> BaseException:
    """Return the hub's answer that an error of its client was made from, else the error."""
    cause = error
    while cause is not None and getattr(cause, "response", None) is None:
        cause = cause.__cause__
    return cause or error


def _command(name: str, revision: str | None) -> str:
    return f"depthlm fetch {name}" + (f" --revision {revision}" if revision else "")


def _is_unreachable(error: Exception) -> bool:
    """Return whether the hub gave no answer, or one that is about itself and not about us."""
    if _is_of_the_disk(error):
        return False
    response = getattr(error, "response", None)
    return response is None or response.status_code >= 500 or response.status_code == 429


def _is_of_the_disk(error: Exception) -> bool:
    full = errno.ENOSPC, errno.EDQUOT  # a write to an open file names no file
    return isinstance(error, OSError) and (error.filename is not None or error.errno in full)


def _reason(error: Exception, name: str, revision: str | None) -> str:
    """Return why a download failed and what to do, in one line."""
    from huggingface_hub import errors

    again = f"repeat `{_command(name, revision)}`; it resumes"
    if _is_of_the_disk(error):
        return (
            f"{error.filename or 'the cache'}: {error.strerror}: mend that, or set HF_HOME to "
            f"a folder on another disk, then {again}"
        )
    if isinstance(error, errors.OfflineModeIsEnabled):
        return f"HF_HUB_OFFLINE is set: unset it, then {again}"
    if isinstance(error, errors.RevisionNotFoundError):
        return (
            f"it has no revision {revision!r}: --revision takes a branch, a tag or a whole "
            "commit hash of the model's page on the hub"
        )
    if isinstance(error, errors.GatedRepoError):
        return (
            f"its owner wants its licence accepted first: do so on {_page(name)}, log in with "
            f"`hf auth login` or set HF_TOKEN, then {again}"
        )
    response = getattr(error, "response", None)
    return _reason_of_status(getattr(response, "status_code", 0), error, name) + f", then {again}"


def _reason_of_status(status: int, error: Exception, name: str) -> str:
    if status in (401, 404):
        return (
            f"{_page(name)} is unknown, or private to others ({status}): check the name, and "
            "for a private model log in with `hf auth login` or set HF_TOKEN"
        )
    if status == 403:
        return "the hub refuses (403): check what your token (HF_TOKEN) may read"
    if status == 429:
        return "the hub has had too many requests from here (429): wait some minutes"
    if status >= 500:
        return f"the hub is out of order ({status}): wait a while"
    return f"{_first_line(error)}: check the network and the name"


def _page(name: str) -> str:
    from huggingface_hub.constants import ENDPOINT

    return f"{ENDPOINT}/{name}"


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}"


def presence(name: str, revision: str | None = None) -> tuple[str, Path | None]:
    """Return whether a checkpoint is on this machine: "yes", "incomplete" or "no", and where.

    Looks at the names of files only: ``Checkpoint.open`` reads what is in them.
    """
    try:
        folder = find(name, revision)
    except StatusError:
        return "no", None
    if not folder.is_dir():
        return "no", None
    return ("yes" if _has_all_files(folder) else "incomplete"), folder


def _has_all_files(folder: Path) -> bool:
    if not (folder / "config.json").is_file():
        return False
    if not (folder / INDEX).is_file():
        return any(folder.glob("*.safetensors"))
    try:
        shards = json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"].values()
        return all((folder / Path(shard).name).is_file() for shard in shards)
    except (ValueError, KeyError, AttributeError, TypeError):
        return False
