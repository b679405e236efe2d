"""The doctor: each finding from what it is told, and a camera of the tests' making on real ROS."""

import importlib.metadata
import sys
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from depthlm_ros.cli import main as cli
from depthlm_ros.cli.doctor import finding as finding_module
from depthlm_ros.cli.doctor import report as doctor
from depthlm_ros.cli.doctor import ros as doctor_ros
from depthlm_ros.cli.doctor.finding import FAIL, OK, WARN
from depthlm_ros.models import device_memory
from depthlm_ros.status import Code, StatusError


def levels(findings):
    """Return the level of every finding, by what it is about."""
    return {finding.what: finding.level for finding in findings}


# -- machine and model ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "version, level", [("5.20.2", OK), ("6.1", FAIL), ("5.3.0", OK), ("4.57.1", FAIL)]
)
def test_transformers_by_version(monkeypatch, version, level):
    monkeypatch.setattr(importlib.metadata, "version", lambda _: version)
    finding = doctor._transformers()
    assert finding.level == level and version in finding.text
    assert bool(finding.remedy) == (level != OK)


def cuda(available, capability=(9, 0)):
    return SimpleNamespace(
        version=SimpleNamespace(cuda="13.0"),
        cuda=SimpleNamespace(
            is_available=lambda: available,
            mem_get_info=lambda: (30_000_000_000, 80_000_000_000),
            get_device_name=lambda: "H100",
            get_device_capability=lambda: capability,
        ),
    )


def test_gpu_by_what_torch_says(monkeypatch):
    finding = doctor._gpu(cuda(True))
    assert (finding.level, finding.text) == (OK, "H100, compute 9.0, 30.0 of 80.0 GB free")
    assert doctor._gpu(cuda(True, (7, 5))).level == WARN
    monkeypatch.setattr(doctor.Path, "glob", lambda *_: iter(["/dev/nvidia0"]))
    assert doctor._gpu(cuda(False)).level == WARN
    monkeypatch.setattr(doctor.Path, "glob", lambda *_: iter([]))
    assert doctor._gpu(cuda(False)).level == OK


def test_torch_that_is_missing_is_a_finding_and_not_an_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    (finding,) = doctor._torch()
    assert finding.level == FAIL and "pip install torch" in finding.remedy


@dataclass(frozen=True)
class Opened:
    """A checkpoint of so many parameters."""

    parameters: int
    quantizer: object = None
    format, folder = "depthvlm", "/models/x"

    def need_bytes(self, dtype):
        """Return bytes in this type."""
        return self.parameters * dtype.itemsize


def options_of(model):
    """Return what the command line says of a model, all else as usual."""
    usual = {"revision": None, "device": "cpu", "dtype": "auto", "quantize": "none", "option": []}
    return SimpleNamespace(model=model, **usual)


@pytest.mark.parametrize(
    "parameters, free, level",
    [
        (5_000_000, 1e9, OK),
        (5_000_000, 19e6, FAIL),  # 20 MB in float32
        (5_000_000, 24e6, WARN),  # fits, without 25 % beside it
        (4_470_000_000, 60e9, WARN),  # fits, but on a CPU
    ],
)
def test_memory_against_need(monkeypatch, parameters, free, level):
    from depthlm_ros.models import registry

    monkeypatch.setattr(registry, "locate", lambda *_: Opened(parameters))
    monkeypatch.setattr(device_memory, "free_device_bytes", lambda _: free)
    options = options_of("x")
    assert levels(doctor.model(options)) == {"model x": OK, "memory": level}


def test_a_model_that_is_not_here_fails_with_the_command_that_fetches_it(monkeypatch):
    from depthlm_ros.models import registry

    def locate(*_):
        raise StatusError(Code.MODEL_NOT_READY, "not here")

    monkeypatch.setattr(registry, "locate", locate)
    options = options_of("depthvlm-4b")
    (finding,) = doctor.model(options)
    assert (finding.level, finding.text) == (FAIL, "not here")
    assert finding.remedy == "depthlm fetch depthvlm-4b"
    options.model = "/models/none"
    assert "give --model a folder" in doctor.model(options)[0].remedy


def test_free_memory_is_what_linux_calls_available():
    free = device_memory.free_device_bytes(SimpleNamespace(type="cpu"))
    assert 10_000_000 < free < 1e14


# -- the ROS environment ----------------------------------------------------------------------


def test_without_ros_only_topics_fail(monkeypatch):
    monkeypatch.setitem(sys.modules, "rclpy", None)
    for needed, level in ((False, WARN), (True, FAIL)):
        (finding,) = doctor_ros.environment(needed)
        assert (finding.what, finding.level) == ("ROS", level)
        assert "source" in finding.remedy


@pytest.mark.parametrize("distro, old_name_counts", [("kilted", False), ("jazzy", True)])
def test_fast_dds_profile(monkeypatch, tmp_path, distro, old_name_counts):
    new, old = "FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"
    counts, other = (old, new) if old_name_counts else (new, old)
    file = tmp_path / "fastdds.xml"
    monkeypatch.setenv("ROS_DISTRO", distro)
    monkeypatch.delenv(counts, raising=False)
    monkeypatch.setenv(other, str(file))
    assert levels(doctor_ros._middleware("rmw_fastrtps_cpp"))["Fast DDS profile"] == WARN
    monkeypatch.setenv(counts, str(file))
    missing = doctor_ros._middleware("rmw_fastrtps_cpp")[1]
    assert missing.level == WARN and "no such file" in missing.text
    file.write_text("<dds/>")
    assert levels(doctor_ros._middleware("rmw_fastrtps_cpp"))["Fast DDS profile"] == OK
    assert levels(doctor_ros._middleware("rmw_cyclonedds_cpp")) == {"middleware": OK}


@pytest.mark.parametrize("free_mb, level", [(64, WARN), (127, WARN), (128, OK)])
def test_shared_memory_of_a_container_is_told(monkeypatch, free_mb, level):
    room = SimpleNamespace(f_bavail=free_mb, f_frsize=2**20)
    monkeypatch.setattr(doctor_ros.os, "statvfs", lambda _: room)
    (finding,) = doctor_ros._shared_memory()
    assert finding.level == level and f"{free_mb} MB free" in finding.text
    assert ("--shm-size" in finding.remedy) == (level == WARN)


def test_domain(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", "seven")
    assert doctor_ros._reach().level == FAIL
    monkeypatch.setenv("ROS_DOMAIN_ID", "7")
    assert doctor_ros._reach().level == OK


# -- judging a camera -------------------------------------------------------------------------


# -- on real ROS ------------------------------------------------------------------------------


def test_report_for_people(capsys, monkeypatch, tmp_path):
    from depthlm_ros.cli.doctor import ros as doctor_ros

    monkeypatch.setattr(doctor, "machine", lambda: [finding_module.Finding(OK, "torch", "2.13")])
    monkeypatch.setattr(
        doctor, "model", lambda _: [finding_module.Finding(FAIL, "model", "no", "fetch")]
    )
    monkeypatch.setattr(doctor_ros, "environment", lambda _: [])
    assert cli.main(["doctor"]) == 1
    assert capsys.readouterr().out == (
        "OK    torch  2.13\nFAIL  model  no\n             -> fetch\n\n"
        "1 failed, 0 warnings, 2 findings\n"
    )
