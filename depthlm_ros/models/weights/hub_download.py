"""How a checkpoint gets from the hub into the hub's cache: room is checked, files are resumed.

The hub's client drops the part of a file that it has when it is stopped, and a shard has
gigabytes. So weights go into the cache by their content hash here, as the client itself stores
them, and the client then finds them there. Small files are the client's business. Root files only.
"""

import hashlib
import json
import shutil
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from huggingface_hub import HfApi, constants, get_session, hf_hub_url, snapshot_download
from huggingface_hub.utils import WeakFileLock, build_hf_headers, hf_raise_for_status, tqdm

from depthlm_ros.models.weights.files import INDEX, SMALL_FILES, WEIGHTS
from depthlm_ros.status import Code, StatusError

BLOCK = 2**20
SECONDS_BETWEEN_LINES = 5.0  # of progress, where no terminal can overwrite the last one
PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0)  # between attempts that bring nothing
PARTIAL_CONTENT = 206


def download(name: str, revision: str | None) -> Path:
    """Bring a hub checkpoint into the cache; returns its folder.

    Raises StatusError where the hub's copy is of no use or the disk has no room, and whatever the
    hub's client raises.
    """
    info = HfApi().model_info(name, revision=revision, files_metadata=True)
    stored = {file.rfilename: file for file in info.siblings or () if "/" not in file.rfilename}
    if not any(file.endswith(WEIGHTS) for file in stored):
        raise StatusError(
            Code.MODEL_ERROR,
            f"{name} holds no *{WEIGHTS} on the hub: weights in other "
            "forms can run any code when loaded and are not read; take another model",
        )
    options = {"revision": revision, "ignore_patterns": "*/*", "tqdm_class": _Silent}
    folder = Path(snapshot_download(name, allow_patterns=SMALL_FILES, **options))
    weights = _weights(name, folder, stored)
    cache = _Cache(name, info.sha)
    _check_room(name, cache, weights)
    for file in weights:
        if file.lfs is not None:
            cache.add(file.rfilename, file.lfs.sha256, file.lfs.size)
    names = [file.rfilename for file in weights]
    return Path(snapshot_download(name, allow_patterns=[*SMALL_FILES, *names], **options))


def _weights(name: str, folder: Path, stored: dict) -> list:
    """Return the hub's weight files: those of the index, for others beside them go unread."""
    if INDEX not in stored:
        return [file for file in stored.values() if file.rfilename.endswith(WEIGHTS)]
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        shards = sorted(set(index["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StatusError(
            Code.MODEL_ERROR,
            f"{name}: {INDEX} on the hub names no shards ({error!r}): "
            "tell its owner, or take another --revision",
        ) from error
    if absent := [shard for shard in shards if shard not in stored]:
        raise StatusError(
            Code.MODEL_ERROR,
            f"{name}: {INDEX} on the hub names {absent[0]}, which is "
            "not there: tell its owner, or take another --revision",
        )
    return [stored[shard] for shard in shards]


def _check_room(name: str, cache: "_Cache", weights: Iterable) -> None:
    """Refuse before the download begins where the disk has no room for what is missing."""
    missing = sum(
        cache.missing_bytes(file.lfs.sha256, file.lfs.size)
        for file in weights
        if file.lfs is not None
    )
    free = shutil.disk_usage(cache.folder).free
    if free < missing:
        raise StatusError(
            Code.MODEL_NOT_READY,
            f"{name}: {missing / 1e9:.2f} GB are missing, "
            f"{cache.folder} has {free / 1e9:.2f} GB free: free some space, or set "
            "HF_HOME to a folder on a larger disk",
        )


class _Cache:
    """The folder in which the hub's client keeps one model's files, each by its SHA-256."""

    def __init__(self, name: str, commit: str):
        self.name, self.commit = name, commit
        repository = f"models--{name.replace('/', '--')}"
        self.folder = Path(constants.HF_HUB_CACHE).expanduser() / repository / "blobs"
        self._locks = Path(constants.HF_HUB_CACHE).expanduser() / ".locks" / repository
        for folder in (self.folder, self._locks):
            folder.mkdir(parents=True, exist_ok=True)

    def _part(self, sha256: str) -> Path:
        return self.folder / f"{sha256}.incomplete"

    def missing_bytes(self, sha256: str, size: int) -> int:
        """Return how much of a file is still to come."""
        if (self.folder / sha256).exists():
            return 0
        part = self._part(sha256)
        return max(0, size - part.stat().st_size) if part.exists() else size

    def add(self, file: str, sha256: str, size: int) -> None:
        """Bring one file into the cache, from where an earlier attempt has stopped."""
        with WeakFileLock(str(self._locks / f"{sha256}.lock")):  # the client's own lock
            if (self.folder / sha256).exists():
                return
            part = self._part(sha256)
            if part.exists() and part.stat().st_size > size:
                part.unlink()
            self._complete(part, file, size)
            if _sha256(part) != sha256:
                part.unlink()
                raise StatusError(
                    Code.MODEL_NOT_READY,
                    f"{file} of {self.name} arrived damaged (its "
                    "SHA-256 is not the hub's) and was removed: fetch it again",
                )
            part.replace(self.folder / sha256)

    def _complete(self, part: Path, file: str, size: int) -> None:
        """Append what ``part`` lacks, through breaks of the wire; unbuffered, so none is lost."""
        url, pauses = hf_hub_url(self.name, file, revision=self.commit), iter(PAUSES_S)
        with (
            part.open("ab", buffering=0) as out,
            tqdm(
                total=size,
                unit="B",
                unit_scale=True,
                desc=file,
                mininterval=0.1 if sys.stderr.isatty() else SECONDS_BETWEEN_LINES,
            ) as bar,
        ):
            while (before := out.seek(0, 2)) < size:
                try:
                    _append(out, url, bar)
                except OSError:  # of the disk, or the hub's answer: wire errors are none
                    raise
                except Exception as error:
                    pauses = iter(PAUSES_S) if out.tell() > before else pauses
                    if (pause := next(pauses, None)) is None:
                        raise
                    bar.write(
                        f"{file}: {type(error).__name__}, going on in {pause:g} s", file=sys.stderr
                    )
                    time.sleep(pause)


def _append(out: BinaryIO, url: str, bar: tqdm) -> None:
    """Ask for what follows the bytes of ``out`` and write it as it comes."""
    here = out.tell()
    headers = {**build_hf_headers(), "Accept-Encoding": "identity", "Range": f"bytes={here}-"}
    timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
    with get_session().stream("GET", url, headers=headers, timeout=timeout) as got:
        hf_raise_for_status(got)
        if got.status_code != PARTIAL_CONTENT:  # the whole file, in spite of the range
            here = out.truncate(0)
        bar.update(here - bar.n)
        for block in got.iter_raw():
            bar.update(out.write(block))
    if out.tell() <= here:
        raise OSError(f"{url} sent nothing")


class _Silent(tqdm):
    """No bar for small files."""

    def __init__(self, *args, **options):
        super().__init__(*args, **{**options, "disable": True})


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while block := opened.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
