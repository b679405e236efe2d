"""Photographs with measured depth, brought to the unified focal length once.

A folder a set: ``rgb/NAME.jpg``, ``depth/NAME.png`` (uint16; times ``depth_unit_m`` = z-depth in
metres; 0 = unknown) and ``meta.json`` with intrinsics for each frame under ``frames``.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from depthlm_ros.status import Code, StatusError

EDGE_RATIO = 1.08
"""Depth beside a step of this ratio is left out: sensors are wrong by some pixels there."""


@dataclass(frozen=True)
class RealFrames:
    """N photographs on canvases of one size, the rest of each canvas black and unknown.

    ``rgb`` uint8 (N, H, W, 3); ``depth`` float16 (N, H, W) [m], 0 unknown; ``size`` (N, 2):
    (width, height) that is filled; ``principal`` (N, 2): (cx, cy) [px]; ``names``; ``weights``
    (N,): how often each is drawn.
    """

    rgb: torch.Tensor
    depth: torch.Tensor
    size: np.ndarray
    principal: np.ndarray
    names: tuple
    weights: np.ndarray

    def __len__(self) -> int:
        return len(self.rgb)


def read_set(folder: Path, focal_px: float) -> list[tuple]:
    """Return (name, rgb, depth [m], principal) of every frame of a set, at ``focal_px``.

    Raises StatusError(BAD_IMAGE) for a frame that is missing or unreadable.
    """
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    return [
        _read_frame(folder, name, frame, float(meta["depth_unit_m"]), focal_px)
        for name, frame in meta["frames"].items()
    ]


def _read_frame(folder: Path, name: str, frame: dict, unit_m: float, focal_px: float) -> tuple:
    bgr = cv2.imread(str(folder / "rgb" / f"{name}.jpg"), cv2.IMREAD_COLOR)
    raw = cv2.imread(str(folder / "depth" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
    if bgr is None or raw is None or raw.dtype != np.uint16:
        raise StatusError(
            Code.BAD_IMAGE,
            f"{folder / 'rgb' / name}: must be a JPEG with a 16-bit PNG "
            f"of the same name under {folder / 'depth'}; fetch the set again",
        )
    height, width = bgr.shape[:2]
    size = (round(width * focal_px / frame["fx"]), round(height * focal_px / frame["fy"]))
    small = cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)[..., ::-1]
    depth = raw.astype(np.float32) * unit_m
    depth = cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST_EXACT)
    scale = np.array(size) / (frame["width"], frame["height"])
    principal = (np.array([frame["cx"], frame["cy"]]) + 0.5) * scale - 0.5
    return name, np.ascontiguousarray(small), without_steps(depth), principal


def without_steps(depth: np.ndarray) -> np.ndarray:
    """Return depth (H, W) with 0 beside steps of more than EDGE_RATIO; 0 is unknown."""
    known = depth > 0
    kernel = np.ones((3, 3), np.uint8)
    low = cv2.erode(np.where(known, depth, np.float32(1e6)), kernel)
    high = cv2.dilate(np.where(known, depth, np.float32(0)), kernel)
    return np.where(known & (high < EDGE_RATIO * low), depth, np.float32(0))


def load(root: Path, weights: dict, focal_px: float, device, leave_out=()) -> RealFrames:
    """Read the sets ``weights`` (folder name to share of the draws) below ``root``.

    ``leave_out``: beginnings of frame names that are kept for measuring.
    """
    rows, chance = [], []
    for name, share in weights.items():
        frames = [
            frame
            for frame in read_set(Path(root) / name, focal_px)
            if not frame[0].startswith(tuple(leave_out) or ("\0",))
        ]
        rows += frames
        chance += [share / max(1, len(frames))] * len(frames)
    height = max(row[1].shape[0] for row in rows)
    width = max(row[1].shape[1] for row in rows)
    rgb = np.zeros((len(rows), height, width, 3), np.uint8)
    depth = np.zeros((len(rows), height, width), np.float16)
    for k, (_, picture, metres, _) in enumerate(rows):
        rgb[k, : picture.shape[0], : picture.shape[1]] = picture
        depth[k, : picture.shape[0], : picture.shape[1]] = metres
    return RealFrames(
        torch.from_numpy(rgb).to(device),
        torch.from_numpy(depth).to(device),
        np.array([row[1].shape[1::-1] for row in rows]),
        np.array([row[3] for row in rows]),
        tuple(row[0] for row in rows),
        np.array(chance) / sum(chance),
    )
