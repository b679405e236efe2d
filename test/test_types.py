"""Types: mypy on the rooms without torch and ROS, by the rules of pyproject.toml."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TYPED = """
geometry language prompting visualization estimator.py frame.py interval.py point_depth.py
point_readings.py sanitize.py status.py tasks.py worker.py image_io/atomic_write.py
""".split()


def test_mypy(tmp_path):
    names = [f"depthlm_ros/{name}" for name in TYPED]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path), *names],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
