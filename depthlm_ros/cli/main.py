"""The command ``depthlm``: arguments only. What a command does is in a file of its own.

Exit codes: 0 done; 1 refused or failed, the reason is on standard error; 2 arguments that make no
sense; 130 interrupted. With --json, standard output holds one JSON document and nothing else.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from depthlm_ros.cli.brief_parser import (
    BriefParser,
    count,
    finite,
    not_negative,
    positive,
    share,
)
from depthlm_ros.models.arguments import add_model_arguments

DESCRIPTION = "Metric depth and answers in metres, from pictures of any camera."
EPILOG = (
    "Exit codes: 0 done, 1 refused or failed, 2 arguments that make no sense. `depthlm COMMAND "
    "--help` tells the options of a command."
)
EXAMPLE_CALIBRATE = "example: depthlm calibrate --data labelled.jsonl --model depthvlm-4b"
EXAMPLE_DEPTH = (
    "examples: depthlm depth photo.jpg -o out (EXIF tells the focal length); depthlm depth "
    "'shots/*.png' --camera-info ost.yaml -o out; depthlm depth photo.jpg --hfov 67 -o out"
)
EXAMPLE_ASK = "example: depthlm ask photo.jpg --fx 525 'How far is this point?' --at 320 240"
CAMERA_HELP = (
    "How the focal length is known, the first that is given: --fx, --hfov, --f35, --camera-info; "
    "else the picture's EXIF; else --assume-phone, which every output says."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if argv[:1] == ["data"]:
        return _guarded(lambda: _function("data:main")(argv[1:]), False, False)
    if argv[:1] == ["bench"]:  # its options are not known before it is loaded
        return _guarded(lambda: _function("bench:main")(argv[1:]), False, False)
    top = parser()
    if not argv:
        top.print_help()
        return 0
    options = top.parse_args(argv)
    if broken := validation_error(options):
        top.error(broken)
    return _guarded(lambda: _function(options.function)(options), options.json, options.traceback)


def _function(name: str):
    module, _, function = name.partition(":")
    return getattr(import_module(f"depthlm_ros.cli.{module}"), function)


def _guarded(call, as_json: bool, traceback: bool) -> int:
    """Return the exit code of a call; whatever goes wrong is one line on standard error."""
    from depthlm_ros.cli.console import note, print_json, record_of, sentence_of

    try:
        code = call()
        sys.stdout.flush()  # here, where a reader that has gone is no error
        return code
    except KeyboardInterrupt:
        note("interrupted")
        return 130
    except BrokenPipeError:  # the reader of our output has gone: nobody to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        return 1
    except Exception as error:
        if traceback:
            raise
        note(sentence_of(error))
        if as_json:
            print_json(record_of(error))
        return 1


def validation_error(options) -> str:
    """Return the rule that options break together, or ""."""
    given = vars(options)
    if given.get("camera_info"):
        alone = [name for name in ("fy", "cx", "cy") if given[name] is not None]
        if alone:
            return f"--{alone[0]}: not together with --camera-info, which holds it"
    elif given.get("fy") is not None and given["fx"] is None:
        return "--fy: needs --fx, the horizontal focal length, as well"
    if given.get("rectified") and not given["camera_info"]:
        return "--rectified: only with --camera-info (with --fx the lens is ideal anyway)"
    if given.get("scale") and not given["scale"][0] < given["scale"][1]:
        return "--scale: LOW must be less than HIGH"
    if "min_range" in given and not given["min_range"] < given["max_range"]:
        return "--min-range must be less than --max-range"
    return ""


def parser() -> argparse.ArgumentParser:
    """Return the parser of everything but the options of the benchmarks."""
    top = BriefParser(prog="depthlm", description=DESCRIPTION, epilog=EPILOG)
    top.add_argument("--version", action="version", version=f"depthlm {version()}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    _add_depth(commands)
    _add_ask(commands)
    _add_models(commands)
    _add_fetch(commands)
    _add_doctor(commands)
    _add_calibrate(commands)
    bench = "measure speed or accuracy: `depthlm bench speed`, `depthlm bench accuracy`"
    commands.add_parser("bench", help=bench, add_help=False)
    data = "prepare the public data sets: `depthlm data prepare`, `depthlm data show`"
    commands.add_parser("data", help=data, add_help=False)
    return top


def version() -> str:
    """Return the version of this package: installed, or of the clone that it runs from."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed
    from pathlib import Path

    package = Path(__file__).resolve()
    for folder in package.parents[1:3]:
        if (file := folder / "package.xml").is_file():
            return file.read_text(encoding="utf-8").partition("<version>")[2].partition("<")[0]
    try:
        return installed("depthlm_ros")
    except PackageNotFoundError:
        return "unknown"


