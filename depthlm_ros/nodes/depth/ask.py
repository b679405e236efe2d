"""One question of ~/ask or ~/ask_action, from its text to its answer: what both share.

A question about given points is answered from the newest result; one about named things, free ways
or in free words needs the model or much arithmetic, and is a job of the worker. While a model
writes, frames that come are looked at between its tokens.
"""

import time
from dataclasses import dataclass, replace

from depthlm_ros.asking import (
    BOX_TOKENS,
    FrameScene,
    able,
    answer_frame,
    answers_itself,
    may_read,
    needs_scene,
    own_answer,
    own_motion,
    read_unclear,
    told_as_read,
)
from depthlm_ros.estimator import source_camera
from depthlm_ros.frame import Frame
from depthlm_ros.language.answer import answer_freely, answer_question
from depthlm_ros.language.free_distance import Body
from depthlm_ros.language.model_reading import READING_TOKENS
from depthlm_ros.language.motion import answer_motion
from depthlm_ros.language.motion_span import MotionSpan
from depthlm_ros.language.question import Able, FreeQuestion, Question, read_any_question
from depthlm_ros.language.question_checks import UnclearError
from depthlm_ros.models.adapters.openai_server import from_name
from depthlm_ros.models.base import asks_tasks, speaks
from depthlm_ros.nodes.depth.deadline import Deadline
from depthlm_ros.status import Code, StatusError
from depthlm_ros.tasks import Task
from depthlm_ros.worker import LatestWorker

SERVER_QUEUE = 16
"""Questions that may wait for a server."""
CANCELLED = StatusError(Code.DEADLINE, "the request was cancelled")


class Progress:
    """What a request is doing, for whoever wants to know; and whether it still matters.

    ``tell(stage, share)`` may be called on the worker's thread. ``until``: its deadline.
    ``stamp_ns``: of the image it is about, 0: the newest.
    """

    stamp_ns = 0

    def __init__(self, until: Deadline, tell=None):
        self.until = until
        self._tell = tell or (lambda stage, share: None)
        self._tokens = 0

    def stage(self, name: str, share: float = 0.0) -> None:
        """Say what is being done: reading, waiting, looking, writing, answering."""
        self._tell(name, share)

    def after_token(self, most: int) -> None:
        """Note a token that the model wrote; StatusError(DEADLINE) when nobody waits any more."""
        self._tokens += 1
        self.stage("writing", min(1.0, self._tokens / most))
        if self.until.cancelled:
            raise CANCELLED
        if self.until.has_passed(time.monotonic()):
            raise StatusError(
                Code.DEADLINE,
                f"the deadline passed after {self._tokens} tokens of the model's reply: allow "
                "more time, or ask for less",
            )


@dataclass(frozen=True)
class _Asked:
    """The image asked about last; ``frame``: itself, for a model that compares two."""

    frame_id: str
    stamp_ns: int
    frame: Frame | None


