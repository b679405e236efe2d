"""The part of ``depthlm doctor`` about the ROS environment: no node is made here."""

import os
from pathlib import Path

from depthlm_ros.cli.console import sentence_of
from depthlm_ros.cli.doctor.finding import FAIL, OK, WARN, Finding

SOURCE = "source the workspace: source install/setup.bash (docs/install.md)"
SEGMENT_MB = 64
"""As in config/fastdds.xml."""
PROFILE_REMEDY = (
    "export {}=.../config/fastdds.xml for every process that sends or receives images "
    "(docs/install.md)"
)


def environment(needed: bool) -> list[Finding]:
    """Check rclpy, the messages, the middleware; without ROS a failure only where ``needed``."""
    try:
        import rclpy
    except (ImportError, OSError) as error:  # OSError: a library that is missing
        level = FAIL if needed else WARN
        remedy = f"{SOURCE}; pictures need no ROS: depthlm depth, depthlm ask"
        return [Finding(level, "ROS", f"rclpy: {sentence_of(error)}", remedy)]
    distro = os.environ.get("ROS_DISTRO", "of a distribution that ROS_DISTRO does not name")
    return [
        Finding(OK, "ROS", distro),
        _messages(),
        *_middleware(rclpy.get_rmw_implementation_identifier()),
        _reach(),
    ]


def _messages() -> Finding:
    try:
        import depthlm_msgs.srv as srv
    except (ImportError, OSError) as error:
        return Finding(FAIL, "depthlm_msgs", sentence_of(error), SOURCE)
    return Finding(OK, "depthlm_msgs", str(Path(srv.__file__).parents[1]))


def _middleware(rmw: str) -> list[Finding]:
    """Name the middleware, and for Fast DDS whether it has room for images."""
    if "fastrtps" not in rmw:
        return [Finding(OK, "middleware", rmw)]
    names = ["FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"]
    if os.environ.get("ROS_DISTRO") in ("humble", "iron", "jazzy"):
        names.reverse()  # the old name counts there
    file = os.environ.get(names[0], "")
    what = "Fast DDS profile"
    remedy = PROFILE_REMEDY.format(names[0])
    if not file:
        text = "none set: the default shared memory loses most large best-effort images"
        return [Finding(OK, "middleware", rmw), Finding(WARN, what, text, remedy)]
    if not Path(file).is_file():
        text = f"{names[0]}={file}: no such file, so the default is used"
        return [Finding(OK, "middleware", rmw), Finding(WARN, what, text, remedy)]
    return [Finding(OK, "middleware", rmw), Finding(OK, what, file), *_shared_memory()]


def _shared_memory(path: str = "/dev/shm") -> list[Finding]:
    """Tell whether shared memory has room for two processes with the profile's segment."""
    try:
        room = os.statvfs(path)
    except OSError as error:
        text, remedy = f"{path}: {error.strerror}", "mount a tmpfs there"
        return [Finding(WARN, "shared memory", text, remedy)]
    free, need = room.f_bavail * room.f_frsize >> 20, 2 * SEGMENT_MB
    text = f"{path} has {free} MB free; the profile takes {SEGMENT_MB} MB a process"
    if free < need:
        remedy = "docker run --shm-size=512m, or --ipc=host: else large images may be lost"
        return [Finding(WARN, "shared memory", text, remedy)]
    return [Finding(OK, "shared memory", text)]


def _reach() -> Finding:
    """Tell which nodes can be heard: the domain, and how far discovery goes."""
    domain = os.environ.get("ROS_DOMAIN_ID", "0 (not set)")
    reach = os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "SUBNET (not set)")
    text = f"ROS_DOMAIN_ID {domain}, discovery {reach}"
    if os.environ.get("ROS_LOCALHOST_ONLY") == "1":
        text += ", ROS_LOCALHOST_ONLY 1"
    if not os.environ.get("ROS_DOMAIN_ID", "0").isdigit():
        return Finding(FAIL, "discovery", text, "export ROS_DOMAIN_ID=0 (a number of 0 to 101)")
    return Finding(OK, "discovery", text)
