"""The command line as a whole: arguments, errors, exit codes, help."""

import json
import subprocess
from pathlib import Path

import pytest
from command_line import Plane, run

from depthlm_ros.cli import main as cli
from depthlm_ros.status import Code, StatusError

# -- arguments, errors ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "argv",
    [
        "frobnicate",
        "depth a.png -o o --fx 5 --hfov 60",
        "depth a.png -o o --fy 5",
        "depth a.png --fx 0 -o o",
        "depth a.png --fx nan -o o",
        "depth a.png --fx five -o o",
        "depth --fx 5 -o o",
        "depth a.png --fx 5",
        "depth a.png --fx 5 --camera-info b -o o",
        "depth a.png --camera-info b --fy 5 -o o",
        "depth a.png --camera-info b --cx 5 -o o",
        "depth a.png --fx 5 --rectified -o o",
        "depth a.png --fx 5 --scale 3 2 -o o",
        "depth a.png --fx 5 --min-range 3 --max-range 2 -o o",
        "depth a.png --fx 5 --grid 0 4 -o o",
        "ask a.png --fx 5",
        "ask a.png --fx 5 question --at 3",
        "ask a.png --fx 5 question --at 3 inf",
        "bench",
        "bench everything",
    ],
)
def test_arguments_that_make_no_sense_end_with_2(capsys, argv):
    code, out, err = run(capsys, *argv.split())
    assert code == 2 and out == "" and "error" in err


@pytest.mark.parametrize("command", "depth ask models fetch doctor bench".split())
def test_every_command_has_help(capsys, command):
    code, out, _ = run(capsys, command, "--help")
    assert code == 0 and out.startswith(f"usage: depthlm {command}")


@pytest.mark.parametrize(
    "error, code, said",
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (StatusError(Code.MODEL_NOT_READY, "no weights"), 1, "MODEL_NOT_READY: no weights"),
        (PermissionError(13, "Permission denied", "/x"), 1, "/x: Permission denied"),
        (OSError(28, "No space left on device"), 1, "No space left on device"),
        (ZeroDivisionError("by zero"), 1, "ZeroDivisionError: by zero"),
    ],
)
def test_whatever_goes_wrong_is_one_line(capsys, monkeypatch, error, code, said):
    def fail(_):
        raise error

    monkeypatch.setattr(cli, "_function", lambda _: fail)
    exit_code, out, err = run(capsys, "models")
    assert (exit_code, out, err) == (code, "", f"depthlm: {said}\n")


def test_an_error_is_json_where_json_is_wanted(capsys, photo, tmp_path):
    argv = ["depth", photo, "--fx", 10, "-o", tmp_path / "o", "--model", "no such", "--json"]
    code, out, _ = run(capsys, *argv)
    told = json.loads(out)
    assert (code, told["ok"], told["code"]) == (1, False, "MODEL_NOT_READY")
    assert told["text"].startswith("model 'no such'") and "depthlm models" in told["text"]


def test_a_disk_that_takes_no_file_is_one_line(use, capsys, photo, tmp_path, monkeypatch):
    from depthlm_ros.image_io import depth_files

    def full(*_):
        raise OSError(28, "No space left on device")

    use(Plane())
    monkeypatch.setattr(depth_files, "write_npy", full)
    argv = ["depth", photo, "--fx", 10, "-o", tmp_path / "o", "--json"]
    code, out, err = run(capsys, *argv)
    assert code == 1 and json.loads(out)["images"][0]["code"] == "FILE_ERROR"
    assert err.endswith("photo.png: No space left on device\n")


def test_the_launcher_of_a_clone(tmp_path):
    launcher = Path(__file__).parents[2] / "tools" / "bin" / "depthlm"
    done = subprocess.run([launcher, "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout.startswith("usage: depthlm")


def test_traceback_shows_where(monkeypatch):
    def fail(_):
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "_function", lambda _: fail)
    with pytest.raises(ZeroDivisionError):
        cli.main(["models", "--traceback"])


def test_bench_hands_its_options_over(monkeypatch, capsys):
    from depthlm_ros.cli import bench

    seen = {}

    class Speed:
        __doc__ = "A benchmark."

        @staticmethod
        def add_arguments(parser):
            parser.add_argument("--runs", type=int)

        @staticmethod
        def run(arguments):
            seen["runs"] = arguments.runs
            return 2 if arguments.runs == 0 else 0

    monkeypatch.setattr(bench, "import_module", lambda name: Speed)
    assert run(capsys, "bench", "speed", "--runs", 7)[0] == 0 and seen == {"runs": 7}
    assert run(capsys, "bench", "accuracy", "--runs", 0)[0] == 1
    assert run(capsys, "bench", "speed", "--nothing")[0] == 2
