"""The product's node as it is, with a model by its name."""

import sys

from depthlm_ros.nodes.depth_node import main

if __name__ == "__main__":
    sys.exit(main())
