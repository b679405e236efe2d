"""Style of the sources, and package.xml against what the sources import."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ament_pep257.main import main as pep257
from catkin_pkg.package import parse_package

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ["depthlm_ros", "env_standins", "launch", "test", "tools"]
SOURCES = [str(ROOT / name) for name in [*FOLDERS, "setup.py"]]
PACKAGES = [ROOT, ROOT / "depthlm_msgs"]

ROSDEP_KEYS = {
    "PIL": "python3-pil",
    "cv2": "python3-opencv",
    "huggingface_hub": "python3-huggingface-hub-pip",
    "lark": "python3-lark-parser",
    "numpy": "python3-numpy",
    "rosbags": "python3-rosbags-pip",
    "safetensors": "python3-transformers-pip",  # no key of their own: transformers needs both
    "tf2_ros": "tf2_ros_py",  # the package tf2_ros is the C++ one
    "tokenizers": "python3-transformers-pip",
    "torch": "python3-pytorch-pip",
    "transformers": "python3-transformers-pip",
    "yaml": "python3-yaml",
}
OPTIONAL = {"bondpy", "fastapi", "nicegui", "vision_msgs"}
"""Of the extra ``web`` in setup.py: rosdep does not know them."""


def third_party_imports() -> set[str]:
    """Return the packages that the installed sources and the launch files import, anywhere."""
    found = set()
    for folder in ("depthlm_ros", "launch"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    found |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"depthlm_ros"} - OPTIONAL


@pytest.mark.parametrize("words", [["check", "--output-format=concise"], ["format", "--check"]])
def test_ruff(words):
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *words, "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_ament_flake8(tmp_path):
    """With ament's own rules; E203 is against PEP 8's slices, as in ``data[at + 1 :]``.

    In a process of its own: flake8 forks one for each core, and this one may have threads of
    other tests.
    """
    rules = tmp_path / "flake8.ini"
    ignored = "B902,C816,D,I,E203"
    rules.write_text(f"[flake8]\nmax-line-length = 99\nextend-ignore = {ignored}\n")
    words = "-m", "ament_flake8.main", "--config", str(rules), *SOURCES
    done = subprocess.run(
        [sys.executable, *words],
        cwd=tmp_path,  # it walks through all that lies in the working folder, .env too
        capture_output=True,
        text=True,
        timeout=300,
    )
    errors = [line for line in done.stdout.splitlines() if "py:" in line]
    assert (done.returncode, errors) == (0, []), done.stderr


def test_ament_pep257(tmp_path, capfd, monkeypatch):
    """D1xx as in ament's rules; D40x is left to ruff, which knows that a property is a noun."""
    monkeypatch.chdir(tmp_path)
    ignored = ["D100", "D103", "D104", "D105", "D107", "D401", "D402"]
    code = pep257(argv=["--convention", "pep257", "--add-ignore", *ignored, "--", *SOURCES])
    assert code == 0, capfd.readouterr().err


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda folder: folder.name)
def test_package_xml_is_valid(folder):
    warnings = []
    package = parse_package(str(folder), warnings=warnings)
    package.validate(warnings=warnings)
    assert not warnings
    assert package.package_format == 3
    assert package.licenses == ["Apache-2.0"]


def test_versions_agree():
    versions = {parse_package(str(folder)).version for folder in PACKAGES}
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    changelog = (ROOT / "CHANGELOG.rst").read_text(encoding="utf-8")
    assert len(versions) == 1
    version = versions.pop()
    assert f'version="{version}"' in setup
    assert f"\n{version} (" in changelog


def test_every_import_is_an_exec_depend_and_every_exec_depend_is_imported():
    declared = {depend.name for depend in parse_package(str(ROOT)).exec_depends}
    imported = {ROSDEP_KEYS.get(name, name) for name in third_party_imports()}
    assert imported - declared == set(), "imported, but missing in package.xml"
    assert declared - imported == set(), "in package.xml, but never imported"


def test_a_commit_is_checked_by_the_ruff_of_the_requirements():
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    (pinned,) = re.findall(r"^ruff==(.+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert re.findall(r"\[ruff==(.+)\]", hooks) == [pinned] * 2


def test_pinned_exactly():
    for file in [*ROOT.glob("requirements*.txt"), ROOT / "constraints.txt"]:
        for line in file.read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                assert "==" in line.split(";")[0], f"{file.name}: {line}"
