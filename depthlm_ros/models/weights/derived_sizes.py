"""What a network computes from stored weights at load and keeps beside them, told from shapes.

Memory is checked before anything is loaded, so it has to be known from tensor names alone.
"""

LEVELS = 4
"""Feature levels of a published DPT head."""
HALO = 1
"""What a 3x3 kernel reaches beyond a deconvolution's own square [px]."""


def fused_head_numbers(shapes: dict) -> int:
    """Count the numbers of a DPT head's fused convolutions (``depthvlm/dpt_fused.py``).

    ``shapes``: by published tensor name; without a DPT head the count is 0. A deconvolution of C
    channels to squares of side s and the 3x3 convolution behind it, to ``out`` channels, become
    one product of (s + 2)^2 x out x C numbers, and as many biases as it has rows.
    """
    total = 0
    for level in range(LEVELS):
        deconvolution = shapes.get(f"depth_head.resize_layers.{level}.weight")
        kernel = shapes.get(f"depth_head.scratch.layer{level + 1}_rn.weight")
        if deconvolution and kernel:
            side = deconvolution[-1] + 2 * HALO
            total += side**2 * kernel[0] * (deconvolution[0] + 1)
    return total
