"""Quick measures while training runs: photographs with labels, real frames left out, scenes."""

import json
import math
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from depthlm_ros.models.compact.network import STRIDE, CompactModule


def labelled_photographs(path: Path, focal_px: float) -> list[tuple]:
    """Return (rgb, principal, pixels of the view, depth [m]) of a DepthLM .jsonl at ``focal_px``.

    Views are whole tokens; depth is that at the unified focal length.
    """
    rows = []
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        rgb = cv2.imread(str(Path(path).parent / entry["image"]))[..., ::-1]
        fx, fy, cx, cy = entry["intrinsics"][:4]
        rows.append(
            _view(
                rgb,
                (fx, fy, cx, cy),
                np.array(entry["pixel_coords"], float),
                np.array(entry["depth"], float),
                focal_px,
            )
        )
    return rows


def _view(
    rgb: np.ndarray, intrinsics: tuple, pixels: np.ndarray, depth: np.ndarray, focal_px: float
) -> tuple:
    fx, fy, cx, cy = intrinsics
    height, width = rgb.shape[:2]
    size = [
        max(STRIDE, round(side * focal_px / f / STRIDE) * STRIDE)
        for side, f in ((width, fx), (height, fy))
    ]
    scale = np.array(size) / (width, height)
    small = cv2.resize(np.ascontiguousarray(rgb), size, interpolation=cv2.INTER_AREA)
    focal = math.sqrt(fx * scale[0] * fy * scale[1])
    principal = (np.array([cx, cy]) + 0.5) * scale - 0.5
    return small, principal, (pixels + 0.5) * scale - 0.5, depth * focal_px / focal


@torch.no_grad()
def photograph_figures(network: CompactModule, rows: list[tuple], device) -> dict:
    """Return delta1, delta1 with each median set right, and AbsRel over all labels."""
    raw, scaled, errors = [], [], []
    for rgb, principal, pixels, truth in rows:
        images = torch.from_numpy(rgb)[None].to(device)
        centre = torch.tensor(principal, dtype=torch.float32, device=device)[None]
        log_depth = network(images, centre)[0].float()
        size = torch.tensor([rgb.shape[1], rgb.shape[0]])
        at = ((torch.from_numpy(pixels) + 0.5) * 2 / size - 1).float().to(device)
        read = (
            F.grid_sample(
                log_depth[:, None], at[None, None], align_corners=False, padding_mode="border"
            )[0, 0, 0]
            .cpu()
            .numpy()
        )
        d = read - np.log(truth)
        raw.append(np.abs(d) < math.log(1.25))
        scaled.append(np.abs(d - np.median(d)) < math.log(1.25))
        errors.append(np.abs(np.exp(d) - 1))
    return {
        "delta1": round(float(np.mean(np.concatenate(raw))), 4),
        "scaled": round(float(np.mean(np.concatenate(scaled))), 4),
        "abs_rel": round(float(np.mean(np.concatenate(errors))), 4),
    }


def frame_rows(frames: list[tuple], points: int = 400) -> list[tuple]:
    """Return rows for ``photograph_figures`` from frames of ``real_frames.read_set``."""
    rng, rows = np.random.default_rng(0), []
    for _, rgb, depth, principal in frames:
        height, width = (side - side % STRIDE for side in depth.shape)
        v, u = np.nonzero(depth[:height, :width] > 0)
        chosen = rng.integers(len(v), size=points)
        pixels = np.stack([u[chosen], v[chosen]], axis=1).astype(float)
        rows.append(
            (
                np.ascontiguousarray(rgb[:height, :width]),
                principal,
                pixels,
                depth[v[chosen], u[chosen]].astype(float),
            )
        )
    return rows
