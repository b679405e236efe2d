"""Who may import what. The rooms keep apart: mathematics, models, and ROS."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "depthlm_ros"
MODULES = sorted(
    ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts)
    for file in PACKAGE.rglob("*.py")
    if file.name != "__init__.py" and "embedded" not in file.parts
)

TORCH = {"torch", "transformers", "tokenizers", "safetensors", "huggingface_hub"}
ROS = {"rclpy", "rosbags", "cv_bridge", "tf2_ros", "depthlm_msgs", "sensor_msgs", "std_msgs"}
ROS |= {"geometry_msgs", "diagnostic_msgs", "lifecycle_msgs", "builtin_interfaces"}

HEAVY = {  # what must not be there after importing every module of a top-level room
    "status": TORCH | ROS | {"numpy", "cv2"},
    "worker": TORCH | ROS | {"numpy", "cv2"},
    "sanitize": TORCH | ROS | {"numpy", "cv2"},
    "frame": TORCH | ROS,
    "point_depth": TORCH | ROS,
    "interval": TORCH | ROS,
    "geometry": TORCH | ROS,
    "image_io": TORCH | ROS,
    "visualization": TORCH | ROS,
    "prompting": TORCH | ROS,
    "language": TORCH | ROS,
    "estimator": TORCH | ROS,
    "models": ROS,
    "scenes": ROS,
    "datasets": ROS,
    "training": ROS,
    "evaluation": ROS,
    "benchmarks": ROS,
    "interfaces": TORCH,
    "client": TORCH | {"cv2"},
    "nodes": TORCH,
    "demo": TORCH,
    "cli": TORCH | ROS | {"cv2"},
}

ALL = set(HEAVY)
PURE = {"status", "sanitize", "interval", "point_depth", "frame", "geometry"}
LOWER = ALL - {"training", "evaluation", "benchmarks", "nodes", "demo", "cli", "client"}
LOWER -= {"interfaces"}

WALLS = {  # which rooms a room may import, even inside a function
    "status": set(),
    "worker": set(),
    "sanitize": set(),
    "interval": {"status"},
    "frame": {"status", "geometry"},
    "point_depth": {"status", "interval"},
    "geometry": {"status", "point_depth", "interval"},
    "image_io": {"geometry", "status", "sanitize"},
    "visualization": {"geometry", "point_depth", "status"},
    "prompting": PURE,
    "language": PURE | {"prompting", "models"},
    "models": PURE | {"prompting"},
    "estimator": PURE | {"models"},
    "scenes": PURE | {"image_io", "models"},
    "datasets": PURE | {"image_io", "scenes"},
    "training": LOWER | {"evaluation"},
    "evaluation": LOWER,
    "benchmarks": LOWER | {"evaluation"},
    "interfaces": set(),
    "client": {"status", "interval", "interfaces"},
    "nodes": LOWER | {"interfaces"},
    "demo": LOWER | {"client", "nodes", "evaluation"},
    "cli": ALL - {"training", "demo"},
}


def room_of(module: str) -> str:
    """Return the first part below depthlm_ros: a folder or a file."""
    return module.split(".")[1]


def imports_of(module: str) -> set[str]:
    """Return the full names that a module's source imports."""
    file = PACKAGE.parent.joinpath(*module.split(".")).with_suffix(".py")
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def loaded_by(modules: list[str]) -> set[str]:
    """Return the top-level packages in a fresh interpreter that has imported the modules."""
    code = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)\n"
    code += "print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code, *modules], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_every_room_has_its_walls():
    assert {room_of(module) for module in MODULES} <= ALL


@pytest.mark.parametrize("room", sorted(ALL & {room_of(module) for module in MODULES}))
def test_importing_a_room_loads_nothing_that_is_walled_off(room):
    modules = [module for module in MODULES if room_of(module) == room]
    found = loaded_by(modules) & HEAVY[room]
    guilty = {
        module: hit for module in modules if found and (hit := loaded_by([module]) & HEAVY[room])
    }
    assert not guilty


@pytest.mark.parametrize("module", MODULES)
def test_a_room_imports_what_its_walls_allow(module):
    room = room_of(module)
    inside = {name for name in imports_of(module) if name.startswith("depthlm_ros.")}
    forbidden = {name for name in inside if room_of(name) not in WALLS[room] | {room}}
    assert not forbidden


def test_only_nodes_and_the_client_know_ros():
    allowed = {"nodes", "client", "demo", "cli", "benchmarks"}
    converters = {"rosbags"}, {"rosbags", "cv_bridge"}  # pure Python; arrays, no messages
    guilty = {
        module: hit
        for module in MODULES
        if room_of(module) not in allowed
        and (hit := {name.split(".")[0] for name in imports_of(module)} & ROS)
        - converters[room_of(module) == "image_io"]
    }
    assert not guilty


def test_the_estimator_knows_the_models_by_their_contract_alone():
    inside = {name for name in imports_of("depthlm_ros.estimator") if ".models" in name}
    assert all(name.startswith("depthlm_ros.models.base.") for name in inside)


def test_init_files_are_empty():
    full = [str(file) for file in PACKAGE.rglob("__init__.py") if file.stat().st_size]
    assert not full
