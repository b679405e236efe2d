"""Runs of curation: workers, interruption, commands, what is missing."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from curated_trees import matterport, text

from depthlm_ros.datasets.curation import CurationSettings, prepare
from depthlm_ros.datasets.curators import NAMES, curator_of
from depthlm_ros.datasets.readers import AnnotationFile
from depthlm_ros.datasets.scene_map import ray_cluster
from depthlm_ros.datasets.show import sheet
from depthlm_ros.status import StatusError


def three_scenes(root):
    """Write Matterport3D with the scenes m1, m2 and m3."""
    matterport(root)
    for name in ("m2", "m3"):
        shutil.copytree(root / "m1", root / name)
        conf = root / name / "undistorted_camera_parameters"
        (conf / "m1.conf").rename(conf / f"{name}.conf")
    text(root / "scenes_train.txt", "m1\nm2\nm3\n")


def test_a_cluster_of_two_workers_writes_the_same_file(tmp_path):
    """Ray Data's map over scenes, on a cluster made here, against the map of one process."""
    root, told = tmp_path / "root", []
    three_scenes(root)
    curator, settings = curator_of("matterport3d"), CurationSettings()
    alone = prepare(curator, root, tmp_path / "alone", settings)
    with ray_cluster("local", workers=2) as ray:
        assert ray.cluster_resources()["CPU"] == 2
        by_ray = prepare(
            curator, root, tmp_path / "ray", settings, ray_address="local",
            progress=lambda *numbers: told.append(numbers),
        )  # fmt: skip
        assert by_ray.read_text() == alone.read_text() and len(alone.read_text().splitlines()) == 6
        assert told == [("matterport3d", n, 3) for n in (1, 2, 3)]
        (root / "m2/undistorted_depth_images/a_d0_0.png").write_bytes(b"no picture")
        with pytest.raises(StatusError, match="a_d0_0.png is missing or no picture"):
            prepare(curator, root, tmp_path / "broken", settings, ray_address="local")
    assert not ray.is_initialized()


def test_a_refusal_crosses_processes(tmp_path):
    root = tmp_path / "root"
    three_scenes(root)
    (root / "m2/undistorted_depth_images/a_d0_0.png").write_bytes(b"no picture")
    with pytest.raises(StatusError, match="a_d0_0.png is missing or no picture"):
        prepare(curator_of("matterport3d"), root, tmp_path / "o", CurationSettings(), workers=2)


def test_an_interrupted_run_goes_on_and_machines_share(tmp_path):
    root, out = tmp_path / "root", tmp_path / "out"
    three_scenes(root)
    curator, settings = curator_of("matterport3d"), CurationSettings()
    path = prepare(curator, root, out, settings, part=(0, 2))
    assert not path.exists()
    first = out / "parts/depthlm/train/m1.jsonl"
    stamp = first.stat().st_mtime_ns
    told = []
    prepare(curator, root, out, settings, part=(1, 2), progress=lambda *a: told.append(a))
    assert path.is_file() and len(path.read_text().splitlines()) == 6
    assert first.stat().st_mtime_ns == stamp and told == [("matterport3d", 1, 1)]
    whole = prepare(curator, root, tmp_path / "whole", settings, workers=2)
    assert whole.read_text() == path.read_text()
    report = json.loads(path.with_suffix(".report.json").read_text())
    assert (report["scenes"], report["images"], report["labels"]) == (3, 6, 6)
    assert sum(report["histogram"]) == 6 and report["histogram"][3] == 6  # all within 2 to 4 m
    assert report["licence"].startswith("Matterport3D terms")


def test_labels_can_be_looked_at(tmp_path):
    matterport(tmp_path)
    path = prepare(curator_of("matterport3d"), tmp_path, tmp_path / "out", CurationSettings())
    points = sheet(AnnotationFile(path, tmp_path), [0, 1])
    assert points.ndim == 3 and points.shape[1] > 900
    path = prepare(
        curator_of("matterport3d"), tmp_path, tmp_path / "v", CurationSettings(form="depthvlm")
    )
    assert not np.array_equal(sheet(AnnotationFile(path, tmp_path), [0, 1]), points)


def test_the_commands(tmp_path, capsys):
    """As in docs/training.md: prepare in both forms, and look at the labels."""
    from depthlm_ros.cli.main import main

    matterport(tmp_path)
    out = tmp_path / "out"
    prepare_it = ["data", "prepare", "matterport3d", "--root", str(tmp_path), "--out", str(out)]
    assert main(prepare_it) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["images"] == 2 and report["file"].endswith("matterport3d_depthlm_train.jsonl")
    assert main([*prepare_it, "--form", "depthvlm", "--part", "0/2"]) == 0
    capsys.readouterr()
    picture = tmp_path / "labels.png"
    assert (
        main(["data", "show", report["file"], "--image-root", str(tmp_path), "-o", str(picture)])
        == 0
    )
    assert cv2.imread(str(picture)).shape[1] > 900
    assert main(["data", "prepare", "ibims1", "--root", str(tmp_path), "--out", str(out)]) == 1
    assert "is missing: must hold the PNG images of iBims-1" in capsys.readouterr().err


def test_what_is_missing_is_named(tmp_path):
    assert len(NAMES) >= 10
    with pytest.raises(StatusError, match="known are argoverse2"):
        curator_of("kitti")
    for name in NAMES:
        with pytest.raises(StatusError, match=r"missing|cannot be read|has no scenes"):
            prepare(curator_of(name), tmp_path, tmp_path / "o", CurationSettings(split="test"))
    with pytest.raises(StatusError, match="must be one of"):
        CurationSettings(form="kitti")
    assert Path(tmp_path).is_dir()
