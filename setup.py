"""The package as colcon and pip install it."""

from glob import glob

from setuptools import find_packages, setup

NAME = "depthlm_ros"
SHARE = f"share/{NAME}"

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
        "openai": ["openai>=2"],
        "quantize": ["torchao>=0.18"],
        "heic": ["pi-heif"],
        "web": ["nicegui>=3.0,<4"],
        "train": ["accelerate>=1.10", "datasets>=4.7", "peft>=0.17", "trl>=1.0", "tensorboard"],
        "data": ["lz4", "pyarrow>=21", "scipy"],
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
    entry_points={
        "console_scripts": [
            "depth_node = depthlm_ros.nodes.depth_node:main",
            "multi_depth_node = depthlm_ros.nodes.multi_depth_node:main",
            "camera_node = depthlm_ros.nodes.camera_node:main",
            "web_node = depthlm_ros.web.main:main",
            "depthlm = depthlm_ros.cli.main:main",
        ],
    },
)
