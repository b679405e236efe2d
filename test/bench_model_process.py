"""The model's process in numbers: what each fault costs, and what the process adds to a frame.

    ./run exec python test/bench_model_process.py [--times 20] [--frames 300]

Prints a Markdown table: each fault so many times, how many of them cost the one call and no more,
and how long until the next call was answered (with a back-off of 0.05 s and a model that loads at
once); then the latency that the process adds at 640 x 480.
"""

import argparse
import logging
import time

import faulty_models as faulty
import numpy as np

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.model_process.model import load_in_process

CAMERA = PinholeCamera(500.0, 500.0, 319.5, 239.5, 640, 480)
FAULTS = {
    "hang": faulty.HANG,
    "hang with Python's lock held": faulty.GIL,
    "abort": faulty.ABORT,
    "SIGSEGV": faulty.SEGV,
    "SIGKILL (by hand, or the kernel's for want of memory)": faulty.KILL,
    "CUDA-like error": faulty.DEVICE,
}
LIMIT_S = 0.5


def fault_row(name: str, fault: int, times: int) -> str:
    """Return a row of the table for one fault."""
    model = load_in_process(faulty.load_faulty, (), limit_s=LIMIT_S, backoff_s=(0.05, 0.05))
    good, told, back = faulty.picture(3.0, height=480, width=640), [], []
    bad = faulty.picture(3.0, fault, height=480, width=640)
    view, recovered = model.view_of(CAMERA), 0
    for _ in range(times):
        begin = time.monotonic()
        try:
            model.depth(bad, view)
        except Exception:  # counted: every fault must raise here
            told.append(time.monotonic() - begin)
        begin = time.monotonic()
        while time.monotonic() - begin < 20.0:
            try:
                recovered += bool((model.depth(good, view) == np.float32(3.0)).all())
                break
            except Exception:  # not ready yet
                time.sleep(0.01)
        back.append(time.monotonic() - begin)
    model.close()
    return (
        f"| {name} | {len(told)} of {times} | {max(told):.2f} | {recovered} of {times} | "
        f"{np.median(back):.2f} | {max(back):.2f} |"
    )


def latency(frames: int) -> str:
    """Return how much longer a call takes by the process than here, at 640 x 480."""
    rgb = faulty.picture(3.0, height=480, width=640)
    own, remote = faulty.Faulty(), load_in_process(faulty.load_faulty, ())
    view, milliseconds = own.view_of(CAMERA), {}
    for name, model in (("here", own), ("in the process", remote)):
        seconds = []
        for _ in range(frames):
            begin = time.perf_counter()
            model.depth(rgb, view)
            seconds.append(time.perf_counter() - begin)
        milliseconds[name] = 1e3 * np.percentile(seconds[frames // 10 :], [50, 95])
    remote.close()
    added = milliseconds["in the process"] - milliseconds["here"]
    return (
        f"A frame of 640 x 480, a model that does nothing: {milliseconds['here'][0]:.2f} ms here, "
        f"{milliseconds['in the process'][0]:.2f} ms in the process: {added[0]:.2f} ms more at "
        f"p50, {added[1]:.2f} at p95."
    )


def main() -> None:
    """Print the table and the latency."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--times", type=int, default=20, help="of each fault (default 20)")
    parser.add_argument("--frames", type=int, default=300, help="for the latency (default 300)")
    options = parser.parse_args()
    logging.disable(logging.ERROR)
    print("| fault | caller told | longest [s] | recovered | back in, median [s] | longest [s] |")
    print("| --- " * 6 + "|")
    for name, fault in FAULTS.items():
        print(fault_row(name, fault, options.times), flush=True)
    print(f"\n{latency(options.frames)}")


if __name__ == "__main__":
    main()