class Asker:
    """Answers questions from the scheduler's results, its model and the language model beside it.

    That one (parameter language_model) finds things and writes where it is set; a server's replies
    are waited for on a worker of their own.
    """

    def __init__(self, node, scheduler):
        self._node, self._scheduler = node, scheduler
        self._last_asked: _Asked | None = None
        self._server: tuple = ("", None)
        self._beside: LatestWorker | None = None

    def _namer(self):
        """Return the language model beside the depth model, None where there is none.

        Raises StatusError(MODEL_NOT_READY) for a name that makes no sense.
        """
        name = self._node.parameters.values.language_model
        if name != self._server[0]:
            self._server = name, from_name(name) if name else None
        return self._server[1] if name else None

    def statistics(self) -> dict:
        """Return what the server beside did so far, {} without one: for diagnostics."""
        return {} if self._server[1] is None else self._server[1].statistics()

    async def _run(self, call, progress: Progress, most: int, beside: bool):
        """Run a call on the worker that may run it; ``most``: tokens that it may write."""
        scheduler = self._scheduler
        if beside and scheduler.is_dense:
            if self._beside is None:
                self._beside = LatestWorker(SERVER_QUEUE, "language")
            return await scheduler.run_beside(
                call, progress.until, self._beside, progress.stamp_ns
            )
        return await scheduler.run_on_depth(
            call, progress.until, lambda: progress.after_token(most), progress.stamp_ns
        )

    def forget(self) -> None:
        """Forget the last question, as after a jump of the clock."""
        self._last_asked = None

    async def answer(self, text: str, pixels: list, progress: Progress):
        """Return (FrameDepth, Answer) to a question. Raises StatusError."""
        progress.stage("reading")
        limit = self._node.parameters.values.max_question_length
        can = able(self._scheduler.model, self._namer()) | Able.MOTION
        read = None
        try:
            question = read_any_question(text, pixels, limit, can)
        except UnclearError as refusal:
            read = await self._by_model(text, pixels, refusal, can, progress)
            question = read.question
        progress.stage("waiting")
        frame_depth, answer = await self._answer(question, progress)
        answer = told_as_read(answer, read) if read else answer
        self._remember(frame_depth.frame)
        return frame_depth, answer

    async def _by_model(self, text, pixels, refusal, can: Able, progress: Progress):
        """Let the language model read a question; raises ``refusal`` where none may or can."""
        namer, values = self._namer(), self._node.parameters.values
        model = namer or self._scheduler.model
        if not (values.model_reads_questions and may_read(model, can, text, pixels)):
            raise refusal

        def read(frame_depth):
            limit = values.max_question_length
            return read_unclear(text, refusal, frame_depth.frame, model, can, limit)

        _, question = await self._run(read, progress, READING_TOKENS, namer is not None)
        return question

    async def _answer(self, question, progress: Progress):
        if isinstance(question, Question) and question.task is Task.CAMERA_MOTION:
            return await self._of_motion(question.span, progress)
        if isinstance(question, FreeQuestion):
            return await self._in_words(question, progress)
        if needs_scene(question):
            return await self._from_scene(question, progress)
        frame_depth, readings = await self._scheduler.sample(
            lambda frame_depth: question.pixels(source_camera(frame_depth)),
            progress.until,
            progress.stamp_ns,
        )
        answer = answer_question(question, readings)
        if answer.success and answers_itself(self._scheduler.model, question):
            said = await self._own_answer(question, frame_depth, progress)
            answer = replace(answer, sentence=answer.sentence + said)
        return frame_depth, answer

    async def _own_answer(self, question, frame_depth, progress: Progress) -> str:
        """Return what a model trained for the six tasks says itself of the same image."""
        model = self._scheduler.model
        return await self._scheduler.compute(
            lambda: own_answer(question, frame_depth, model), progress.until
        )

    async def _of_motion(self, span: MotionSpan, progress: Progress):
        """Say how the camera moved in the times of a question, or since the one before.

        By the poses of TF; where there are none, between two questions, by a model that was
        trained for it.
        """
        before = self._last_asked
        frame_depth, _ = await self._scheduler.sample(
            lambda _: [], progress.until, progress.stamp_ns
        )
        after = frame_depth.frame
        if span.is_given:
            times = span.times_ns(after.stamp_ns)
            poses = await self._poses(after.frame_id, times, progress.until)
            return frame_depth, answer_motion(*poses, (times[1] - times[0]) * 1e-9)
        if before is None or before.frame_id != after.frame_id:
            self._remember(after)
            raise StatusError(
                Code.NO_FRAME,
                "there is no question before this one to measure the motion from: ask again after "
                "the motion, it begins with the image of this question",
            )
        times = before.stamp_ns, after.stamp_ns
        seconds = (times[1] - times[0]) * 1e-9
        try:
            poses = await self._poses(after.frame_id, times, progress.until)
        except StatusError as refusal:
            model, first = self._scheduler.model, before.frame
            if refusal.code is not Code.NO_TF or not asks_tasks(model) or first is None:
                raise
            return frame_depth, await self._scheduler.compute(
                lambda: own_motion(first, after, model, seconds), progress.until
            )
        return frame_depth, answer_motion(*poses, seconds)

    async def _poses(self, frame_id: str, times_ns: tuple, until: float) -> list:
        return [await self._node.transforms.pose(frame_id, at_ns, until) for at_ns in times_ns]

    def _remember(self, frame: Frame) -> None:
        """Keep what the motion since this image is measured from."""
        keeps = asks_tasks(self._scheduler.model)
        self._last_asked = _Asked(frame.frame_id, frame.stamp_ns, frame if keeps else None)

    async def _in_words(self, question: FreeQuestion, progress: Progress):
        """Answer in the model's own words, where it has any."""
        namer, most = self._namer(), self._node.parameters.values.max_reply_tokens
        model = namer or self._scheduler.model
        question.check(speaks(model))

        def write(frame_depth):
            return model.reply(
                frame_depth.frame.rgb, frame_depth.frame.camera, question.words, most
            )

        frame_depth, reply = await self._run(write, progress, most, namer is not None)
        return frame_depth, answer_freely(reply)

    async def _from_scene(self, question: Question, progress: Progress):
        """Find named things, or measure free ways, on the worker."""
        values, namer = self._node.parameters.values, self._namer()
        estimator, around = self._scheduler.estimator, self._node.geometry.surroundings
        rules = around.clearance_rules()
        body = Body(values.body_width, values.body_height, around.obstacles, rules)

        def look(frame_depth):
            progress.stage("looking")
            scene = FrameScene(estimator, frame_depth, namer, body)
            return answer_frame(question, scene, values.verify_things)

        return await self._run(look, progress, BOX_TOKENS, namer is not None)
