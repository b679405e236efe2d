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
    "tasks": TORCH | ROS | {"numpy", "cv2"},
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
    "point_readings": TORCH | ROS,
    "models": ROS,
    "model_process": TORCH | ROS,
    "scenes": ROS,
    "datasets": ROS,
    "training": ROS,
    "evaluation": ROS,
    "benchmarks": ROS,
    "interfaces": TORCH,
    "executables": TORCH | ROS | {"numpy", "cv2"},
    "asking": TORCH | ROS,
    "client": TORCH | {"cv2"},
    "client_geometry": TORCH | {"cv2"},
    "nodes": TORCH,
    "demo": TORCH,
    "web": TORCH,
    "cli": TORCH | ROS | {"cv2"},
}

ALL = set(HEAVY)
PURE = {"status", "tasks", "sanitize", "interval", "point_depth", "frame", "geometry"}
CONTRACTS = {"models.base", "models.options", "models.option_types"}
CONTRACTS |= {"models.device", "models.device_memory", "models.import_logging", "models.versions"}
METHOD = PURE | CONTRACTS | {"prompting", "models.weights", "models.runtime"}
LOWER = ALL - {"training", "evaluation", "benchmarks", "nodes", "demo", "web", "cli"}
LOWER -= {"client", "client_geometry", "interfaces", "executables"}

WALLS = {  # which rooms a room may import, even inside a function; the longest name counts
    "status": set(),
    "tasks": set(),
    "worker": set(),
    "sanitize": set(),
    "interval": {"status"},
    "frame": {"status", "geometry"},
    "point_depth": {"status", "interval"},
    "geometry": {"status", "point_depth", "interval"},
    "image_io": {"geometry", "status", "sanitize"},
    "visualization": {"geometry", "point_depth", "status"},
    "prompting": PURE,
    "language": PURE | {"models.base"},
    "models.base": PURE | {"prompting"},
    "models.option_types": PURE | {"prompting"},
    "models.options": PURE | {"prompting", "models.base", "models.option_types"},
    "models.device": {"status"},
    "models.device_memory": {"status"},
    "models.import_logging": set(),
    "models.versions": {"status"},
    "models": METHOD
    | {"models", "models.depthlm", "models.depthvlm", "models.compact", "models.adapters"},
    "models.weights": PURE | CONTRACTS | {"image_io.atomic_write"},  # knows no network
    "models.runtime": PURE | {"models.base", "models.device"},  # knows no method
    "models.depthvlm": METHOD,  # the methods do not know each other
    "models.depthlm": METHOD,
    "models.compact": METHOD,
    "models.adapters": PURE | CONTRACTS | {"prompting"},
    "estimator": PURE | {"models.base", "point_readings"},
    "point_readings": PURE | {"models.base"},
    "model_process": PURE | {"models.device_memory", "models.oom_retry"},
    "asking": PURE | {"language", "models.base", "estimator"},
    "scenes": PURE | {"image_io", "models.import_logging"},
    "datasets": PURE | {"image_io", "scenes", "prompting", "visualization"},
    "training": LOWER | {"evaluation"},
    "evaluation": LOWER,
    "benchmarks": LOWER | {"evaluation"},
    "interfaces": set(),
    "executables": set(),  # imports what it runs by name, after its signal handlers
    "client": {"client_geometry", "status", "interval", "interfaces"},
    "client_geometry": {"status"},
    "nodes": LOWER | {"interfaces"},
    "demo": LOWER | {"client", "client_geometry", "nodes.common", "evaluation"},
    "web": LOWER | {"client", "client_geometry", "nodes.common"},
    "cli": LOWER | {"evaluation", "benchmarks", "client", "client_geometry", "executables"},
    "cli.doctor": LOWER | {"cli", "nodes.common"},
}


def room_of(module: str) -> str:
    """Return the longest name in WALLS that a module of ours lies in: a file or a folder."""
    parts = module.split(".")[1:]
    names = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next(name for name in names if name in WALLS)


def is_allowed(module: str, room: str) -> bool:
    """Tell whether a room may import a module: itself, a room named, or a part of one named."""
    mine, walls = room_of(module), WALLS[room] | {room}
    path = module.split(".", 1)[1]
    if mine.startswith("models"):  # its rooms are named one by one, unless all of it is meant
        return mine in walls or ("models" in walls and room not in METHOD_ROOMS)
    return any(path == name or path.startswith(f"{name}.") for name in walls)


METHOD_ROOMS = {name for name in WALLS if name.startswith("models.")}


def package_of(module: str) -> str:
    """Return the folder of a module; the files of models/ count one by one, as contracts do."""
    folder = module.rpartition(".")[0]
    return module if folder in ("depthlm_ros", "depthlm_ros.models") else folder


def cycles_of(arrows: dict[str, set[str]]) -> list[str]:
    """Return the names that lie on a circle: peeled from both ends until nothing more goes."""
    left = {name: set(targets) - {name} for name, targets in arrows.items()}
    while True:
        wanted = set().union(*left.values())
        ends = {name for name, targets in left.items() if not targets & left.keys()}
        ends |= left.keys() - wanted
        if not ends:
            return sorted(left)
        left = {name: targets for name, targets in left.items() if name not in ends}


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
    assert {module.split(".")[1] for module in MODULES} <= ALL
    assert all(room_of(module) for module in MODULES)


MODULES_BY_HEAVY: dict[frozenset, list[str]] = {}
for _module in MODULES:
    MODULES_BY_HEAVY.setdefault(frozenset(HEAVY[_module.split(".")[1]]), []).append(_module)
"""Modules by what must not be loaded with them: those of one list share an interpreter."""


@pytest.mark.parametrize(
    "heavy",
    MODULES_BY_HEAVY,
    ids=lambda heavy: "-".join(sorted({m.split(".")[1] for m in MODULES_BY_HEAVY[heavy]})),
)
def test_importing_a_room_loads_nothing_that_is_walled_off(heavy):
    modules = MODULES_BY_HEAVY[heavy]
    found = loaded_by(modules) & heavy
    guilty = {module: hit for module in modules if found and (hit := loaded_by([module]) & heavy)}
    assert (guilty, found) == ({}, set())


def arrows_of(module: str) -> set[str]:
    """Return the modules of ours that a module imports."""
    names = {name for name in imports_of(module) if name.startswith("depthlm_ros.")}
    return {name if name in MODULES else name.rpartition(".")[0] for name in names}


@pytest.mark.parametrize("module", MODULES)
def test_a_room_imports_what_its_walls_allow(module):
    assert not {name for name in arrows_of(module) if not is_allowed(name, room_of(module))}


def test_no_circle_among_modules_and_none_among_folders():
    arrows, folders = {module: arrows_of(module) for module in MODULES}, {}
    for module, targets in arrows.items():
        folders.setdefault(package_of(module), set()).update(map(package_of, targets))
    assert cycles_of(arrows) == []
    assert cycles_of(folders) == []


def test_a_circle_would_be_found():
    assert cycles_of({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == ["b", "c"]


def test_only_nodes_and_the_client_know_ros():
    allowed = {"interfaces", "nodes", "client", "client_geometry", "demo", "web", "cli"}
    allowed |= {"benchmarks"}
    converters = {"rosbags"}, {"rosbags", "cv_bridge"}  # pure Python; arrays, no messages
    guilty = {
        module: hit
        for module in MODULES
        if module.split(".")[1] not in allowed
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
