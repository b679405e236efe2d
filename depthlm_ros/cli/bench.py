"""``depthlm bench speed | accuracy | geometry | ask | pictures``: modules with own options."""

from importlib import import_module

from depthlm_ros.cli.brief_parser import BriefParser

MODULES = {
    "speed": "depthlm_ros.benchmarks.speed",
    "accuracy": "depthlm_ros.evaluation.accuracy",
    "geometry": "depthlm_ros.benchmarks.geometry",
    "ask": "depthlm_ros.benchmarks.asking",
    "pictures": "depthlm_ros.benchmarks.picture_cost",
}
HELP = (
    "where the time of a frame goes (speed), how right the depth is (accuracy), how right "
    "clearance, ground and scan are (geometry), how questions are answered (ask), or what "
    "compressed pictures cost (pictures)"
)


def main(argv) -> int:
    """Run a benchmark; its module gives ``add_arguments(parser)`` and ``run(arguments)``.

    Returns 0, or 1 where it was refused. Arguments that make no sense end in SystemExit(2).
    """
    choose = BriefParser(prog="depthlm bench", description=f"Measure {HELP}.", add_help=False)
    choose.add_argument("benchmark", choices=MODULES, help=HELP)
    if not argv or argv[0] not in MODULES:
        choose.add_argument("-h", "--help", action="help", help="show this help and exit")
        choose.epilog = "Each has options of its own: depthlm bench speed --help"
        choose.parse_args(argv)
    from depthlm_ros.cli.inference import show_log
    from depthlm_ros.models.import_logging import quiet_imports

    show_log()  # what weights need is told before they are made
    with quiet_imports():
        module = import_module(MODULES[argv[0]])
    parser = BriefParser(
        prog=f"depthlm bench {argv[0]}", description=(module.__doc__ or "").strip()
    )
    module.add_arguments(parser)
    return 1 if module.run(parser.parse_args(argv[1:])) else 0