def _command(commands, name: str, function: str, text: str, epilog: str = ""):
    command = commands.add_parser(name, help=text, description=f"{text}.", epilog=epilog)
    command.set_defaults(function=function)
    command.add_argument("--json", action="store_true", help="print the result as JSON")
    command.add_argument(
        "--traceback", action="store_true", help="show where in the code an error arose"
    )
    command.add_argument(
        "-v", "--verbose", action="store_true", help="tell more: the model's measured accuracy"
    )
    return command


def _add_depth(commands) -> None:
    text = "measure the depth of every pixel, and write it as npy, PNG and PLY files"
    command = _command(commands, "depth", "depth:run", text, EXAMPLE_DEPTH)
    command.add_argument(
        "images", nargs="+", metavar="IMAGE", help="picture files, folders of them, or patterns"
    )
    command.add_argument("-o", "--output", required=True, metavar="DIR", help="folder for files")
    _add_camera(command)
    _add_model(command)
    command.add_argument(
        "--scale",
        nargs=2,
        type=not_negative,
        metavar=("LOW", "HIGH"),
        help="[m] ends of the colour scale (default: of each picture, percentiles 2 and 98)",
    )
    command.add_argument(
        "--keep-edges",
        action="store_true",
        help="keep points at depth steps in the cloud, which may float between two surfaces",
    )
    command.add_argument(
        "--max-points",
        type=count,
        metavar="N",
        help="points of the cloud at most: every second, third ... row and column (default all)",
    )
    command.add_argument(
        "--grid",
        nargs=2,
        type=count,
        default=(24, 32),
        metavar=("ROWS", "COLUMNS"),
        help="points that a model is asked about which answers point by point (default 24 32)",
    )


def _add_ask(commands) -> None:
    text = "answer a question about points or things of a picture, in metres"
    command = _command(commands, "ask", "ask:run", text, EXAMPLE_ASK)
    command.add_argument("image", metavar="IMAGE", help="picture file")
    command.add_argument(
        "question", metavar="QUESTION", help="in English, about points, named things or free ways"
    )
    command.add_argument(
        "--verify",
        action="store_true",
        help="look for named things a second time, in the mirrored picture, and believe only what "
        "is found twice",
    )
    command.add_argument(
        "--at",
        nargs=2,
        type=finite,
        action="append",
        default=[],
        metavar=("U", "V"),
        help="[px] a point of the picture as it was taken, (0, 0) is the centre of its first "
        "pixel; repeat for a second point",
    )
    command.add_argument(
        "--region",
        nargs=4,
        type=finite,
        metavar=("X", "Y", "WIDTH", "HEIGHT"),
        help="[px] the part of the picture it is about, as a detector's box: 'this' is the thing "
        "in it, things are counted in it",
    )
    command.add_argument(
        "-o", "--output", metavar="FILE.png", help="write the picture with the points marked"
    )
    _add_camera(command)
    _add_model(command)


