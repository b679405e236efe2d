"""Where a checkpoint's folder is, and how it gets there: the only file that talks to the hub.

Free of torch, so that names can be listed at once. What is in the folder: ``checkpoint.py``.
"""
import json
import os
import re
from pathlib import Path

from depthlm_ros.status import Code, Refusal

EMBEDDED = Path(__file__).parent / "embedded"
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
HUB_FILES = ["*.json", "*.safetensors", "*.txt", "*.jinja", "*.md", "LICENSE*"]
INDEX = "model.safetensors.index.json"


def find(name: str, revision: str | None = None) -> Path:
    """Return the folder of a checkpoint that is on this machine; never reaches for the network.

    ``name``: ``embedded``, a folder, or a hub id ``owner/name`` whose ``revision`` was fetched
    before. Raises Refusal(MODEL_NOT_READY) naming what was looked for and what to do.
    """
    if name == "embedded":
        return EMBEDDED
    folder = os.path.expanduser(name)
    if os.path.isdir(folder):  # os.path, not pathlib: a name of any length or content is a name
        return Path(folder)
    if os.path.exists(folder):
        raise Refusal(Code.MODEL_NOT_READY, f"model {name!r} is a file: give the folder that "
                      "holds config.json and *.safetensors")
    if not HUB_ID.fullmatch(name):
        raise Refusal(Code.MODEL_NOT_READY, f"model {name!r} is neither a folder, nor a hub id "
                      "'owner/name', nor a known name; `depthlm models` lists those")
    return _snapshot(name, revision, local_files_only=True)


def fetch(name: str, revision: str | None = None) -> Path:
    """Download a hub checkpoint with progress, resuming what is there; returns its folder.

    Raises Refusal(MODEL_NOT_READY) when the hub cannot be reached or does not have it.
    """
    if not HUB_ID.fullmatch(name):
        raise Refusal(Code.MODEL_NOT_READY, f"{name!r} is no hub id 'owner/name': there is "
                      "nothing to fetch")
    return _snapshot(name, revision, local_files_only=False)


def _snapshot(name: str, revision: str | None, local_files_only: bool) -> Path:
    from huggingface_hub import snapshot_download  # heavy, and only hub names need it

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=HUB_FILES,
                                      local_files_only=local_files_only))
    except Exception as error:  # cache, hub and wire errors have no common base across versions
        command = f"depthlm fetch {name}" + (f" --revision {revision}" if revision else "")
        if local_files_only:
            text = (f"model {name!r} is not on this machine and is never downloaded unasked: "
                    f"fetch it beforehand with `{command}`, or give a folder")
        else:
            text = (f"model {name!r} could not be fetched ({type(error).__name__}: "
                    f"{str(error).splitlines()[0] if str(error) else 'no reason given'}): check "
                    f"the network and the name, then repeat `{command}`; it resumes")
        raise Refusal(Code.MODEL_NOT_READY, text) from error


def presence(name: str, revision: str | None = None) -> tuple[str, Path | None]:
    """Tell whether a checkpoint is on this machine: "yes", "incomplete" or "no", and where.

    Looks at the names of files only: ``Checkpoint.open`` reads what is in them.
    """
    try:
        folder = find(name, revision)
    except Refusal:
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
