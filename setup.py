"""The package as colcon and pip install it."""

import os
from glob import glob
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.develop import develop

NAME = "depthlm_ros"
SHARE = f"share/{NAME}"
MESSAGES = "depthlm_msgs"
REMEDY = (
    f"{MESSAGES} is not there. It lies inside the clone of {NAME}, where colcon does not look by "
    "itself: run `colcon build --base-paths src src/depthlm_ros/depthlm_msgs` in the workspace "
    f"(src/{NAME}: wherever the clone is). To build without ROS nodes: unset AMENT_PREFIX_PATH"
)


def check_messages():
    """End the build where ROS is sourced and the nodes could not be started afterwards."""
    prefixes = [p for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    found = [Path(p, "share", MESSAGES, "package.xml").is_file() for p in prefixes]
    if prefixes and not any(found):
        raise SystemExit(f"{NAME} cannot be built: {REMEDY}")


class CheckedBuild(build_py):
    """A build that fails at once where depthlm_msgs is missing, not at launch."""

    def run(self):
        """Check, then build."""
        check_messages()
        super().run()


class CheckedDevelop(develop):
    """The same for ``colcon build --symlink-install``."""

    def run(self):
        """Check, then link."""
        check_messages()
        super().run()


setup(
    name=NAME,
    version="0.1.0",
    description="Metric depth and answers in metres from one camera, on ROS 2",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    package_data={NAME: ["models/embedded/*", "training/recipes/*.yaml"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (SHARE, ["package.xml"]),
        (f"{SHARE}/launch", glob("launch/*.launch.py")),
        (f"{SHARE}/config", glob("config/*")),
    ],
    install_requires=["setuptools"],
    extras_require={
        "models": [
            "huggingface_hub",
            "safetensors",
            "tokenizers",
            "torch>=2.4",
            "transformers>=5.0,<6",
        ],
        "openai": ["openai>=2"],
        "quantize": ["torchao>=0.18"],
        "heic": ["pi-heif"],
        "web": ["nicegui>=3.0,<4"],
        "train": ["accelerate>=1.10", "datasets>=4.7", "peft>=0.17", "trl>=1.0", "tensorboard"],
        "data": ["lz4", "pyarrow>=21", "ray[data]>=2.50", "scipy"],
        "test": [
            "accelerate>=1.10",
            "datasets>=4.7",
            "hypothesis",
            "lz4",
            "mypy",
            "openai>=2",
            "peft>=0.17",
            "pi-heif",
            "pyarrow>=21",
            "pytest",
            "ruff",
            "selenium",
            "torchao>=0.18",
            "trl>=1.0",
        ],
    },
    zip_safe=False,
    cmdclass={"build_py": CheckedBuild, "develop": CheckedDevelop},
    entry_points={
        "lmms_eval.models": ["depthlm_ros = depthlm_ros.evaluation.lmms_eval_model:manifest"],
        "console_scripts": [
            "depth_node = depthlm_ros.executables:depth_node",
            "multi_depth_node = depthlm_ros.executables:multi_depth_node",
            "camera_node = depthlm_ros.executables:camera_node",
            "web_node = depthlm_ros.executables:web_node",
            "depthlm = depthlm_ros.executables:depthlm",
        ],
    },
)
