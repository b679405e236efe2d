"""Calls of the clearance service in tests."""

from depthlm_msgs.srv import CheckClearance


def check(robot, tools, **request):
    """Return the reply to a request of these fields, while the robot's camera runs."""
    request = CheckClearance.Request(**request)
    tools.set_deadline(request, 20.0)
    with robot.camera():
        return robot.call(CheckClearance, "depthlm/check_clearance", request)
