"""``python -m depthlm_ros.cli``: the command ``depthlm``."""

from depthlm_ros.executables import depthlm

if __name__ == "__main__":
    raise SystemExit(depthlm())
