"""``depthlm data prepare | show``: public sets to annotation lines, and a look at them."""

import argparse
from pathlib import Path

from depthlm_ros.cli.brief_parser import BriefParser


def main(argv) -> int:
    """Run ``depthlm data``; returns the exit code."""
    options = parser().parse_args(argv)
    return options.function(options)


def parser() -> argparse.ArgumentParser:
    """Return the parser of ``depthlm data``."""
    top = BriefParser(
        prog="depthlm data", description="Prepare the public data sets, and look at their labels."
    )
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    _add_prepare(commands)
    _add_show(commands)
    return top


def _add_prepare(commands) -> None:
    from depthlm_ros.datasets.curation import FORMS, POINTS
    from depthlm_ros.datasets.curators import NAMES

    command = commands.add_parser(
        "prepare",
        help="write a set's annotation lines from its official files",
        description="Write a set's annotation lines. An interrupted run goes on; machines that "
        "share a disk share the scenes by --part.",
    )
    command.set_defaults(function=prepare)
    command.add_argument("name", choices=NAMES, help="which set")
    command.add_argument("--root", required=True, type=Path, help="the set's own files")
    command.add_argument("--out", required=True, type=Path, help="folder to write")
    command.add_argument("--split", default="train", choices=("train", "val", "test"))
    command.add_argument(
        "--form",
        default="depthlm",
        choices=FORMS,
        help="points, depth maps (depthvlm), or pairs of images (motion)",
    )
    command.add_argument(
        "--points", type=int, default=POINTS, help=f"drawn an image (default {POINTS})"
    )
    command.add_argument(
        "--label", choices=("z", "distance"), help="what points measure (default distance)"
    )
    command.add_argument("--every", type=int, help="only each Nth image of a scene")
    command.add_argument("--workers", type=int, default=1, help="processes (default 1)")
    command.add_argument(
        "--ray",
        default="",
        metavar="ADDRESS",
        help="map the scenes on a Ray cluster: 'auto', ray://HOST:10001, or 'local' for one here",
    )
    command.add_argument(
        "--part", default="0/1", metavar="I/N", help="every Nth scene from the Ith"
    )
    command.add_argument(
        "--as-published",
        action="store_true",
        help="make the labels as the papers' own scripts do, also where these err",
    )


def _add_show(commands) -> None:
    command = commands.add_parser(
        "show",
        help="draw labels over their pictures",
        description="Write a contact sheet of an annotation file's pictures with their labels.",
    )
    command.set_defaults(function=show)
    command.add_argument("file", type=Path, help="an annotation file (.jsonl)")
    command.add_argument("-o", "--output", required=True, metavar="FILE.png")
    command.add_argument("--image-root", type=Path, help="default: the file's own folder")
    command.add_argument("--depth-root", type=Path, help="default: the image root")
    command.add_argument("--label", choices=("z", "distance"), help="where the lines do not say")
    command.add_argument("--count", type=int, default=9, help="pictures (default 9)")


def prepare(options) -> int:
    """Curate a split; print the report."""
    import json

    from depthlm_ros.cli.console import note
    from depthlm_ros.datasets.curation import CurationSettings
    from depthlm_ros.datasets.curation import prepare as curate
    from depthlm_ros.datasets.curators import curator_of
    from depthlm_ros.evaluation.benchmark import shard_of

    settings = CurationSettings(
        options.form,
        options.split,
        options.points,
        options.label,
        options.every,
        options.as_published,
    )
    path = curate(
        curator_of(options.name),
        options.root,
        options.out,
        settings,
        options.workers,
        shard_of(options.part),
        lambda name, done, total: note(f"{name}: {done} of {total} scenes"),
        options.ray,
    )
    if not path.is_file():
        note(f"{path} is written when all parts are there")
        return 0
    report = json.loads(path.with_suffix(".report.json").read_text(encoding="utf-8"))
    print(json.dumps({"file": str(path), **report}, indent=2))
    return 0


def show(options) -> int:
    """Write the contact sheet of evenly spaced lines."""
    import numpy as np

    from depthlm_ros.datasets.readers import AnnotationFile
    from depthlm_ros.datasets.show import sheet
    from depthlm_ros.image_io.depth_files import write_png

    file = AnnotationFile(options.file, options.image_root, options.depth_root, options.label)
    lines = np.unique(np.linspace(0, len(file) - 1, options.count).round().astype(int))
    write_png(options.output, sheet(file, lines))
    print(options.output)
    return 0
