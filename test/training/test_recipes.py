"""Every recipe end to end on tiny checkpoints of the real classes."""

import json

import numpy as np
import pytest
import torch
from tiny_recipes import depthlm, depthvlm, losses, weights

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.models import registry
from depthlm_ros.models.depthlm.six_tasks import ask_task
from depthlm_ros.status import StatusError
from depthlm_ros.tasks import Task
from depthlm_ros.training import depthvlm_stages, run, sft


@pytest.mark.parametrize("name", ["depthlm_qwen_tiny", "depthlm_pixtral_tiny"])
def test_depthlm_learns_and_is_served(name, tmp_path, reference_checkpoint, depthlm_data):
    """Both families: the loss falls on four pictures, and the folder loads as a DepthLM."""
    config = depthlm(
        tmp_path,
        reference_checkpoint(name),
        depthlm_data,
        "trainer.max_steps=20",
        "trainer.save_steps=20",
        "sampling.focal_px=60",
    )
    folder = sft.run(config)
    found = losses(tmp_path)
    assert np.mean(found[-3:]) < 0.5 * found[0]
    model = registry.load(str(folder), "cpu")
    assert model.path.image.focal_px == 60.0
    camera = PinholeCamera(60.0, 60.0, 31.5, 23.5, 64, 48)
    (reading,) = model.distances(np.zeros((48, 64, 3), np.uint8), camera, [(30, 20)])
    assert reading.text or reading.reason
    card = (folder / "README.md").read_text()
    assert "20 steps of 4 samples" in card and "| NuScenes | 4 | 1 | CC BY-NC-SA 4.0 |" in card
    assert (tmp_path / "loss.png").stat().st_size > 1000


@pytest.mark.parametrize("name", ["depthlm_qwen_tiny", "depthlm_pixtral_tiny"])
def test_depthlm_learns_the_camera_motion_beside_distances(
    name, tmp_path, reference_checkpoint, depthlm_data
):
    """Lines of two images beside lines of points; what comes out is asked about two images."""
    points = depthlm_data.read_text().splitlines()
    motion = tmp_path / "motion.jsonl"
    with motion.open("w") as file:
        for one, two in zip(points, points[1:], strict=False):
            line, other = json.loads(one), json.loads(two)
            kept = {key: line[key] for key in ("image", "intrinsics")}
            kept |= {"second_image": other["image"], "camera_motion": 2.0, "label": "distance"}
            file.write(json.dumps(kept) + "\n")
    root = depthlm_data.parent
    config = depthlm(
        tmp_path / "run",
        reference_checkpoint(name),
        depthlm_data,
        f"data=[{{file: {depthlm_data}, label: z}}, {{file: {motion}, image_root: {root}}}]",
        "sampling.tasks=[distance, camera_motion]",
        "sampling.style=multitask",
        "trainer.max_steps=16",
        "trainer.save_steps=16",
    )
    folder = sft.run(config)
    found = losses(tmp_path / "run")
    assert np.mean(found[-3:]) < 0.6 * found[0]
    model = registry.load(str(folder), "cpu")
    camera = PinholeCamera(60.0, 60.0, 31.5, 23.5, 64, 48)
    images = [np.full((48, 64, 3), grey, np.uint8) for grey in (40, 90)]
    reading = ask_task(model, Task.CAMERA_MOTION, images, camera)
    assert reading.text or reading.reason


@pytest.mark.parametrize("name", ["depthlm_qwen_tiny", "depthlm_pixtral_tiny"])
def test_depthlm_resumed_equals_uninterrupted(name, tmp_path, reference_checkpoint, depthlm_data):
    """Four steps at once, and two, stopped, and two more: the same weights, bit by bit."""
    model = reference_checkpoint(name)
    more = (
        "trainer.save_steps=2",
        "trainer.max_steps=4",
        "label_mask=published",
        "sampling.points=2",
        "trainer.lr_scheduler_type=constant",
    )
    whole = sft.run(depthlm(tmp_path / "whole", model, depthlm_data, *more))
    first = (*more, "trainer.max_steps=2")
    sft.run(depthlm(tmp_path / "parts", model, depthlm_data, *first))
    parts = sft.run(depthlm(tmp_path / "parts", model, depthlm_data, *more))
    one, two = weights(whole), weights(parts)
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_another_familys_model_is_refused(
    tmp_path, reference_checkpoint, depthlm_data, depthvlm_data, capsys
):
    with pytest.raises(StatusError, match="DepthLM trains a Qwen2.5-VL or a Pixtral"):
        sft.run(depthlm(tmp_path, reference_checkpoint("depthvlm_tiny"), depthlm_data))
    with pytest.raises(StatusError, match="DepthVLM trains a Qwen3-VL or a DepthVLM"):
        depthvlm_stages.run(
            depthvlm(tmp_path, reference_checkpoint("depthlm_qwen_tiny"), depthvlm_data, 1)
        )
    assert run.main(["depthlm_9b"]) == 2
    assert "recipes here are" in capsys.readouterr().err
