"""DepthLM as the estimator uses it: a source image and pixels in, distances out.

A marker (or text) points at each pixel; the model names its distance. Only the number is decoded
(``models/depthlm/number_distribution.py``): the trained reply's beginning is forced, and checked.
Where a forced token was not the model's own best one, or where a character of the number was not,
the model is not following its template, and that query is decoded in full and parsed strictly
instead. The rest of the reply is checked in one pass too, so that every reading is the one that
full greedy decoding would give.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.canonical_view import CanonicalView
from depthlm_ros.geometry.depth_map import distance_from_depth
from depthlm_ros.models.base import DistanceReading, noop
from depthlm_ros.models.depthlm import preprocess as pre
from depthlm_ros.models.depthlm.answering import Answering
from depthlm_ros.models.depthlm.batching import batch_size, equal_lengths
from depthlm_ros.models.depthlm.loading import load_network
from depthlm_ros.models.depthlm.network import DepthLMNetwork, check_question
from depthlm_ros.models.depthlm.readings import DIGITS, no_number, scaled, with_factor
from depthlm_ros.models.depthlm.six_tasks import ask_task
from depthlm_ros.models.depthlm.training_check import check_training
from depthlm_ros.models.runtime.checks import check_source_image, out_of_memory
from depthlm_ros.models.runtime.host_device import to_host
from depthlm_ros.models.runtime.image_patches import resize
from depthlm_ros.models.weights.checkpoint import Checkpoint
from depthlm_ros.prompting.marker import ON_MARGIN, Marker
from depthlm_ros.prompting.prompts import Prompt, Style, prompt
from depthlm_ros.status import Code, StatusError
from depthlm_ros.tasks import Task

_ESTIMATES = ("greedy", "mean")
_DECODINGS = ("number", "full")
_CHECKS = ("reply", "lead")
ANSWERS = ("distance", "depth")
_MAX_BATCH = 64


class DepthLM:
    """A loaded DepthLM; a PointDepthModel and a LanguageModel (``models/base.py``).

    ``answers``: what its metres are, "distance" or "depth" (z). ``style``: how the question is
    asked (``prompts.Style``). ``marker``: what is drawn.
    ``on_margin``: what happens to a pixel whose marker does not fit (``marker.place``).
    ``decoding``: "number", or "full" for the whole reply always. ``estimate``: "greedy" (the
    published reading) or "mean" of the digits' distribution. ``check``: "reply" for the whole
    template, "lead" for what comes up to the number and the number itself (one pass less).
    ``trust_template``: checks are made and ignored, for measuring speed on random weights only.
    ``longest_edge``, ``max_pixels``: caps on the picture, accounted for in the distance.
    ``memory_bytes``: what a batch of queries may take beside the weights; None: half of what the
    GPU has free, or 1 GiB on the CPU. ``max_tokens``: of a reply decoded in full. Used by one
    thread at a time.

    ``stage_callback``: told "preprocess", "vision", "language", "decode" as each is done.
    """

    grounding = None
    """Trained to say distances alone: it cannot tell where a named thing is."""

    def __init__(
        self,
        network: DepthLMNetwork,
        path: pre.DepthLMPreprocessConfig,
        name: str = "depthlm",
        style: str = Style.PUBLISHED,
        marker: Marker | None = None,
        on_margin: str = "flip",
        decoding: str = "number",
        estimate: str = "greedy",
        check: str = "reply",
        trust_template: bool = False,
        memory_bytes: int | None = None,
        max_pixels: int | None = None,
        max_tokens: int = 128,
        answers: str = "distance",
    ):
        _check("answers", answers, ANSWERS)
        _check("on_margin", on_margin, ON_MARGIN)
        _check("decoding", decoding, _DECODINGS)
        _check("estimate", estimate, _ESTIMATES)
        _check("check", check, _CHECKS)
        _check("style", style, [s.value for s in Style])
        self.name, self.speaks = name, True
        self.ratio_90, self.interval = float("nan"), DIGITS
        self.remarks: tuple = ()
        self._cached_features = None
        self.network = network
        self.path = replace(path, image=path.image.limited(max_pixels))
        self.marker = marker or Marker()
        self._style, self._on_margin = Style(style), on_margin
        self.answering = Answering(
            by_number=decoding == "number" and self._style is not Style.RAY,
            estimate=estimate,
            whole_reply=check == "reply",
            trust_template=trust_template,
            max_tokens=max_tokens,
        )
        self._memory_bytes = memory_bytes
        self._max_batch = _MAX_BATCH
        self._answers_depth = answers == "depth"
        self.stage_callback = noop

    @classmethod
    def from_checkpoint(
        cls,
        checkpoint: Checkpoint,
        name: str,
        device: torch.device,
        dtype: torch.dtype,
        longest_edge: int | None = None,
        chat_template: str = "check",
        **options,
    ) -> "DepthLM":
        """Build the stock model without memory, then load the weights straight onto ``device``.

        Raises StatusError(MODEL_ERROR) when config and tensors do not fit together.
        """
        network, path = load_network(checkpoint, device, dtype, longest_edge, chat_template)
        model = cls(network, path, name, **options)
        if not options.get("trust_template"):
            model.remarks, model.speaks = check_training(model)
        return model

    @property
    def style(self) -> Style:
        """How questions are asked."""
        return self._style

    def view_of(self, camera: PinholeCamera) -> CanonicalView:
        """Return the picture, at the unified focal length, that markers are drawn into."""
        return pre.focal_view(camera, self.path)

    def shrink(self) -> bool:
        """Work smaller from now on: a quarter of the batch a time, then half the picture.

        False when it is as small as it gets.
        """
        self._cached_features = None
        if self._max_batch > 1:
            self._max_batch = max(1, self._max_batch // 4)
            return True
        smaller = self.path.image.max_pixels // 2
        if smaller < 64 * self.path.image.multiple**2:
            return False
        self.path = replace(self.path, image=self.path.image.limited(smaller))
        return True

    @torch.inference_mode()
    def distances(
        self, rgb: np.ndarray, camera: PinholeCamera, pixels: Sequence
    ) -> list[DistanceReading]:
        """Read the Euclidean distance at source pixels (N, 2); contract: ``PointDepthModel``.

        A pixel that cannot be asked about gets a reading with the reason and its code
        (OUT_OF_IMAGE, IN_MARKER_MARGIN). Raises StatusError(BAD_IMAGE) for an image that is not
        the camera's, StatusError(MODEL_ERROR) when the device's memory does not suffice for one
        query.
        """
        view = self.view_of(camera)
        picture = self._picture(rgb, view)
        readings, groups, text_prompted = {}, {}, {}
        pixels = np.asarray(pixels, dtype=np.float64).reshape(-1, 2)
        stretch = self._stretch(camera, pixels)
        for index, pixel in enumerate(pixels):
            try:
                if self._style is Style.TEXT_COORDINATES:  # the words point: there is no marker
                    text_prompted[index] = self._text_prompt(view, pixel)
                    continue
                placed = pre.place_in_view(self.marker, pixel, view, self.path, self._on_margin)
            except StatusError as refusal:
                readings[index] = no_number("", refusal.text, refusal.code)
                continue
            key = (self._prompt(view, placed), placed.padding)
            groups.setdefault(key, []).append((index, placed))
        answers = {}
        for (question, _), members in groups.items():
            indices, placements = zip(*members, strict=True)
            read = self._read_all(picture, question, placements)
            answers |= zip(indices, read, strict=True)
        if text_prompted:
            texts = self._read_text_prompted(picture, list(text_prompted.values()))
            answers |= zip(text_prompted, texts, strict=True)
        readings |= {
            i: with_factor(scaled(answer, view.depth_scale * stretch[i]), self.ratio_90)
            for i, answer in answers.items()
        }
        return [readings[index] for index in range(len(readings))]

    def _stretch(self, camera: PinholeCamera, pixels: np.ndarray) -> np.ndarray:
        """Return what makes distances (N,) of the model's metres: 1, or distance over depth."""
        if not self._answers_depth:
            return np.ones(len(pixels))
        return distance_from_depth(1.0, camera.normalise(pixels))

    @torch.inference_mode()
    def ask(self, question: Prompt, pictures: Sequence) -> DistanceReading:
        """Ask any task's prompt about pictures, uint8 (H, W, 3), marked already.

        The value is in ``question.unit`` (the reading's names say metres for the usual tasks), of
        pictures at the unified focal length: see ``resampled`` and ``marker.draw_all``.
        """
        grids, features = self._features([pre.upload(p, self.network.device) for p in pictures])
        return self._answer(question, grids, features)[0]

    @torch.inference_mode()
    def reply(
        self, rgb: np.ndarray, camera: PinholeCamera, prompt: str, max_tokens: int = 128
    ) -> str:
        """Answer ``prompt`` about a source image; contract: ``LanguageModel.reply``."""
        check_question(prompt)
        grids, features = self._features_once(self._picture(rgb, self.view_of(camera)))
        layout = self.network.layout(self.network.escape_special_tokens(prompt), grids)
        conversation = self.network.read(layout.ids[None], layout, features, None)
        return self.network.write(conversation, [0], max_tokens)[0]

    @property
    def asks_tasks(self) -> bool:
        """Whether it is asked the six tasks in the words that it was trained for them."""
        return self._style is Style.MULTITASK

    def task_reading(
        self,
        task: str,
        images: Sequence[np.ndarray],
        camera: PinholeCamera,
        pixels: Sequence = (),
        given: float | None = None,
    ) -> DistanceReading:
        """Ask one of the six tasks: ``six_tasks.ask_task``; contract: ``TaskModel``."""
        return ask_task(self, Task(task), images, camera, pixels, given)

    def resampled(self, rgb: np.ndarray, camera: PinholeCamera) -> np.ndarray:
        """Return a source image at the unified focal length: uint8 (view height, width, 3)."""
        return to_host(self._picture(rgb, self.view_of(camera))[0])[0]

    def _picture(self, rgb: np.ndarray, view: CanonicalView) -> torch.Tensor:
        """Upload and resample: uint8 (1, view.height, view.width, 3) on the device."""
        check_source_image(rgb, view)
        return resize(pre.upload(rgb, self.network.device), view.width, view.height)

    def _prompt(self, view: CanonicalView, placed) -> Prompt:
        """Return the question about one placed pixel; equal ones go in one batch."""
        if self._style is Style.INTRINSICS:
            left, top, right, bottom = placed.padding
            size = view.width + left + right, view.height + top + bottom
            return prompt(style=self._style, camera=view.camera.cropped(-left, -top, *size))
        return prompt(Task.DISTANCE, self._style)

    def _text_prompt(self, view: CanonicalView, pixel) -> Prompt:
        """Return the question that names a source pixel by its place in the view."""
        target = pre.target_in_view(pixel, view, self.path)
        return prompt(style=self._style, size=(view.width, view.height), pixel=target)

    def _features(self, pictures: list) -> tuple:
        """Return (grids, features (B, tokens, width)) of the pictures of B conversations.

        ``pictures``: uint8 (B, H, W, 3) each, one or more a conversation.
        """
        grids = tuple(self.path.grid(p.shape[2], p.shape[1]) for p in pictures)
        cut = [pre.patches_of(p, self.path, self.network.dtype)[0] for p in pictures]
        self.stage_callback("preprocess")
        features = [self.network.features(*one) for one in zip(cut, grids, strict=True)]
        self.stage_callback("vision")
        return grids, torch.cat(features, dim=1) if len(features) > 1 else features[0]

    def _features_once(self, picture: torch.Tensor) -> tuple:
        """Look at one unmarked picture, unless it is the very one that was looked at last."""
        last = self._cached_features
        if last is None or last[0].shape != picture.shape or not torch.equal(last[0], picture):
            last = self._cached_features = (picture.clone(), *self._features([picture]))
        return last[1:]

    def _read_all(self, picture, question: Prompt, placements: Sequence) -> list:
        """Read queries of one picture that differ in their marker only, batch by batch.

        A batch that does not fit the memory is halved; one query that does not is refused.
        """
        left, top, right, bottom = placements[0].padding
        width, height = picture.shape[2] + left + right, picture.shape[1] + top + bottom
        batch = 1 if len(placements) == 1 else self._batch(question, width, height)
        readings = []
        while len(readings) < len(placements):
            some = placements[len(readings) : len(readings) + batch]
            try:
                marked = pre.mark(picture, self.marker, some)
                grids, features = self._features([marked])
                readings += self._answer(question, grids, features)
            except torch.OutOfMemoryError as error:
                if batch == 1:
                    what = f"one query of {width} x {height} px"
                    raise out_of_memory(self.name, what, self.path.image.max_pixels) from error
                batch = self._max_batch = max(1, len(some) // 2)
        return readings

    def _read_text_prompted(self, picture, questions: list) -> list:
        """Read questions whose words point: one look, and equal lengths go together."""
        grids, features = self._features_once(picture)
        layouts = [self.network.layout(question.question, grids) for question in questions]
        readings = [None] * len(questions)
        batch = self._batch(questions[0], picture.shape[2], picture.shape[1])
        for some in equal_lengths(layouts, batch):
            ids = torch.stack([layouts[index].ids for index in some])
            together = features.expand(len(some), -1, -1)
            answers = self._answer(questions[some[0]], grids, together, ids)
            for index, answer in zip(some, answers, strict=True):
                readings[index] = answer
        return readings

    def _batch(self, question: Prompt, width: int, height: int) -> int:
        """Return how many queries of a picture of this size go together."""
        grid = self.path.grid(width, height)
        length = len(self.network.layout(question.question, (grid,)).ids)
        need = self.network.bytes_per_query(grid[0] * grid[1], length)
        return batch_size(self._memory_bytes, need, self._max_batch, self.network.device)

    def _answer(self, question: Prompt, grids: tuple, features: torch.Tensor, ids=None) -> list:
        """Read and answer B conversations: ``Answering.answer``."""
        return self.answering.answer(self, question, grids, features, ids)


def _check(option: str, value, known: Sequence) -> None:
    if value not in known:
        text = f"{option} = {value!r}: must be one of {', '.join(known)}"
        raise StatusError(Code.MODEL_NOT_READY, text)
