"""Make the CMake files of the ROS 2 wheels fit this virtual environment.

The exported targets of the wheels name the Python headers and the numpy headers of the machine
that built them. Run this with the environment's own Python, after installing: it writes the
folders of the running Python in their place. Running it again changes nothing.
"""

import re
import sys
import sysconfig
from pathlib import Path

BUILDER = r"/opt/(?:python|_internal)/[\w.-]+"


def main() -> int:
    """Rewrite each CMake file in the environment's ``share`` that names the builder's paths."""
    places = {
        rf"{BUILDER}/include/python3\.\d+": sysconfig.get_path("include"),
        rf"{BUILDER}/lib/python3\.\d+/site-packages": sysconfig.get_path("purelib"),
    }
    changed = 0
    for file in Path(sys.prefix, "share").rglob("*.cmake"):
        text = new = file.read_text(encoding="utf-8")
        for pattern, place in places.items():
            new = re.sub(pattern, lambda _, place=place: place, new)
        if re.search(BUILDER, new):
            print(f"{file} still names {re.search(BUILDER, new)[0]}", file=sys.stderr)
            return 1
        if new != text:
            file.write_text(new, encoding="utf-8")
            changed += 1
    print(f"repaired {changed} CMake files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
