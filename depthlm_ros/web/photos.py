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


@dataclass(frozen=True)
class Measured:
    """A measured photograph: pictures, size [px], depth [m] by pixel, and words about it."""

    jpeg: bytes
    depth_jpeg: bytes
    size: tuple
    depth_m: np.ndarray
    text: str

    def at(self, u: float, v: float) -> str:
        """Return the depth at a pixel of the photograph in words."""
        height, width = self.depth_m.shape
        row, column = round(v), round(u)
        if not (0 <= row < height and 0 <= column < width):
            return "outside the picture"
        metres = float(self.depth_m[row, column])
        return f"{metres:.2f} m" if np.isfinite(metres) else "no depth here"


class PhotoDesk:
    """Measures photographs with a model of that name."""

    def __init__(self, model: str):
        self._model, self._busy = model, asyncio.Lock()

    async def measure(self, name: str, data: bytes) -> Measured:
        """Measure a photograph; raises ValueError with a sentence that tells why not."""
        if self._busy.locked():
            raise ValueError("another photograph is being measured: wait for it")
        if len(data) > MAX_BYTES:
            raise ValueError(f"{len(data)} bytes: at most {MAX_BYTES}")
        async with self._busy:
            with tempfile.TemporaryDirectory(prefix="depthlm_photo_") as folder:
                file = Path(folder) / f"photo{Path(name).suffix[:8].lower()}"
                file.write_bytes(data)
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
    return Measured(drawing.jpeg_of(rgb), coloured, depth_m.shape[::-1], depth_m, text)
