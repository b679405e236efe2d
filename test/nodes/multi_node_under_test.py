"""Several cameras with one model of the tests' making; NODE_MODEL as in node_under_test."""

import importlib.util
import sys
from pathlib import Path

from depthlm_ros.nodes.multi_depth_node import main

spec = importlib.util.spec_from_file_location(
    "node_under_test", Path(__file__).with_name("node_under_test.py")
)
single = importlib.util.module_from_spec(spec)
spec.loader.exec_module(single)


def load(*arguments):
    """Load as node_under_test does, and say so: once is what is asked."""
    print("loaded a model", flush=True)
    return single.load(*arguments)


if __name__ == "__main__":
    sys.exit(main(load_model=load))