def _add_camera(command) -> None:
    group = command.add_argument_group("camera", CAMERA_HELP)
    which = group.add_mutually_exclusive_group()
    which.add_argument("--fx", type=positive, help="[px] focal length, for an undistorted lens")
    which.add_argument(
        "--hfov", type=positive, metavar="DEG", help="[degrees] horizontal field of view"
    )
    which.add_argument(
        "--f35", type=positive, metavar="MM", help="[mm] focal length on 35 mm film"
    )
    which.add_argument(
        "--camera-info",
        metavar="FILE",
        help="calibration of the camera: camera_calibration, `ros2 topic echo`, OpenCV, kalibr, "
        "ORB-SLAM, VINS, RealSense, OAK, Open3D, ZED, ost.txt; FILE#NAME chooses one of several "
        "cameras; lens distortion is removed, and all results refer to the rectified picture",
    )
    group.add_argument(
        "--assume-phone",
        action="store_true",
        help="where nothing tells the focal length, take that of a phone's main camera",
    )
    group.add_argument("--fy", type=positive, help="[px] vertical focal length (default fx)")
    group.add_argument("--cx", type=finite, help="[px] centre (default (width - 1) / 2)")
    group.add_argument("--cy", type=finite, help="[px] centre (default (height - 1) / 2)")
    group.add_argument(
        "--rectified",
        action="store_true",
        help="with --camera-info: the picture has its lens distortion removed already",
    )


def _add_model(command) -> None:
    group = command.add_argument_group("model")
    add_model_arguments(group)
    group.add_argument(
        "--min-range", type=not_negative, default=0.05, metavar="M", help="[m] default 0.05"
    )
    group.add_argument(
        "--max-range",
        type=positive,
        default=100.0,
        metavar="M",
        help="[m] depths outside min-range to max-range are not accepted (default 100)",
    )


def _add_models(commands) -> None:
    text = "list the models with size and licence, and whether they are on this machine"
    command = _command(commands, "models", "models:list_models", text)
    command.add_argument("--options", action="store_true", help="list what --option takes instead")


def _add_fetch(commands) -> None:
    text = "download a model, resuming what is there"
    command = _command(commands, "fetch", "models:fetch", text)
    command.add_argument("name", metavar="NAME", help="a known name, or a hub id 'owner/name'")
    command.add_argument("--revision", help="branch, tag or commit (default: the newest)")


def _add_calibrate(commands) -> None:
    text = "find the factor of a model's interval of 90 %% on labelled pictures, and keep it"
    command = _command(commands, "calibrate", "calibrate:run", text, EXAMPLE_CALIBRATE)
    command.add_argument(
        "--data",
        required=True,
        metavar="FILE.jsonl",
        help="pictures with intrinsics and labelled pixels, of the places and cameras it is for",
    )
    command.add_argument(
        "--labels",
        choices=("depth", "distance"),
        default="depth",
        help="what the labels are: along the axis, or straight (default depth)",
    )
    command.add_argument(
        "--held-out",
        type=share,
        default=0.5,
        metavar="SHARE",
        help="share of the pictures that check the factor and have no part in it (default 0.5)",
    )
    command.add_argument(
        "--seed", type=int, default=0, help="of the draw of these pictures (default 0)"
    )
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE.json",
        help="file to write (default calibration.json beside the weights, where it is found)",
    )
    add_model_arguments(command.add_argument_group("model"))


def _add_doctor(commands) -> None:
    text = "check this machine, a model's need, ROS, and a running camera; tell the remedies"
    command = _command(commands, "doctor", "doctor.report:run", text)
    add_model_arguments(command)
    command.add_argument("--image-topic", metavar="TOPIC", help="of a camera that runs")
    command.add_argument("--camera-info-topic", metavar="TOPIC", help="of the same camera")
    command.add_argument(
        "--seconds", type=positive, default=5.0, help="[s] how long to listen (default 5)"
    )


if __name__ == "__main__":
    sys.exit(main())
