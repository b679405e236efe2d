"""The model's process: same results, and every way to hang or die costs one call."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import faulty_models as faulty
import numpy as np
import pytest
from faulty_models import picture

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.model_process import process as process_module
from depthlm_ros.model_process.model import load_in_process, wants_process
from depthlm_ros.models.base import (
    DenseDepthModel,
    LanguageModel,
    OnDevicePostprocess,
    PointDepthModel,
    grounding_of,
)
from depthlm_ros.models.oom_retry import call_model
from depthlm_ros.nodes.depth.statistics import Statistics
from depthlm_ros.status import Code, StatusError

CAMERA = PinholeCamera(60.0, 60.0, 31.5, 23.5, 64, 48)
QUICK = {"backoff_s": (0.05, 0.2), "limit_s": 1.0}


def until(condition, seconds=20.0):
    """Wait for a condition; fails when it does not come."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come in time"
        time.sleep(0.01)


def is_alive(pid):
    """Tell whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def segments_of_ours():
    """Return the names of shared memory that Python or this package would have made."""
    names = {path.name for path in Path("/dev/shm").iterdir()}
    return {name for name in names if "depthlm" in name or name.startswith("psm_")}


@pytest.fixture(scope="module")
def model():
    """Return a model that is replaced quickly."""
    model = load_in_process(faulty.load_faulty, (), **QUICK)
    yield model
    model.close()


def depth(model, rgb):
    """Return the depth of a picture."""
    return model.depth(rgb, model.view_of(CAMERA))


def test_it_keeps_the_contracts_and_attributes_of_the_model(model):
    kinds = (DenseDepthModel, PointDepthModel, LanguageModel)
    assert all(isinstance(model, kind) for kind in kinds)
    assert not isinstance(model, OnDevicePostprocess)
    own = faulty.Faulty()
    assert (model.name, model.ratio_90, model.speaks) == (own.name, 1.5, True)
    assert grounding_of(model) == own.grounding
    assert model.remarks == ("a remark",)
    assert model.process_status.pid not in (0, os.getpid())


def test_results_are_those_of_the_model_itself(model):
    own, rgb = faulty.Faulty(), picture(3.7, height=480, width=640)
    view = own.view_of(CAMERA)
    assert model.view_of(CAMERA) == view
    theirs = model.depth(rgb, view)
    assert theirs.dtype == np.float32
    np.testing.assert_array_equal(theirs, own.depth(rgb, view))
    readings = model.distances(rgb, CAMERA, [(3.0, 4.0), (5.0, 6.0)])
    assert [reading.distance_m for reading in readings] == [3.0, 5.0]


def test_a_map_stays_as_it_is_when_others_follow(model):
    rgb = picture(2.0, height=480, width=640)
    camera = PinholeCamera(500.0, 500.0, 319.5, 239.5, 640, 480)
    first = model.depth(rgb, model.view_of(camera))
    model.depth(picture(9.0, height=480, width=640), model.view_of(camera))
    assert first.shape == (480, 640)
    assert (first == np.float32(2.0)).all()


def test_the_embedded_model_gives_the_same_depth_bit_for_bit():
    rgb = np.random.default_rng(5).integers(0, 256, (120, 160, 3), np.uint8)
    camera = PinholeCamera(150.0, 150.0, 79.5, 59.5, 160, 120)
    own = faulty.load_embedded()
    remote = load_in_process(faulty.load_embedded, ())
    try:
        assert remote.view_of(camera) == own.view_of(camera)
        assert remote.interval == own.interval
        view = own.view_of(camera)
        assert remote.depth(rgb, view).tobytes() == own.depth(rgb, view).tobytes()
    finally:
        remote.close()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (faulty.HANG, "took longer than 1.0 s"),
        (faulty.GIL, "took longer than 1.0 s"),
        (faulty.ABORT, "SIGABRT"),
        (faulty.SEGV, "SIGSEGV"),
        (faulty.KILL, "for want of memory"),
        (faulty.EXIT, "code 3"),
    ],
    ids=["hang", "GIL", "abort", "segv", "kill", "exit"],
)
def test_a_fault_costs_one_call_and_the_process_is_replaced(model, fault, said):
    until(lambda: model.why_unavailable() == "")
    before, pid = model.process_status.replaced, model.process_status.pid
    begin = time.monotonic()
    with pytest.raises(StatusError, match=said) as caught:
        depth(model, picture(2.0, fault))
    assert caught.value.code == Code.MODEL_ERROR
    assert time.monotonic() - begin < 4.0
    until(lambda: model.process_status.replaced == before + 1 and not model.why_unavailable())
    assert said in model.process_status.last_reason
    assert not is_alive(pid)
    assert (depth(model, picture(4.0)) == np.float32(4.0)).all()


def test_calls_meanwhile_are_told_that_the_model_is_not_ready():
    model = load_in_process(faulty.load_faulty, (), backoff_s=(30.0, 30.0))
    try:
        view = model.view_of(CAMERA)
        os.kill(model.process_status.pid, signal.SIGKILL)  # at rest: no call notices it
        until(lambda: model.why_unavailable())
        with pytest.raises(StatusError, match=r"another starts in (29|30) s") as caught:
            model.depth(picture(), view)
        assert caught.value.code == Code.MODEL_NOT_READY
    finally:
        model.close()


def test_a_lost_device_replaces_the_process_after_the_error_was_told(model):
    until(lambda: model.why_unavailable() == "")
    before = model.process_status.replaced
    with pytest.raises(Exception, match="illegal memory access"):
        depth(model, picture(2.0, faulty.DEVICE))
    until(lambda: model.process_status.replaced == before + 1 and not model.why_unavailable())
    assert "lost its device" in model.process_status.last_reason


def test_errors_of_the_model_come_over_as_they_are_and_cost_no_process(model):
    until(lambda: model.why_unavailable() == "")
    pid = model.process_status.pid
    with pytest.raises(StatusError, match="upside down") as refused:
        depth(model, picture(2.0, faulty.REFUSE))
    assert refused.value.code == Code.BAD_IMAGE
    with pytest.raises(Exception, match="ZeroDivisionError: division by zero") as failed:
        depth(model, picture(2.0, faulty.DIVIDE))
    assert "faulty_models.py" in str(failed.value.__cause__)
    assert model.process_status.pid == pid


def test_out_of_memory_is_tried_once_more_at_a_smaller_size(model):
    until(lambda: model.why_unavailable() == "")
    statistics, tries = Statistics(), []

    def call():
        tries.append(1)
        return depth(model, picture(2.0, faulty.MEMORY if len(tries) == 1 else faulty.NONE))

    assert (call_model(model, call, statistics) == np.float32(2.0)).all()
    assert (len(tries), statistics.retries) == (2, 1)


def test_a_reply_tells_of_its_tokens_and_takes_frames_between(model):
    until(lambda: model.why_unavailable() == "")
    between = []
    model.on_token = lambda: between.append(float(depth(model, picture(len(between) + 1.0))[0, 0]))
    assert model.reply(picture(), CAMERA, "one two three") == "one two three"
    assert between == [1.0, 2.0, 3.0]

    def stop():
        raise StatusError(Code.DEADLINE, "too late")

    model.on_token = stop
    with pytest.raises(StatusError, match="too late"):
        model.reply(picture(), CAMERA, "one two three")
    model.on_token = None
    assert model.reply(picture(), CAMERA, "again") == "again"


def test_a_model_that_does_not_load_says_why():
    with pytest.raises(StatusError, match="'x' is not here: fetch it"):
        load_in_process(faulty.load_refused, ("x",))
    with pytest.raises(StatusError, match="ended with code 7 while loading"):
        load_in_process(faulty.load_and_die, ())


def test_a_process_that_hangs_while_loading_is_killed():
    with pytest.raises(StatusError, match="hung for 1 s while loading"):
        load_in_process(time.sleep, (60,), load_limit_s=1.0)


def test_a_crash_loop_ends_in_a_clear_error(tmp_path):
    model = load_in_process(
        faulty.load_once, (str(tmp_path / "flag"),), backoff_s=(0.01, 0.01), limit_s=1.0
    )
    view = model.view_of(CAMERA)
    with pytest.raises(StatusError):
        model.depth(picture(2.0, faulty.KILL), view)
    until(lambda: model.process_status.state == "failed", 60.0)
    assert model.process_status.replaced == process_module.CRASH_LOOP - 1
    with pytest.raises(StatusError, match="6 times without a result.*code 9.*configure") as caught:
        model.depth(picture(), view)
    assert caught.value.code == Code.MODEL_NOT_READY


def test_closing_ends_the_process_and_so_does_forgetting_the_model():
    model = load_in_process(faulty.load_faulty, ())
    pid = model.process_status.pid
    model.close()
    until(lambda: not is_alive(pid))
    with pytest.raises(StatusError):
        depth(model, picture())
    model = load_in_process(faulty.load_faulty, ())
    pid = model.process_status.pid
    del model
    until(lambda: not is_alive(pid))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_dies_with_its_parent_and_leaves_nothing(number):
    segments = segments_of_ours()
    parent = subprocess.Popen(
        [sys.executable, "-c", "import faulty_models; faulty_models.hold()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    with parent:
        child = int(parent.stdout.readline())
        assert is_alive(child)
        parent.send_signal(number)
        parent.wait(10)
        until(lambda: not is_alive(child))
    assert segments_of_ours() <= segments


def test_the_node_side_needs_no_torch():
    code = (
        "import sys, faulty_models as f\n"
        "from depthlm_ros.model_process.model import load_in_process\n"
        "from depthlm_ros.geometry.camera import PinholeCamera\n"
        "m = load_in_process(f.load_embedded, ())\n"
        "c = PinholeCamera(150.0, 150.0, 79.5, 59.5, 160, 120)\n"
        "d = m.depth(f.picture(2.0, 0, 120, 160), m.view_of(c))\n"
        "assert d.shape and 'torch' not in sys.modules\n"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=120,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip


def test_who_gets_a_process(tmp_path):
    assert wants_process("true", "cpu", tmp_path)
    assert not wants_process("false", "cuda", tmp_path)
    assert not wants_process("auto", "auto", tmp_path)
    assert wants_process("auto", "cuda:1", tmp_path)
    assert not wants_process("auto", "cpu", tmp_path)
    (tmp_path / "nvidia0").touch()
    assert wants_process("auto", "auto", tmp_path)
