"""``python -m depthlm_ros.cli``: the command ``depthlm``."""

from depthlm_ros.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
