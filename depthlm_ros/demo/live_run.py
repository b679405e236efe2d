"""The live part: streams measured, questions asked and checked, readings in number."""

import time
from dataclasses import dataclass, field, replace

import numpy as np

from depthlm_ros.client import Reply, ServiceTimeoutError
from depthlm_ros.demo import clearance_round
from depthlm_ros.demo.context import DemoContext
from depthlm_ros.demo.node_processes import DemoError
from depthlm_ros.demo.questions import (
    Asked,
    choose_pixels,
    clear_of_steps,
    questions_about,
    questions_by_name,
    to_be_refused,
)
from depthlm_ros.demo.stream_stats import flow, without_result
from depthlm_ros.demo.subscriber import STREAMS, TOPICS
from depthlm_ros.evaluation.point_metrics import constant_accuracy, pooled
from depthlm_ros.status import Code

START_S = 120.0
NEXT_S = 20.0
COMPLETE = ("image", "depth camera", "depth", "true depth")
LEAST = 5
MESSAGES = f"{LEAST} messages on each of {', '.join(TOPICS[name][1] for name in STREAMS)}"
TRIES = 8
ASKED_APART_PX, READ_APART_PX = 140.0, 24.0
READ_EACH = 20
DEADLINE_S = 10.0


@dataclass(frozen=True)
class Checked:
    """An answer beside the truth of the same image."""

    asked: Asked
    reply: Reply
    true: float

    @property
    def error_percent(self) -> float:
        """How far the answer is above the truth; NaN without an answer."""
        return 100.0 * (self.reply.value - self.true) / self.true

    def as_dict(self) -> dict:
        """Return everything for a JSON file."""
        reply = self.reply
        return {
            "task": self.asked.task.value,
            "question": self.asked.question,
            "code": reply.code.name,
            "text": reply.text,
            "answer": reply.answer,
            "value": reply.value,
            "unit": reply.unit,
            "low": reply.low,
            "high": reply.high,
            "true": self.true,
            "error_percent": self.error_percent,
            "stamp_ns": reply.stamp_ns,
            "age_s": reply.age_s,
            "latency_s": reply.latency_s,
        }


@dataclass
class QuestionRound:
    """What was asked about one moment: answers, and readings (N,) beside truths (N,) [m z-depth].

    ``frame``, ``depth_map``, ``true_depth_m``: the image that most points were read in. ``named``:
    answers about things that the model was to find.
    """

    answers: list
    read_m: np.ndarray
    true_m: np.ndarray
    frame: object = None
    depth_map: object = None
    true_depth_m: np.ndarray | None = None
    ways: list = field(default_factory=list)
    named: list = field(default_factory=list)

    @property
    def all_answers(self) -> list:
        """Answers about given points, then about named things."""
        return [*self.answers, *self.named]


@dataclass
class LiveResult:
    """Everything that the live part found."""

    rounds: list = field(default_factory=list)
    refusals: list = field(default_factory=list)
    streams: dict = field(default_factory=dict)

    @property
    def answers(self) -> list:
        """All answers about given points."""
        return [answer for asked in self.rounds for answer in asked.answers]

    @property
    def named(self) -> list:
        """All answers about named things."""
        return [answer for asked in self.rounds for answer in asked.named]

    def accuracy(self):
        """Return the figures of this run's readings, and of the best constant on their points."""
        pairs = [(asked.read_m, asked.true_m) for asked in self.rounds]
        return pooled(pairs), constant_accuracy([true for _, true in pairs])


