"""How a stream flows: rate, latency and losses from arrivals. Pure arithmetic."""

import numpy as np


def flow(arrivals) -> dict:
    """Return the figures of one topic's arrivals (``stamp_ns``, ``received_ns``), oldest first.

    ``rate_hz``: of receiving. ``latency_p50_ms``, ``latency_p95_ms``: from the image's stamp to
    receiving in this process. NaN with too few arrivals.
    """
    received = np.array([arrival.received_ns for arrival in arrivals], dtype=np.int64)
    stamps = np.array([arrival.stamp_ns for arrival in arrivals], dtype=np.int64)
    late_ms = (received - stamps) / 1e6
    span_s = (received[-1] - received[0]) / 1e9 if len(received) > 1 else 0.0
    return {
        "received": len(received),
        "rate_hz": (len(received) - 1) / span_s if span_s > 0 else float("nan"),
        "latency_p50_ms": float(np.percentile(late_ms, 50)) if len(late_ms) else float("nan"),
        "latency_p95_ms": float(np.percentile(late_ms, 95)) if len(late_ms) else float("nan"),
    }


def without_result(images, results) -> int:
    """Count the images that got no result, among those not newer than the newest result."""
    done = {arrival.stamp_ns for arrival in results}
    last = max(done, default=0)
    return len({a.stamp_ns for a in images if a.stamp_ns <= last} - done)
