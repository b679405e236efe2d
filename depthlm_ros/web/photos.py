"""A photograph that somebody drops on the page, measured by ``depthlm depth`` in a process.

The live nodes are not disturbed: they know their own camera, not this one. One photograph at a
time; a photograph and its depth stay until the next one.
"""

import asyncio
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depthlm_ros.web import drawing

TIMEOUT_S = 300.0
MAX_BYTES = 60_000_000
KEPT_SIDE_PX = 1920
"""Longer side of the depth that is kept for clicks; the page shows less."""


@dataclass(frozen=True)
class Measured:
    """A measured photograph: pictures, size [px], words about it.

    ``depth_m``: depth [m] of every ``step``-th row and column.
    """

    jpeg: bytes
    depth_jpeg: bytes
    size: tuple
    depth_m: np.ndarray
    text: str
    step: int = 1

    def at(self, u: float, v: float) -> str:
        """Return the depth at a pixel of the photograph in words."""
        width, height = self.size
        row, column = round(v), round(u)
        if not (0 <= row < height and 0 <= column < width):
            return "outside the picture"
        metres = float(self.depth_m[row // self.step, column // self.step])
        return f"{metres:.2f} m" if np.isfinite(metres) else "no depth here"


class PhotoDesk:
    """Measures photographs with a model of that name."""

    def __init__(self, model: str):
        self._model, self._busy = model, asyncio.Lock()

    async def measure(self, upload) -> Measured:
        """Measure a photograph, an upload of NiceGUI: it is never in memory as a whole.

        Raises ValueError with a sentence that tells why not.
        """
        if self._busy.locked():
            raise ValueError("another photograph is being measured: wait for it")
        if upload.size() > MAX_BYTES:
            raise ValueError(f"{upload.size()} bytes: at most {MAX_BYTES}; save it smaller")
        async with self._busy:
            with tempfile.TemporaryDirectory(prefix="depthlm_photo_") as folder:
                file = Path(folder) / f"photo{Path(upload.name).suffix[:8].lower()}"
                await upload.save(file)
                record = await self._run(file, Path(folder) / "out")
                return _measured(record)

    async def _run(self, file: Path, out: Path) -> dict:
        words = ["depth", str(file), "--assume-phone", "--json", "--model", self._model]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "depthlm_ros.cli", *words, "--max-points", "1", "-o", str(out),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            output, _ = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
        except TimeoutError:
            raise ValueError(f"not measured within {TIMEOUT_S:g} s") from None
        finally:
            if process.returncode is None:
                process.kill()
        try:
            record = json.loads(output)["images"][0]
        except (ValueError, LookupError):
            raise ValueError(f"depthlm depth ended with {process.returncode}") from None
        if not record["ok"]:
            raise ValueError(record["text"].replace(str(file), "the photograph"))
        return record


def _measured(record: dict) -> Measured:
    from depthlm_ros.image_io.pictures import read_picture

    files, figures = record["files"], record["depth_m"]
    depth_m = np.load(files["npy"], allow_pickle=False)
    rgb = read_picture(files.get("rectified") or record["image"], upright=True).rgb
    text = (
        f"{depth_m.shape[1]} x {depth_m.shape[0]} px, {figures['percentile_2']:.2f} to "
        f"{figures['percentile_98']:.2f} m, median {figures['median']:.2f} m; "
        f"{record['focal_length']}"
    )
    coloured, _, _ = drawing.depth_jpeg(depth_m)
    step = -(-max(depth_m.shape) // KEPT_SIDE_PX)
    kept = depth_m[::step, ::step].copy()
    return Measured(drawing.jpeg_of(rgb), coloured, depth_m.shape[::-1], kept, text, step)
