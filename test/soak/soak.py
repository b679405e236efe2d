"""A camera at 15 Hz and two questions a second for half an hour, a tenth of all of it faulty."""

import random
import threading
import time
from statistics import median

import numpy as np
from bad_messages import maybe_broken_bytes, spoil
from figures import Calls, Tally, children_of, figures_of, is_number, summary, tools

from depthlm_msgs.srv import Ask, CheckClearance, QueryPoints

HERTZ, QUESTIONS_HERTZ, FAULTY = 15.0, 2.0, 0.1
MAX_AGE_S, DEADLINE_S, SLOPE_MB = 2.0, 3.0, 3.0
PARTS = 30
"""Of a run; the first tenth is warm-up."""
WIDTH, HEIGHT = 640, 480
QUESTIONS = ("How far is this point?", "How far apart are these points?", "Can I go ahead?")
NONSENSE = ("", "\x00", "How far is this point? " * 400, "answer 5 m", "0,0,0", "wo ist die Tür?")


def run(folder, minutes: float, own_process: bool) -> str:
    """Run it with the embedded model; return a Markdown table."""
    node = tools.NodeProcess(
        folder,
        "/soak",
        script=tools.PRODUCT,
        parameter_model="embedded",
        model_process="true" if own_process else "false",
        continuous=True,
        max_age=MAX_AGE_S,
    )
    robot = tools.Robot("/soak")
    node.wait_for_log("active:")
    robot.meet(node)
    tally, draw = Tally(), random.Random(1)
    stop = threading.Event()
    camera = threading.Thread(target=_play, args=(robot, stop), daemon=True)
    camera.start()
    begin, rows, seen = time.monotonic(), [], []
    pids = [node.process.pid, *children_of(node.process.pid)]
    calls = Calls(robot, tally, MAX_AGE_S)
    while (passed := time.monotonic() - begin) < minutes * 60:
        _question(calls, draw)
        seen.append([figures_of(pid) for pid in pids])
        if passed >= (len(rows) + 1) * minutes * 60 / PARTS:
            rows.append(summary(seen, min))  # a picture under way is some MB of a single sample
            seen = []
            print(f"{passed / 60:5.1f} min  " + ";  ".join(map(str, rows[-1])), flush=True)
        time.sleep(1 / QUESTIONS_HERTZ)
    calls.wait(30.0)
    stop.set()
    camera.join()
    if not node.is_alive() or [node.process.pid, *children_of(node.process.pid)] != pids:
        tally.fault("a process has ended")
    code, _ = node.stop()
    if code:
        tally.fault(f"exit code {code}")
    robot.close()
    return _table(minutes, tally, rows)


def _play(robot, stop) -> None:
    """Publish noise over a slope, and every tenth picture or CameraInfo broken."""
    draw = random.Random(2)
    noise = np.random.default_rng(3)
    slope = np.linspace(20, 200, HEIGHT * WIDTH * 3).reshape(HEIGHT, WIDTH, 3)
    pictures = [
        np.uint8(slope + noise.integers(0, 40, (HEIGHT, WIDTH, 3))).tobytes() for _ in range(4)
    ]
    while not stop.wait(1 / HERTZ):
        image = tools.make_image(WIDTH, HEIGHT)
        image.data.frombytes(draw.choice(pictures))
        image.data = image.data[WIDTH * HEIGHT * 3 :]
        info = tools.make_info(WIDTH, HEIGHT, 500.0, 500.0, 319.5, 239.5)
        image.header.stamp = info.header.stamp = robot.now()
        image.header.frame_id = info.header.frame_id = "camera"
        if draw.random() < FAULTY:
            spoil(draw.choice([image, info]), draw)
            image, info = maybe_broken_bytes(image, draw), maybe_broken_bytes(info, draw)
        robot.images.publish(image)
        robot.infos.publish(info)


def _question(calls: Calls, draw) -> None:
    """Ask one thing, in one of ten cases nonsense."""
    pixels = [
        tools.Pixel(u=draw.uniform(0, WIDTH - 1), v=draw.uniform(0, HEIGHT - 1)) for _ in range(2)
    ]
    if draw.random() < FAULTY:
        request = Ask.Request(question=draw.choice(NONSENSE), pixels=pixels)
        tools.set_deadline(request, DEADLINE_S)
        calls.send(Ask, "depthlm/ask", request, DEADLINE_S, _must_be_refused)
        return
    kind = draw.choice((Ask, QueryPoints, CheckClearance))
    if kind is Ask:
        number = draw.randrange(3)
        request = Ask.Request(question=QUESTIONS[number], pixels=pixels[: (1, 2, 0)[number]])
        name = "depthlm/ask"
    elif kind is QueryPoints:
        request, name = QueryPoints.Request(pixels=pixels), "depthlm/query_points"
    else:
        request = CheckClearance.Request(width=0.5, height=1.0, length=2.0, airborne=True)
        name = "depthlm/check_clearance"
    tools.set_deadline(request, DEADLINE_S)
    calls.send(kind, name, request, DEADLINE_S)


def _must_be_refused(response) -> str:
    """Nonsense has no number."""
    value = response.value
    return f"nonsense was answered: {value}" if is_number(value) else ""


def _table(minutes: float, tally: Tally, rows) -> str:
    """Return the counts, and the processes in the first and the last third after warm-up."""
    rows = rows[len(rows) // 10 :]
    third = max(1, len(rows) // 3)
    # The median: where a picture is under way at any moment, a rare one without is no trend.
    warm, last = (summary(part, median) for part in (rows[:third], rows[-third:]))
    lines = [
        "| run | requests | answered | wrong | late | node after warm-up | node at the end |"
        " model after warm-up | model at the end |",
        "| --- " * 9 + "|",
    ]
    pairs = [str(one) for pair in zip(warm, last, strict=True) for one in pair]
    figures = [f"{n:,}" for n in (tally.sent, tally.answered, tally.wrong, tally.late)]
    lines.append("| " + " | ".join([f"{minutes:g} min", *figures, *pairs]) + " |")
    codes = ", ".join(f"{code}: {count}" for code, count in sorted(tally.codes.items()))
    lines.append(f"\nCodes: {codes}.")
    for name, first, end in zip(("node", "model"), warm, last, strict=False):
        grown = end.memory_mb - first.memory_mb
        good = grown <= SLOPE_MB and end.threads <= first.threads and end.files <= first.files
        lines.append(f"{name}: {grown:+.1f} MB: {'flat' if good else 'NOT FLAT'}.")
    return "\n".join(lines + tally.faults[:20])
