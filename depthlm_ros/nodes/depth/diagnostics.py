"""What /diagnostics says, once a second on the steady clock (REP-107)."""

import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from depthlm_ros.interval import interval_of
from depthlm_ros.models.device_memory import device_memory_bytes
from depthlm_ros.sanitize import clean

FAILURES_TO_ERROR = 3
HANGS_AFTER_S = 30.0
RECENT_S = 10.0
_OK, _WARN, _ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


class Diagnostics:
    """Composes and publishes the statuses input, model and output; language, of a server beside.

    ``server_statistics``: what that did so far, {} without one.
    """

    def __init__(self, node, scheduler, subscriber, guard, server_statistics=dict):
        self._server_statistics = server_statistics
        self._node, self._scheduler, self._subscriber, self._guard = (
            node,
            scheduler,
            subscriber,
            guard,
        )
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._seen_faults, self._seen_refusals, self._seen_failures = 0, 0, 0
        self._fault_until = self._refusal_until = self._failure_until = 0.0

    def publish(self) -> None:
        """Publish now."""
        message = DiagnosticArray()
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.status = [self._input(), self._model(), self._output()]
        if server := self._server_statistics():
            message.status.append(self._language(server))
        self._publisher.publish(message)

    def _status(self, part: str, level: bytes, said: str, values: dict) -> DiagnosticStatus:
        name = f"{self._node.get_fully_qualified_name().lstrip('/')}: {part}"
        pairs = [KeyValue(key=k, value=clean(str(v), 500)) for k, v in values.items()]
        return DiagnosticStatus(
            level=level,
            name=name,
            message=clean(said, 500),
            hardware_id=clean(str(self._node.parameters.values.model), 200),
            values=pairs,
        )

    def _input(self) -> DiagnosticStatus:
        scheduler, statistics = self._scheduler, self._scheduler.statistics
        if not scheduler.active:
            return self._status("input", _OK, "not active", {})
        complaints = self._subscriber.complaints()
        level, said = _OK, "images and CameraInfo arrive"
        if complaints:
            level = _ERROR if any(is_error for is_error, _ in complaints) else _WARN
            said = "; ".join(sentence for _, sentence in complaints)
        elif self._recently("refusal", sum(statistics.refusals.values())):
            bad_info = "BAD_CAMERA_INFO" in statistics.last_refusal
            level = _ERROR if bad_info else _WARN
            said = f"refused: {statistics.last_refusal}"
        return self._status(
            "input",
            level,
            said,
            {
                "image topic": self._subscriber.image_topic,
                "images [Hz]": f"{statistics.images.hertz():.2f}",
                "images": statistics.images.count,
                "camera_info topic": self._subscriber.info_topic,
                "camera_info [Hz]": f"{statistics.infos.hertz():.2f}",
                "refused": _counts(statistics.refusals),
                "last refusal": statistics.last_refusal,
            },
        )

    def _model(self) -> DiagnosticStatus:
        scheduler, statistics = self._scheduler, self._scheduler.statistics
        level, said = self._model_level()
        memory = device_memory_bytes()
        return self._status(
            "model",
            level,
            said,
            {
                "model": getattr(scheduler.model, "name", "none"),
                "kind": "none"
                if not scheduler.model
                else "dense"
                if scheduler.is_dense
                else "marker",
                "90 % of depths within a factor of": _figure(
                    getattr(scheduler.model, "ratio_90", float("nan"))
                ),
                "interval": str(interval_of(scheduler.model)),
                "scale applied": f"{scheduler.scale:.4f}",
                "inference p50 [ms]": _ms(statistics.inference.percentile(50)),
                "inference p95 [ms]": _ms(statistics.inference.percentile(95)),
                "device memory used [MiB]": "no GPU" if memory is None else memory[0] >> 20,
                "device memory total [MiB]": "no GPU" if memory is None else memory[1] >> 20,
                "failures in a row": statistics.model_failures_in_a_row,
                "retries at a smaller size": statistics.retries,
                **_process_values(scheduler.model),
            },
        )

    def _language(self, server: dict) -> DiagnosticStatus:
        """Return the status of the language model's server, from its statistics."""
        level, said = _OK, "ready"
        if self._recently("failure", server["failures"]):
            level, said = _WARN, f"failed: {server['last_error']}"
        return self._status(
            "language",
            level,
            said,
            {
                "model": self._node.parameters.values.language_model,
                "calls": server["calls"],
                "failures": server["failures"],
                "latency p50 [ms]": _ms(server["p50_s"]),
                "latency p95 [ms]": _ms(server["p95_s"]),
                "last error": server["last_error"],
            },
        )

    def _model_level(self) -> tuple[bytes, str]:
        scheduler, statistics = self._scheduler, self._scheduler.statistics
        since = scheduler.running_since
        if scheduler.model is None:
            return _WARN, self._scheduler.why_no_model() or "not configured"
        if reason := getattr(scheduler.model, "why_unavailable", str)():
            given_up = scheduler.model.process_status.state == "failed"
            return _ERROR if given_up else _WARN, clean(reason, 500)
        if since is not None and time.monotonic() - since > HANGS_AFTER_S:
            return _ERROR, f"one inference has been running for {time.monotonic() - since:.0f} s"
        failures = statistics.model_failures_in_a_row
        if failures:
            level = _ERROR if failures >= FAILURES_TO_ERROR else _WARN
            return level, f"failed {failures} times in a row: {statistics.last_refusal}"
        if remarks := getattr(scheduler.model, "remarks", ()):
            return _WARN, clean("; ".join(remarks), 500)
        return _OK, "ready"

    def _output(self) -> DiagnosticStatus:
        scheduler, statistics = self._scheduler, self._scheduler.statistics
        level, said = self._output_level()
        worker, frame_depth = scheduler.worker, scheduler.frame_depth
        stamp = None if frame_depth is None else frame_depth.frame.stamp_ns
        age = float("nan") if stamp is None else scheduler.age_s(stamp)
        return self._status(
            "output",
            level,
            said,
            {
                "results [Hz]": f"{statistics.results.hertz():.2f}",
                "results": statistics.results.count,
                "stamp to publish p50 [ms]": _ms(statistics.to_publish.percentile(50)),
                "stamp to publish p95 [ms]": _ms(statistics.to_publish.percentile(95)),
                "age of the newest result [s]": _figure(age),
                "frames dropped": 0 if worker is None else worker.dropped,
                "requests waiting": scheduler.waiting,
                "answers": _counts(statistics.answers),
                "errors in callbacks": self._guard.count,
                "last error": self._guard.last,
            },
        )

    def _output_level(self) -> tuple[bytes, str]:
        if self._recently("fault", self._guard.count):
            return _ERROR, f"error in a callback: {self._guard.last}"
        if not self._scheduler.active:
            return _OK, "not active"
        slow = self._scheduler.statistics.to_publish.percentile(50)
        max_age = self._node.parameters.values.max_age
        if slow > max_age:
            return _WARN, (
                f"results are {slow:.2f} s old when they are ready, older than max_age = "
                f"{max_age:g} s: every answer is STALE; raise max_age or take a faster model"
            )
        return _OK, "working" if self._scheduler.frame_depth else "nothing asked for yet"

    def _recently(self, kind: str, count: int) -> bool:
        """Tell whether a counter has grown within the last RECENT_S seconds."""
        now = time.monotonic()
        if count > getattr(self, f"_seen_{kind}s"):
            setattr(self, f"_{kind}_until", now + RECENT_S)
        setattr(self, f"_seen_{kind}s", count)
        return now < getattr(self, f"_{kind}_until")


def _process_values(model) -> dict:
    """Return what is told of a model's own process; nothing of one that has none."""
    status = getattr(model, "process_status", None)
    if status is None:
        return {}
    return {
        "process": f"{status.state}, pid {status.pid}" if status.pid else status.state,
        "process replaced": status.replaced,
        "process ended last since it": clean(status.last_reason, 300) or "never",
    }


def _ms(seconds: float) -> str:
    return _figure(seconds * 1e3)


def _counts(counter) -> str:
    return ", ".join(f"{name} {count}" for name, count in counter.most_common()) or "none"


def _figure(value: float) -> str:
    return "unknown" if value != value else f"{value:.2f}"
