"""After the demonstration: everything goes on, for RViz or Foxglove, until Ctrl-C."""

import os
import time

from depthlm_ros.demo.context import ROOT, DemoContext, config_file, say
from depthlm_ros.demo.subscriber import TOPICS

PROFILES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
POLL_S = 0.5


def keep_running(demo, context: DemoContext, domain: int) -> None:
    """Play the scenes on, tell how to look, and return at Ctrl-C; raises when a node ends."""
    if not context.children.has("camera_node"):
        demo.start_scenes()
    for line in instructions(domain):
        say(line)
    try:
        while True:
            context.children.check()
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        say("\nending ...")


def instructions(domain: int) -> list[str]:
    """Return what to type in another terminal."""
    profile = next(name for name in PROFILES if name in os.environ)
    ask = "from depthlm_ros.client import DepthClient as C; c = C(); "
    ask += "print(c.ask('How far is (320, 240)?').answer); c.close()"
    lines = [
        "",
        f"Everything goes on, on ROS domain {domain}. Ctrl-C ends it. In another terminal:",
        "",
        f"  export ROS_DOMAIN_ID={domain} ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST",
        f"  export {profile}={os.environ[profile]}",
        "",
        f"  rviz2 -d {config_file('depthlm.rviz')}",
        "  ros2 launch foxglove_bridge foxglove_bridge_launch.xml    # then ws://localhost:8765",
        "  ros2 service call /depthlm/ask depthlm_msgs/srv/Ask \\",
        "      \"{question: 'How far is this point?', pixels: [{u: 320, v: 240}]}\"",
        "  ros2 topic hz /depthlm/depth/image",
    ]
    if (ROOT / "run").is_file():
        command = f'  {ROOT}/run exec python -c "{ask}"'
        lines += ["", "or, without a ROS installation:", "", command]
    return [*lines, "", "topics: " + " ".join(topic for _, topic in TOPICS.values())]
