"""The model card of the embedded checkpoint, as Markdown."""

from datetime import date

from depthlm_ros.evaluation.accuracy import SCENES_SEED
from depthlm_ros.training.compact.evaluate_things import FOUND_IOU
from depthlm_ros.training.compact.names import CLASSES
from depthlm_ros.training.compact.objects import LEAST_SHARE
from depthlm_ros.training.compact.scene_pool import VIEWS


def found_by_name(things: dict, scenes: int) -> str:
    """Return the card's section about things found by name: figures of ``measure_things``."""
    if not things:
        return "It finds nothing by name.\n"
    names = ", ".join(
        f"{name} {things[name]:.2f}"
        for name in sorted(CLASSES, key=lambda name: -things.get(name, 0))
        if name in things
    )
    return f"""## What it finds by name

Measured on {VIEWS * scenes} views of {scenes} held-out scenes, at least {LEAST_SHARE:.1%} of the
view each: the surest detection of a name has its point on a thing of that name for
{things["pointed"]:.3f} of the names; {things["found"]:.3f} of the things have a box with an IoU of
{FOUND_IOU:g} and more; {things["right"]:.3f} of all detections lie on a thing of their name; names
of what is not there are refused in {things["refused"]:.3f} of the cases. Pointed at, by name:
{names}.

Names are offered that it points at more often right than wrong (on other scenes); all others, and
qualities such as colours, are refused by name. It was trained on rendered scenes
alone: on photographs it finds less, and finds wrong things.
"""


def card(parameters: int, figures: dict, widest: str, history: str, things: str) -> str:
    """Return the model card as Markdown.

    ``history``: how the weights came to be; ``things``: the section about what it finds.
    """
    return f"""# The embedded checkpoint

A compact DepthVLM of {parameters / 1e6:.1f} million parameters: an EfficientNet-Lite0 tower, a
small causal language model (Qwen3) that reads a token for each 32 x 32 px, a light DPT head for
depth, and a head that finds things by name.
Small enough for one CPU core, so that demo and tests run without a GPU and without a download. For
a robot with a GPU take a published checkpoint: `depthlm models`.

## What it reaches

{_table(figures)}

The intervals of answers rest on the widest factor, {figures[widest]["ratio_90"]:.2f}, measured on
the {widest}. Measured {date.today():%d %B %Y} with `python -m
depthlm_ros.training.compact.publish`; the scenes have seed {SCENES_SEED}, which took no part in
training.

{things}
## How it was made

{history}

## What was assumed

Scale can only be told from things of known size. The scenes hold to standard sizes: floor tiles of
0.2 to 0.6 m, boards 0.07 to 0.19 m wide, bricks of 250 x 83 mm, doors of 2.0 to 2.1 m with handles
at 1.05 m, tables of 0.72 to 0.76 m, seats of 0.43 to 0.48 m, worktops of 0.9 m, kerbs of 0.08 to
0.15 m, storeys of 3 m, people of 1.5 to 1.95 m, cars of 3.6 to 4.9 m. Cameras stand 0.2 to 1.8 m
above the ground, in streets up to 2 m. Where a place keeps to other sizes, its depths will be off
by the same factor.

## Limits

On photographs its shapes are better than its scale: the two columns of delta1 tell how much.
Views of a floor from a robot of knee height are read too far. Thin things, glass and mirrors have
no reliable depth. Licence: Apache-2.0.
"""


def _table(figures: dict) -> str:
    header = (
        "| data | pictures | delta1 | delta1, median set right | AbsRel | "
        "delta1 of the best constant | 90 % within a factor of |\n" + "| --- " * 7 + "|"
    )
    rows = "\n".join(
        f"| {name} | {row['pictures']} | {row['delta1']:.3f} | {row['delta1_scaled']:.3f} | "
        f"{row['abs_rel']:.3f} | {row['best_constant']['delta1']:.3f} | {row['ratio_90']:.2f} |"
        for name, row in figures.items()
    )
    return f"{header}\n{rows}"
