"""What is left of a device's memory, from files and figures made for the test."""

import sys
from types import SimpleNamespace

import pytest
import torch

from depthlm_ros.models import device_memory
from depthlm_ros.status import Code, StatusError

CPU, GPU = torch.device("cpu"), torch.device("cuda")
KIB_AVAILABLE = 8_000_000


def machine(root, files):
    """Write a /proc and a /sys of 8,000,000 KiB available memory, and what ``files`` adds."""
    meminfo = f"MemTotal: 16000000 kB\nMemFree: 1000 kB\nMemAvailable: {KIB_AVAILABLE} kB\n"
    for name, text in {"proc/meminfo": meminfo, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


V2 = {
    "proc/self/cgroup": "0::/user/robot\n",
    "sys/fs/cgroup/user/robot/memory.max": "max\n",
    "sys/fs/cgroup/user/robot/memory.current": "500\n",
    "sys/fs/cgroup/user/memory.max": "3000000000\n",
    "sys/fs/cgroup/user/memory.current": "2500000000\n",
    "sys/fs/cgroup/user/memory.stat": "anon 1\nfile 900000000\ninactive_file 700000000\n",
}
V1 = {
    "proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/docker/abc\n0::/\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "2000000000\n",  # the container's own, as root
    "sys/fs/cgroup/memory/memory.usage_in_bytes": "1500000000\n",
    "sys/fs/cgroup/memory/memory.stat": "inactive_file 5\ntotal_inactive_file 100000000\n",
}
UNLIMITED = {
    "proc/self/cgroup": "4:memory:/a\n",
    "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "9223372036854771712\n",
    "sys/fs/cgroup/memory/a/memory.usage_in_bytes": "77\n",
}
FULL = V2 | {"sys/fs/cgroup/user/memory.current": "9000000000\n"}


@pytest.mark.parametrize(
    "files, expected",
    [
        ({}, KIB_AVAILABLE * 1024),
        (V2, 1_200_000_000),  # 3.0 - 2.5 + 0.7 GB, of the group around ours
        (V1, 600_000_000),  # 2.0 - 1.5 + 0.1 GB
        (UNLIMITED, KIB_AVAILABLE * 1024),
        (FULL, 0),
    ],
)
def test_host_memory_is_what_the_kernel_and_the_group_leave(tmp_path, files, expected):
    assert device_memory.available_host_bytes(machine(tmp_path, files)) == expected


def test_where_nothing_is_told_there_is_no_limit(tmp_path):
    assert device_memory.available_host_bytes(tmp_path) == sys.maxsize


def test_this_machine_has_some():
    assert 10_000_000 < device_memory.free_device_bytes(CPU) < 1e14
    assert device_memory.free_device_bytes(CPU) <= device_memory.available_host_bytes() * 1.5


def cuda_has(monkeypatch, left, reserved, allocated, is_integrated=False):
    """Have torch say this of its GPU."""
    kind = SimpleNamespace(is_integrated=is_integrated)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (left, 80_000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: reserved)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: allocated)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: kind)


def test_torchs_own_cache_is_free_too(monkeypatch):
    cuda_has(monkeypatch, 3_000, 20_000, 15_500)
    assert device_memory.free_device_bytes(GPU) == 7_500


def test_a_gpu_without_memory_of_its_own_has_what_the_host_has(monkeypatch):
    cuda_has(monkeypatch, 3_000, 20_000, 15_500, is_integrated=True)
    monkeypatch.setattr(device_memory, "available_host_bytes", lambda: 50_000)
    assert device_memory.free_device_bytes(GPU) == 54_500
    monkeypatch.setattr(device_memory, "available_host_bytes", lambda: 10)
    assert device_memory.free_device_bytes(GPU) == 7_500


@pytest.mark.parametrize("device", [CPU, GPU])
def test_refuses_what_does_not_fit(monkeypatch, device):
    monkeypatch.setattr(device_memory, "free_device_bytes", lambda _: 4_000_000_000)
    device_memory.check_memory("x", 4_000_000_000, device, "float32")
    with pytest.raises(StatusError) as refusal:
        device_memory.check_memory("some model", 4_100_000_000, device, "float32")
    assert refusal.value.code == Code.MODEL_NOT_READY
    assert f"some model needs 4.1 GB in float32, {device} has 4.0 GB free" in refusal.value.text


def test_random_weights_tell_their_need_and_are_refused_before_they_are_made(monkeypatch, caplog):
    from depthlm_ros.benchmarks import random_weights

    monkeypatch.setattr(device_memory, "available_host_bytes", lambda: 10_000_000_000)
    # In millions, as counted from the papers' tables of sizes; a frozen head's foldings add
    # 100 * 256 * 257 + 36 * 256 * 513 + 16 * 256 * 1025 to its own.
    makers = {
        "depthlm-3b": lambda: random_weights.random_depthlm("depthlm-3b", CPU, torch.float32),
        "depthvlm-4b": lambda: random_weights.random_module(
            random_weights.CONFIGS["depthvlm-4b"](), CPU, torch.float32
        ),
    }
    needs = {"depthlm-3b": 3754.6, "depthvlm-4b": 4473.0 + 15.505}
    for name, make in makers.items():
        caplog.clear()
        with caplog.at_level("INFO", "depthlm_ros.models"), pytest.raises(StatusError) as refusal:
            make()
        assert refusal.value.code == Code.MODEL_NOT_READY
        assert "cpu has 10.0 GB free" in refusal.value.text
        need = f"{needs[name]:.1f} M parameters, {needs[name] * 4 / 1e3:.2f} GB in torch.float32"
        assert need in caplog.text


def test_what_is_small_enough_is_made(monkeypatch):
    from depthlm_ros.benchmarks import random_weights

    monkeypatch.setattr(device_memory, "available_host_bytes", lambda: 10_000_000)
    made = random_weights.random_depthlm("depthlm-tiny-qwen", CPU, torch.float32)
    assert made.network.device == CPU


def test_queries_go_together_as_torchs_own_cache_allows(monkeypatch):
    """Half of two queries' room at the driver and four in the cache: three at a time."""
    from depthlm_ros.benchmarks.random_weights import random_depthlm
    from depthlm_ros.models.depthlm.network import DepthLMNetwork
    from depthlm_ros.prompting.prompts import prompt

    model, question = random_depthlm("depthlm-tiny-qwen", CPU, torch.float32), prompt()
    assert model._batch(question, 112, 84) == 64
    needs = []
    need_of = DepthLMNetwork.bytes_per_query
    monkeypatch.setattr(
        DepthLMNetwork,
        "bytes_per_query",
        lambda *which: needs.append(need_of(*which)) or needs[-1],
    )
    monkeypatch.setattr(DepthLMNetwork, "device", GPU)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2 * needs[-1], 0))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 9 * needs[-1])
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 5 * needs[-1])
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace())
    assert model._batch(question, 112, 84) == 3


def test_need_is_numbers_times_their_size():
    kinds = SimpleNamespace(itemsize=1), torch.bfloat16, torch.float32
    assert [device_memory.need_bytes(3_000, kind) for kind in kinds] == [3_000, 6_000, 12_000]
