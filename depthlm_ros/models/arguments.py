"""The arguments by which a program names its model, declared once for all programs. Torch-free.

``add_model_arguments`` declares them and ``load_from_arguments`` obeys them; a program that takes
some of them only (the demo starts nodes, a benchmark makes random weights) declares those.
"""

import argparse

DTYPES = ("auto", "float32", "bfloat16", "float16")
QUANTIZE = ("none", "int8", "fp8")
"""As ``models/weights/quantization.py`` knows them, which imports torch."""
WHICH = "name, folder or hub id"


def add_model_arguments(parser, default: str = "embedded") -> None:
    """Declare everything that ``load_from_arguments`` reads, on a parser or a group of one."""
    add_model_name(parser, default)
    add_placement(parser)
    parser.add_argument("--revision", help="revision of a hub model (default: the newest fetched)")
    add_quantize(parser)
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        type=pair,
        metavar="NAME=VALUE",
        help="set an option of the model, as in max_pixels=500000 or marker=arrow:20:3; repeat "
        "for more; `depthlm models --options` lists them",
    )


def add_model_name(parser, default: str | None = "embedded", which: str = WHICH) -> None:
    """Declare --model alone; ``which``: what it names."""
    said = f"{which} (default {default})" if default else which
    parser.add_argument("--model", default=default, help=said)


def add_placement(parser) -> None:
    """Declare --device and --dtype: where the model runs, and in which numbers."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N (default auto)")
    parser.add_argument(
        "--dtype",
        default="auto",
        choices=DTYPES,
        help="numbers of the weights (default auto: bfloat16 on a GPU, else float32)",
    )


def add_quantize(parser) -> None:
    """Declare --quantize."""
    parser.add_argument(
        "--quantize",
        default="none",
        choices=QUANTIZE,
        help="smaller weights for the language model, by torchao (default none)",
    )


def pair(text: str) -> str:
    """Return NAME=VALUE as it is."""
    if not all(part.strip() for part in text.partition("=")):
        raise argparse.ArgumentTypeError(f"{text}: must be NAME=VALUE")
    return text


def load_from_arguments(arguments: argparse.Namespace, calibrated: bool = True):
    """Load the model that ``add_model_arguments`` read: ``registry.load``.

    ``calibrated``: whether a calibration beside the weights is taken. Raises StatusError with the
    remedy.
    """
    from depthlm_ros.models import registry
    from depthlm_ros.models.options import parse_pairs

    return registry.load(
        arguments.model,
        arguments.device,
        arguments.dtype,
        arguments.revision,
        quantize=arguments.quantize,
        calibrated=calibrated,
        **parse_pairs(arguments.option),
    )
