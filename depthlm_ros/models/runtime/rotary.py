"""Rotary positions, as plain mathematics: the same in every version of transformers.

Its own rotary modules changed their arguments between 5.16 and 5.17, and what they return. Source:
Su et al. 2021, "RoFormer"; axial for pictures; three axes as in Wang et al. 2024, "Qwen2-VL".
"""

import torch

BASE = 10000.0
"""Of the vision towers of Qwen-VL."""


def axial_frequencies(head_size: int, base: float = BASE) -> torch.Tensor:
    """Return the frequencies that each axis of a picture has, float32 (head_size / 4,)."""
    half = head_size // 2
    return 1.0 / base ** (torch.arange(0, half, 2, dtype=torch.float) / half)


def axial_tables(positions: torch.Tensor, frequencies: list, dtype, device) -> tuple:
    """Return cos and sin, (tokens, head size), of angles laid out as the halves that rotate.

    ``positions``: (tokens, axes); ``frequencies``: those of each axis.
    """
    angles = torch.cat(
        [
            positions[:, axis, None].float() * f.to(positions.device)
            for axis, f in enumerate(frequencies)
        ],
        dim=-1,
    )
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos().to(device, dtype), angles.sin().to(device, dtype)


def one_axis(table: torch.Tensor, config) -> torch.Tensor:
    """Return a text model's table (B, n, head size), whatever version of transformers made it.

    Up to 5.16 that of Qwen2.5-VL has an axis for time, row and column, (3, B, n, head size), of
    which each section of the head takes its own. ``config``: of the text model.
    """
    if table.dim() == 3:
        return table
    rope = getattr(config, "rope_parameters", None) or config.rope_scaling
    sections = list(rope["mrope_section"]) * 2
    parts = table.split(sections, dim=-1)
    return torch.cat([part[i % 3] for i, part in enumerate(parts)], dim=-1)
