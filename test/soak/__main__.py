"""Long runs against the node, each one command that prints a table.

    ./run exec python test/soak soak --minutes 30 [--own-process]
    ./run exec python test/soak requests --count 10000
    ./run exec python test/soak fuzz --messages 200000 --cases 50000
    ./run exec python test/soak storms --count 100

The last lines tell what broke a rule, and the exit code is 1 when anything did.
"""

import argparse
import logging
import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])

import fuzz  # noqa: E402
import random_requests  # noqa: E402
import rclpy  # noqa: E402
import soak  # noqa: E402
import storms  # noqa: E402

HEAD = "| run | sent | answered | wrong | late |\n" + "| --- " * 5 + "|"


def main() -> int:
    """Run what is asked for."""
    options = _options()
    logging.disable(logging.ERROR)
    rclpy.init()
    with tempfile.TemporaryDirectory() as folder:
        tables = []
        for run in _runs(options, Path(folder)):
            tables.append(run())
            print(tables[-1], flush=True)
    rclpy.try_shutdown()
    return 1 if any(_is_bad(table) for table in tables) else 0


def _options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("soak")
    command.add_argument("--minutes", type=float, default=30.0)
    command.add_argument("--own-process", action="store_true", help="the model in a process")
    commands.add_parser("requests").add_argument("--count", type=int, default=10_000)
    command = commands.add_parser("fuzz")
    command.add_argument("--messages", type=int, default=200_000)
    command.add_argument("--cases", type=int, default=50_000, help="of questions, pictures, ...")
    commands.add_parser("storms").add_argument("--count", type=int, default=100)
    return parser.parse_args()


def _runs(options, folder: Path) -> list:
    """Return the runs of a command, to be called one after the other."""
    if options.command == "soak":
        return [lambda: soak.run(folder, options.minutes, options.own_process)]
    print(HEAD)
    if options.command == "requests":
        return [
            lambda: random_requests.run_large(folder, max(2, options.count // 50)),
            lambda: random_requests.run(folder, options.count),
        ]
    if options.command == "fuzz":
        return [
            lambda: fuzz.questions(options.cases),
            lambda: fuzz.pictures(options.cases),
            lambda: fuzz.calibrations(folder, options.cases // 10),
            lambda: fuzz.messages(folder, options.messages),
        ]
    several = max(1, options.count // 5)  # what takes seconds each
    return [
        lambda: storms.lifecycle(folder, options.count),
        lambda: storms.parameters(folder, options.count * 10),
        lambda: storms.clock(folder, options.count),
        lambda: storms.stopped(folder, options.count),
        lambda: storms.killed(folder, several),
        lambda: storms.signals(folder, options.count),
    ]


def _is_bad(table: str) -> bool:
    """Tell whether a table shows anything wrong, late or not flat."""
    cells = [row.split("|")[4:6] for row in table.splitlines() if row.startswith("| ")]
    counts = [cell.strip() for row in cells for cell in row if cell.strip()[:1].isdigit()]
    return "NOT FLAT" in table or any(count != "0" for count in counts)


if __name__ == "__main__":
    sys.exit(main())