class LiveRun:
    """Runs the live part on nodes that play the scenes."""

    def __init__(self, context: DemoContext, rng):
        self._context, self._rng = context, rng
        self._last_stamp = 0

    def wait_for_first(self) -> int:
        """Wait for the first image that has everything; return its stamp."""
        self._context.wait_for(self._model_is_ready, "model", START_S)
        return self._next_stamp("picture with its depth and its truth", START_S)

    def _model_is_ready(self) -> bool:
        """Return whether the node has a model that gives maps; raises where it never will."""
        model = self._context.subscriber.diagnostics.get("model", {})
        if model.get("kind") == "marker":
            raise DemoError(
                f"model {model['model']!r} reads point by point and gives no depth images: take a "
                "DepthVLM for the demonstration"
            )
        says = model.get("says", "not configured")
        if model.get("kind") == "none" and not says.startswith(("not conf", "the model has been")):
            raise DemoError(f"depth_node has no model: {says}")
        return model.get("kind") == "dense"

    def run(self, seconds: float, rounds: int, report) -> LiveResult:
        """Ask ``rounds`` rounds of questions within the time, measuring the streams meanwhile.

        ``report(asked_round, number)`` is called for each round at once. Raises DemoError.
        """
        found, begin, begin_ns = LiveResult(), time.monotonic(), time.time_ns()
        for number in range(rounds):
            self._rest_until(begin + seconds * number / rounds)
            found.rounds.append(self.ask_round())
            found.rounds[-1].ways = self._ways()
            report(found.rounds[-1], number + 1)
        found.refusals = self.refusals()
        self._rest_until(begin + seconds)
        self._context.wait_for(lambda: self._flows(begin_ns), MESSAGES, START_S)
        found.streams = self.measure(begin_ns)
        return found

    def _flows(self, begin_ns: int) -> bool:
        """Return whether every stream has brought enough to speak of a rate."""
        inboxes = self._context.subscriber.inboxes
        return all(len(inboxes[name].since(begin_ns)) >= LEAST for name in STREAMS)

    def ask_round(self) -> QuestionRound:
        """Ask about one moment; try again where the answer's image has no good truth there."""
        for _ in range(TRIES):
            stamp = self._next_stamp("next picture with its depth and its truth", NEXT_S)
            good = clear_of_steps(self._context.subscriber.true_depth(stamp))
            places = choose_pixels(good, 2, ASKED_APART_PX, self._rng)
            if len(places) == 2 and (answers := self._ask(questions_about(*places))):
                named = self._ask(questions_by_name())
                readings = self._read(choose_pixels(good, READ_EACH, READ_APART_PX, self._rng))
                return self._with_pictures(QuestionRound(answers, *readings, named=named))
        raise DemoError(
            f"in {TRIES} pictures in a row there were no two points with a clear truth to ask "
            "about: use another --seed"
        )

    def _ask(self, questions: list) -> list:
        """Ask all; return them checked, or nothing when a point has no good truth by now."""
        replies = [self._call(self._context.client.ask, asked.question) for asked in questions]
        checked = []
        for asked, reply in zip(questions, replies, strict=True):
            if reply.code != Code.OK:
                checked.append(Checked(asked, reply, float("nan")))
                continue
            pixels = asked.pixels or [reading.pixel for reading in reply.evidence]
            truth = self._context.subscriber.truth(pixels, reply.stamp_ns)
            if asked.pixels and not self._is_clear(pixels, truth, reply.stamp_ns):
                return []
            if any(point.status.code != Code.OK for point in truth):
                checked.append(Checked(asked, reply, float("nan")))  # found beside it, in the sky
                continue
            distances, depths = [p.distance for p in truth], [p.depth for p in truth]
            points = [(p.point.x, p.point.y, p.point.z) for p in truth]
            checked.append(Checked(asked, reply, asked.true_value(distances, depths, points)))
        return checked

    def _is_clear(self, pixels, truth, stamp: int) -> bool:
        """Return whether the truth is beyond dispute at pixels of the image answered from."""
        if any(point.status.code != Code.OK for point in truth):
            return False
        subscriber = self._context.subscriber
        depth = self._context.wait_for(
            lambda: _present(subscriber.true_depth(stamp)), "true depth of an answer", NEXT_S
        )[0]
        good = clear_of_steps(depth)
        return all(good[v, u] for u, v in pixels)

    def _read(self, pixels) -> tuple[np.ndarray, np.ndarray]:
        """Read z-depth at pixels through the service; return it and the truth, NaN where none.

        A request that is refused as a whole has read nothing: its points count as wrong.
        """
        reply = self._call(self._context.client.query_points, pixels)
        stamp = reply.points[0].stamp_ns if reply.code == Code.OK else self._last_stamp
        truth = self._context.subscriber.truth(pixels, stamp)
        true = [p.depth if p.status.code == Code.OK else np.nan for p in truth]
        return np.array([p.depth_m for p in reply.points]), np.array(true)

    def _ways(self) -> list:
        """Ask whether ways are clear; each beside the truth of the image it was answered from."""
        subscriber = self._context.subscriber

        def call(function, **arguments):
            return self._call(
                lambda _, deadline_s: function(deadline_s=deadline_s, **arguments), 0
            )

        def maps_of(stamp: int) -> tuple:
            self._context.wait_for(
                lambda: _present(subscriber.true_depth(stamp)), "true depth of an answer", NEXT_S
            )
            seen, true_m = subscriber.depth_map(stamp), subscriber.true_depth(stamp)
            if seen is None:
                return None, None
            return seen, replace(seen, depth_m=true_m, ratio_90=1.0)

        return clearance_round.ask_ways(call, self._context.client, maps_of)

    def _with_pictures(self, asked_round: QuestionRound) -> QuestionRound:
        stamp = stamp_of_most(asked_round.answers)
        subscriber = self._context.subscriber
        asked_round.frame, asked_round.depth_map = (
            subscriber.frame(stamp),
            subscriber.depth_map(stamp),
        )
        asked_round.true_depth_m = subscriber.true_depth(stamp)
        return asked_round

    def refusals(self) -> list[tuple[str, str, Reply]]:
        """Ask what has no answer; return (what is wrong, question, reply). Raises DemoError."""
        info = self._context.subscriber.inboxes["depth camera"]
        info = info.get(info.stamps()[-1])
        found = []
        for wrong, question in to_be_refused(info.width, info.height):
            reply = self._call(self._context.client.ask, question)
            if reply.code == Code.OK or np.isfinite(reply.value):
                raise DemoError(f"{question!r} ({wrong}) got the number {reply.value:g}")
            found.append((wrong, question, reply))
        return found

    def measure(self, begin_ns: int) -> dict:
        """Return the figures of the streams for images stamped since a time."""
        inboxes = self._context.subscriber.inboxes
        arrivals = {name: inboxes[name].since(begin_ns) for name in ("image", *STREAMS)}
        figures = {name: flow(came) for name, came in arrivals.items()}
        figures["pictures without a depth"] = without_result(arrivals["image"], arrivals["depth"])
        return figures

    # -- waiting ------------------------------------------------------------------------------

    def _call(self, function, argument):
        self._context.children.check()
        try:
            return function(argument, deadline_s=DEADLINE_S)
        except ServiceTimeoutError as error:
            self._context.children.check()
            raise DemoError(f"{error}\n{self._context.children.tails()}") from error

    def _next_stamp(self, what: str, timeout_s: float) -> int:
        def newer():
            stamp = self._context.subscriber.newest_complete(COMPLETE)
            return stamp if stamp and stamp > self._last_stamp else None

        self._last_stamp = self._context.wait_for(newer, what, timeout_s)
        return self._last_stamp

    def _rest_until(self, moment: float) -> None:
        """Let the streams flow, with an eye on the processes."""
        while (left := moment - time.monotonic()) > 0:
            self._context.children.check()
            time.sleep(min(left, 0.1))


def stamp_of_most(answers: list) -> int:
    """Return the stamp of the image in which the answers read most pixels; 0 without answers."""
    read: dict = {}
    for one in answers:
        if one.reply.code == Code.OK:
            read.setdefault(one.reply.stamp_ns, set()).update(one.asked.pixels)
    return max(read, key=lambda stamp: len(read[stamp]), default=0)


def _present(value):
    """Wrap an array, whose truth value numpy does not tell."""
    return None if value is None else (value,)
