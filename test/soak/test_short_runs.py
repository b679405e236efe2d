"""The long runs, short: so that they work when they are wanted."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


@pytest.mark.parametrize(
    "words, rows",
    [
        ("requests --count 100", ["random requests | 100 | 100 | 0 | "]),
        (
            "fuzz --messages 500 --cases 500",
            [
                "changed questions | 500 | 500 | 0 | ",
                "changed pictures | 500 | 500 | 0 | ",
                "changed calibrations | 50 | 50 | 0 | ",
                "broken messages | 500 | 500 | 0 | ",
            ],
        ),
        (
            "storms --count 2",
            [
                "transitions | 2 | 2 | 0 | ",
                "parameters | 20 | 20 | 0 | ",
                "clock jumps | 2 | 2 | 0 | ",
                "SIGSTOP | 2 | 2 | 0 | ",
                "SIGKILL of model and node | 1 | 1 | 0 | ",
                "signals | 2 | 2 | 0 | ",
            ],
        ),
    ],
)
def test_a_short_run_finds_nothing_wrong(words, rows):
    command = [sys.executable, str(HERE), *words.split()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    for row in rows:  # how late is for a machine at rest
        assert f"| {row}" in done.stdout, done.stdout + done.stderr


def test_a_short_soak():
    command = [sys.executable, str(HERE), "soak", "--minutes", "0.1", "--own-process"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    cells = done.stdout.split("| 0.1 min |")[1].split("|")
    assert 4 <= int(cells[0]) == int(cells[1]) and int(cells[2]) == 0, done.stdout + done.stderr
    assert len(cells) == 9  # two processes, before and afterwards
