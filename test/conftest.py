"""What test processes need: a ROS domain of their own, a Ctrl-C that is one, markers, checkpoints.

No two test processes ever hear each other.
"""

import itertools
import json
import os
import runpy
import shutil
import signal
import socket
import sys
import tempfile
from pathlib import Path

import pytest
from coverage_floor import below_floor

HERE = Path(__file__).parent
REFERENCE = HERE / "data" / "reference"
NODES = {"ros", "start_node", "start_camera", "start_lasting_camera"}
"""Fixtures that start ROS, or nodes as processes."""
PROCESSES = (
    "cli/test_doctor.py",
    "cli/test_doctor_camera.py",
    "datasets/test_curation_runs.py",
    "model_process",
    "demo/test_demo.py",
    "demo/test_node_processes.py",
    "env",
    "soak",
    "test_client_exit.py",
)
"""Files and folders whose tests start other processes of this package."""
SLOW = (
    "test_style.py",
    "test_types.py",
    "test_import_walls.py",
    "benchmarks",
    "geometry/test_nav2_costmap.py",
    "geometry/test_clearance.py",
    "models/runtime/test_device_side.py",
    "models/runtime/test_depth_postprocess.py",
    "models/weights/test_quantization.py",
    "models/depthvlm/test_published_way.py",
    "models/adapters",
    "cli/test_command_processes.py",
    "training",
    "examples",
    "web",
    "models/compact",
    "models/depthlm/test_depthlm_answers.py",
    "models/depthlm/test_number_decoding.py",
    "models/depthlm/test_reference_values.py",
    "models/depthvlm/test_reference_values.py",
    "models/test_loading.py",
    "models/test_loading_memory.py",
    "models/weights/test_calibration_file.py",
    "models/weights/test_hub.py",
    "models/weights/test_processor_settings.py",
)
"""Files and folders whose tests take most of the time of those without nodes."""
LONGEST = (
    "web/test_page.py",
    "models/weights/test_hub.py",
    "demo/test_demo.py",
    "soak/test_short_runs.py",
    "training/test_whole_way.py",
)
"""Files that take most of a minute each: begun first, or a run would wait for one of them."""


def pytest_collection_modifyitems(config, items) -> None:
    """Mark each test ``node``, ``slow`` or, as neither, ``unit``: `./run test -m unit`."""
    kinds = {}
    for item in items:
        place = item.path.relative_to(HERE).as_posix()
        node = NODES & set(item.fixturenames) or place.startswith(PROCESSES)
        slow = place.startswith(SLOW) or item.get_closest_marker("slow")
        kind = "node" if node else "slow" if slow else "unit"
        item.add_marker(kind)
        kinds[item.path] = kind if kinds.get(item.path, "unit") == "unit" else kinds[item.path]
    if hasattr(config, "workerinput"):
        places = _long_files_first(kinds)
        items.sort(key=lambda item: places[item.path])


def _long_files_first(kinds: dict[Path, str]) -> dict[Path, tuple]:
    """Return where each file stands in the row, by its kind, when cores share them.

    Files that mostly wait for nodes and files that mostly compute take turns, so that a core has
    work while another waits; the longest come before them, and the quick ones fill up what is left
    at the end.
    """
    numbers = {"node": itertools.count(), "slow": itertools.count(), "unit": itertools.count()}
    return {
        path: (
            path.relative_to(HERE).as_posix() not in LONGEST,
            kind == "unit",
            next(numbers[kind]),
        )
        for path, kind in kinds.items()
    }


def pytest_sessionfinish(session) -> None:
    """Hold every file of a whole run with ``--cov`` to ``coverage_floor.FLOOR``."""
    config = session.config
    if hasattr(config, "workerinput"):
        return  # the process that gave out the work sees the whole
    plugin = config.pluginmanager.getplugin("_cov")
    controller = getattr(plugin, "cov_controller", None)
    chosen = config.option.markexpr or config.option.keyword
    if controller is None or chosen or config.args_source is not config.ArgsSource.TESTPATHS:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "coverage.json"
        controller.cov.json_report(outfile=str(path))
        missing = below_floor(json.loads(path.read_text(encoding="utf-8")))
    if missing:
        print("", *missing, sep="\n")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def reference_checkpoint(tmp_path_factory):
    """Return a function: name of a reference checkpoint to its folder, weights of seed 1 there."""
    root, made = tmp_path_factory.mktemp("reference"), {}

    def folder(name):
        if name not in made:
            made[name] = shutil.copytree(REFERENCE / name, root / name)
            arguments, sys.argv = sys.argv, ["make_checkpoint.py", str(made[name]), "--seed", "1"]
            try:
                runpy.run_path(str(REFERENCE / "make_checkpoint.py"), run_name="__main__")
            finally:
                sys.argv = arguments
        return made[name]

    yield folder
    shutil.rmtree(root)


HIGHEST_DOMAIN = 101  # above it, the ports of DDS meet those that Linux hands out by itself


def _claim_domain() -> tuple[int, socket.socket]:
    """Return a domain id that no other test process on this machine holds, and what holds it.

    Binding a name in the abstract socket namespace is atomic, and ends with the process.
    """
    first = os.getpid() % HIGHEST_DOMAIN
    for offset in range(HIGHEST_DOMAIN):
        domain = 1 + (first + offset) % HIGHEST_DOMAIN
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0depthlm_ros/test/domain/{domain}")
        except OSError:
            claim.close()
            continue
        return domain, claim
    raise RuntimeError(f"all {HIGHEST_DOMAIN} ROS domains are taken by other test processes")


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts what runs behind it
    signal.signal(signal.SIGINT, signal.default_int_handler)
if "ROS_DOMAIN_ID" not in os.environ or "PYTEST_XDIST_WORKER" in os.environ:
    _domain, _claim = _claim_domain()
    os.environ["ROS_DOMAIN_ID"] = str(_domain)
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
