"""Requests at random moments, of random sizes and deadlines, to a model and a camera that falter.

No answer may rest on an image past its age limit, and none may come later than its deadline and
0.1 s. What a request costs its caller is not the node's: one of thousands of pixels is judged by
the node's own clock.
"""

import random
import threading
import time

from figures import Calls, Tally, is_number, tools

from depthlm_msgs.srv import Ask, CheckClearance, QueryPoints

MAX_AGE_S, MOST_WAITING = 0.5, 40
WIDTH, HEIGHT = 320, 240
LARGE = 4096


def run(folder, count: int) -> str:
    """Send them; return a row of the table."""
    model = {"seconds": 0.08}
    node = tools.NodeProcess(folder, "/requests", model=model, max_age=MAX_AGE_S)
    robot = tools.Robot("/requests")
    node.wait_for_log("active:")
    robot.meet(node)
    tally, draw, stop = Tally(), random.Random(4), threading.Event()
    camera = threading.Thread(target=_falter, args=(robot, stop), daemon=True)
    camera.start()
    calls = Calls(robot, tally, MAX_AGE_S)
    for _ in range(count):
        _send(calls, draw)
        time.sleep(draw.choice((0.0, 0.001, 0.01, 0.05)))
        while len(calls.open) > MOST_WAITING:
            time.sleep(0.005)
    calls.wait(60.0)
    stop.set()
    camera.join()
    if not node.is_alive():
        tally.fault("the node has ended")
    node.stop()
    robot.close()
    codes = ", ".join(f"{code}: {count}" for code, count in sorted(tally.codes.items()))
    caller = f"{tally.late_at_the_caller:,} later than that at the caller"
    return "\n".join(
        [tally.row("random requests"), f"\n{caller}; codes: {codes}.", *tally.faults[:20]]
    )


def run_large(folder, count: int) -> str:
    """Send requests of 4,096 pixels all at once; the state must be told all the while."""
    node = tools.NodeProcess(folder, "/large", model={"seconds": 0.05}, max_age=5.0)
    robot = tools.Robot("/large")
    node.wait_for_log("active:")
    robot.meet(node)
    tally, slowest_s = Tally(), 0.0
    calls = Calls(robot, tally, 5.0)
    pixels = [tools.Pixel(u=float(i % WIDTH), v=float(i // WIDTH)) for i in range(LARGE)]
    request = QueryPoints.Request(pixels=pixels)
    tools.set_deadline(request, 1.0)
    image = tools.make_image(WIDTH, HEIGHT)
    info = tools.make_info(WIDTH, HEIGHT, 250.0, 250.0, 159.5, 119.5)
    with robot.camera(hertz=10, image=image, info=info):
        robot.query((1.0, 1.0))
        for _ in range(count):
            calls.send(QueryPoints, "depthlm/query_points", request, 1.0, _check_points)
        while calls.open and slowest_s < 60.0:
            begin = time.monotonic()
            robot.state()
            slowest_s = max(slowest_s, time.monotonic() - begin)
    node.stop()
    robot.close()
    codes = ", ".join(f"{code}: {number}" for code, number in sorted(tally.codes.items()))
    return "\n".join(
        [
            tally.row("4,096 pixels each, at once"),
            f"\nget_state took up to {slowest_s:.2f} s meanwhile; codes: {codes}.",
            *tally.faults[:20],
        ]
    )


def _falter(robot, stop) -> None:
    """Publish pictures at 30 Hz, with gaps, doubles, old stamps and stamps of zero."""
    draw = random.Random(5)
    image = tools.make_image(WIDTH, HEIGHT)
    info = tools.make_info(WIDTH, HEIGHT, 250.0, 250.0, 159.5, 119.5)
    while not stop.wait(draw.choice((0.033, 0.033, 0.033, 0.033, 0.4, 1.0))):
        kind = draw.random()
        stamp = robot.now(-draw.uniform(0.3, 2.0)) if kind < 0.1 else robot.now()
        if kind > 0.95:
            stamp.sec = stamp.nanosec = 0
        robot.see(image=image, info=info, stamp=stamp)


def _send(calls: Calls, draw) -> None:
    deadline_s = draw.choice((0.05, 0.1, 0.3, 1.0, 3.0)) * draw.uniform(0.5, 1.0)
    count = draw.choices((1, 64, LARGE), (90, 9, 1))[0]
    pixels = [
        tools.Pixel(u=draw.uniform(0, WIDTH - 1), v=draw.uniform(0, HEIGHT - 1))
        for _ in range(count)
    ]
    kind = draw.choice((QueryPoints, Ask, CheckClearance)) if count == 1 else QueryPoints
    if kind is QueryPoints:
        request, name, check = QueryPoints.Request(pixels=pixels), "query_points", _check_points
    elif kind is Ask:
        question = "How far is this point?"
        request, name, check = Ask.Request(question=question, pixels=pixels), "ask", _check_answer
    else:
        request = CheckClearance.Request(width=0.5, height=1.0, length=1.0, airborne=True)
        name, check = "check_clearance", _check_way
    tools.set_deadline(request, deadline_s)
    calls.send(kind, f"depthlm/{name}", request, deadline_s, check)


def _check_points(response) -> str:
    """Check that the model's plane is 2 m away along the axis, or that there is no number."""
    for point in response.points:
        expected = response.status.code == 0 and point.status.code == 0
        if expected != is_number(point.depth) or expected and abs(point.depth - 2.0) > 1e-3:
            return f"{point.depth} m for {response.status.code}, {point.status.code}"
    return ""


def _check_answer(response) -> str:
    expected = response.status.code == 0
    good = 2.0 <= response.value < 2.6 if expected else not is_number(response.value)
    return "" if good else f"{response.value} m for {response.status.code}"


def _check_way(response) -> str:
    """Check that the way that ends 1 m before the plane is never clear without an OK."""
    return "clear without OK" if response.clear and response.status.code else ""
