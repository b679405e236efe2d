"""Ask a running depth_node: python examples/02_ask_a_node.py ["QUESTION"].

Start one first, for example `./run demo --keep`, and use the ROS domain that it prints.
"""

import sys

from depthlm_ros.client import DepthClient, ServiceTimeoutError
from depthlm_ros.status import Code

question = sys.argv[1] if len(sys.argv) > 1 else "How far is the image centre?"

with DepthClient("/depthlm") as client:
    try:
        reply = client.ask(question, deadline_s=5.0)
    except ServiceTimeoutError as error:
        raise SystemExit(str(error)) from error
    if reply.code == Code.OK:
        print(reply.answer)
        interval = f"{reply.low:.3g} to {reply.high:.3g}"
        print(f"value {reply.value:.3g} {reply.unit}, 90 % within {interval}")
        print(f"image {reply.age_s:.2f} s old, answered in {reply.latency_s:.3f} s")
    else:
        print(f"{reply.code.name}: {reply.text}")

    readings = client.query_points([(160, 240), (320, 240), (480, 240)], deadline_s=5.0)
    for reading in readings.points:
        shown = f"{reading.distance_m:.2f} m" if reading.code == Code.OK else reading.code.name
        print(f"pixel {reading.pixel}: {shown}")
