"""The product's node with a model of ``faulty_models`` in a process of its own."""

import sys

from faulty_models import load_for_node

from depthlm_ros.nodes.depth_node import main

if __name__ == "__main__":
    sys.exit(main(load_model=load_for_node))
