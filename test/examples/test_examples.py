"""The examples run as they are shown."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


def test_the_depth_of_a_photo_has_metres_and_a_picture(tmp_path):
    photo, out = ROOT / "test/data/reference/images/room_a.png", tmp_path / "depth.png"
    words = [sys.executable, str(EXAMPLES / "01_depth_of_a_photo.py"), str(photo), "400", str(out)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "image centre: " in done.stdout and " m (" in done.stdout
    coloured, source = cv2.imread(str(out)), cv2.imread(str(photo))
    assert coloured.shape == source.shape and np.unique(coloured.reshape(-1, 3), axis=0).size > 100
