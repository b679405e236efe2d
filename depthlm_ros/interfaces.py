"""Says what to do where depthlm_msgs is missing; to be imported before anything that needs it.

A plain ``colcon build`` with the clone in src/ does not find the package, since it lies inside
this one.
"""

REMEDY = (
    "depthlm_msgs is not built, or its workspace is not sourced. It lies inside the clone of "
    "depthlm_ros, where colcon does not look by itself: run `colcon build --base-paths src "
    "src/depthlm_ros/depthlm_msgs` in the workspace, then `source install/setup.bash`"
)

try:
    import depthlm_msgs.msg  # noqa: F401
except ImportError as error:
    raise ImportError(f"{REMEDY} ({error})") from error
