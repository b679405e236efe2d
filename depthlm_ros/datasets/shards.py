"""Rendered images on disk, so that training reads an image often and renders it once.

A shard is one uncompressed ``.npz`` pair of arrays of equal length: ``rgb`` uint8 (N, H, W, 3) and
``depth`` float16 (N, H, W), z-depth in metres, +Inf for the sky. All images of one folder have
one size and the same focal length: the model's unified one. Shards appear under their final name
only when complete, so a trainer may read while renderers write.
"""

from pathlib import Path

import numpy as np

from depthlm_ros.image_io.atomic_write import replace_file


def write_shard(folder: Path, name: str, rgb: np.ndarray, depth_m: np.ndarray) -> Path:
    """Write one shard atomically; returns its path."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.npz"
    arrays = {"rgb": np.ascontiguousarray(rgb), "depth": depth_m.astype(np.float16)}
    replace_file(path, lambda unfinished: np.savez(unfinished, **arrays))
    return path


class ShardFolder:
    """Random access to all images of a folder of shards, held in memory as they are on disk."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        self._loaded: dict[str, tuple] = {}
        self._order: list[tuple] = []

    def refresh(self) -> int:
        """Load shards that have appeared since; returns the number of images now at hand."""
        for path in sorted(self.folder.glob("[!.]*.npz")):
            if path.name not in self._loaded:
                with np.load(path) as arrays:
                    self._loaded[path.name] = (arrays["rgb"], arrays["depth"])
                count = len(self._loaded[path.name][0])
                self._order.extend((path.name, index) for index in range(count))
        return len(self._order)

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return rgb uint8 (H, W, 3) and z-depth float16 (H, W) of one image."""
        name, row = self._order[index]
        rgb, depth = self._loaded[name]
        return rgb[row], depth[row]
