"""Sampling a depth map at float pixels: bilinear in inverse depth, never across a depth step."""

import numpy as np

from depthlm_ros.geometry.depth_map import DepthMap


def sample_with_spread(depth_map: DepthMap, pixels: np.ndarray, edge_ratio: float) -> tuple:
    """Return z (N,) [m] and its spread in log depth below and above (N,) at pixels (N, 2)."""
    depth, reach = depth_map.depth_m, depth_map.edge_radius_px
    height, width = depth.shape
    u = np.clip(np.rint(pixels[:, 0]), 0, width - 1).astype(int)
    v = np.clip(np.rint(pixels[:, 1]), 0, height - 1).astype(int)
    centre = depth[v, u].astype(np.float64)
    step = np.arange(-reach, reach + 1)
    rows = np.clip(v[:, None] + step, 0, height - 1)
    columns = np.clip(u[:, None] + step, 0, width - 1)
    around = depth[rows[:, :, None], columns[:, None, :]].reshape(len(u), -1).astype(np.float64)
    finite = np.isfinite(around)
    near = np.where(finite, around, np.inf).min(axis=1, initial=np.inf)
    far = np.where(finite, around, 0.0).max(axis=1, initial=0.0)
    readable = np.isfinite(centre)
    z = np.where(readable, bilinear_inverse_depth(depth, pixels), centre)
    for i in np.flatnonzero(readable & (far > near * edge_ratio)):
        values, split = around[i, finite[i]], np.sqrt(near[i] * far[i])
        z[i] = np.median(values[(values < split) == (centre[i] < split)])
    with np.errstate(divide="ignore", invalid="ignore"):
        return z, np.maximum(np.log(z / near), 0.0), np.maximum(np.log(far / z), 0.0)


def bilinear_inverse_depth(depth: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Interpolate inverse depth at pixels (N, 2) among the finite ones of the four neighbours."""
    height, width = depth.shape
    u = np.clip(pixels[:, 0], 0, width - 1)
    v = np.clip(pixels[:, 1], 0, height - 1)
    u0, v0 = np.floor(u).astype(int), np.floor(v).astype(int)
    u1, v1 = np.minimum(u0 + 1, width - 1), np.minimum(v0 + 1, height - 1)
    fu, fv = u - u0, v - v0
    total, weights = np.zeros(len(u)), np.zeros(len(u))
    for row, wv in ((v0, 1 - fv), (v1, fv)):
        for column, wu in ((u0, 1 - fu), (u1, fu)):
            z = depth[row, column].astype(np.float64)
            weight = np.where(np.isfinite(z), wu * wv, 0.0)
            weights += weight
            total += weight / np.where(np.isfinite(z), z, 1.0)
    return weights / np.where(total > 0, total, np.nan)
