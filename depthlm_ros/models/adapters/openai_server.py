"""A vision-language model behind an OpenAI-compatible server (vLLM, llama.cpp, hosted ones).

It finds things and writes (``LanguageModel``), and reads distances point by point with the 20 px
marker that models without marker training need (``PointDepthModel``). Images go as JPEG, no
larger than they need be. The key comes from the environment and is never written anywhere.
"""

import base64
import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

import cv2
import numpy as np

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.models.base import QWEN3_VL_BOXES, QWEN25_VL_BOXES, DistanceReading
from depthlm_ros.prompting.marker import Marker, draw, place
from depthlm_ros.prompting.parsing import parse_answer
from depthlm_ros.prompting.prompts import prompt
from depthlm_ros.status import Code, StatusError

KEYS = ("DEPTHLM_OPENAI_API_KEY", "OPENAI_API_KEY")
"""Environment variables that may hold the key, the first that is set."""
NO_KEY = "none"
"""What is sent to servers of one's own, which ask for none."""
FORMS = {"qwen3": QWEN3_VL_BOXES, "qwen2.5": QWEN25_VL_BOXES, "none": None}
"""How a server's model names boxes: in 0..1000, in pixels of the image sent, not at all."""
MULTIPLE_PX = 28
"""Qwen2.5-VL resizes to whole patches of 28 px: an image that fits is not resized again."""
KEPT = 200
NAN = float("nan")


class OpenAIServer:
    """A model of a server, by the ``openai`` client; used by any number of threads.

    ``boxes``: a key of FORMS. ``timeout_s``: of one attempt; ``retries``: attempts more, with
    growing pauses, where the server is busy, fails or cannot be reached. ``longest_edge``: of
    what is sent [px]. ``concurrency``: requests at a time of ``distances``.
    """

    speaks = True

    def __init__(
        self,
        model: str,
        base_url: str,
        boxes: str = "qwen3",
        timeout_s: float = 30.0,
        retries: int = 2,
        longest_edge: int = 1280,
        concurrency: int = 4,
        jpeg_quality: int = 90,
    ):
        if boxes not in FORMS:
            raise StatusError(
                Code.MODEL_NOT_READY,
                f"boxes = {boxes!r}: must be one of {', '.join(FORMS)}",
            )
        if not base_url.startswith(("http://", "https://")):
            raise StatusError(
                Code.MODEL_NOT_READY,
                f"server {base_url!r}: must be a URL such as http://localhost:8000/v1",
            )
        self.name = f"openai:{model}"
        self.grounding = FORMS[boxes]
        self._model, self._longest, self._quality = model, int(longest_edge), int(jpeg_quality)
        self._key = next((os.environ[name] for name in KEYS if os.environ.get(name)), NO_KEY)
        self._client = _client(base_url, self._key, float(timeout_s), int(retries))
        self._whole = MULTIPLE_PX if boxes == "qwen2.5" else 1
        self._concurrency = int(concurrency)
        self._marker, self._question = Marker.for_untrained(), prompt()
        self._lock, self._seconds = threading.Lock(), deque(maxlen=KEPT)
        self._holds_to_schema = True
        self.calls = self.failures = 0
        self.last_error = ""

    def statistics(self) -> dict:
        """Return what the server did so far: calls, failures, median and 95th latency [s]."""
        with self._lock:
            seconds = np.array(self._seconds or [NAN])
            return {
                "calls": self.calls,
                "failures": self.failures,
                "p50_s": float(np.percentile(seconds, 50)),
                "p95_s": float(np.percentile(seconds, 95)),
                "last_error": self.last_error,
            }

    def shown_size(self, camera: PinholeCamera) -> tuple[int, int]:
        """Return the (width, height) in which a camera's image is sent."""
        scale = min(1.0, self._longest / max(camera.width, camera.height))
        return tuple(
            max(self._whole, round(side * scale / self._whole) * self._whole)
            for side in (camera.width, camera.height)
        )

    def reply(
        self, rgb: np.ndarray, camera: PinholeCamera, prompt: str, max_tokens: int = 128
    ) -> str:
        """Answer ``prompt`` about an image, uint8 (H, W, 3); contract: ``LanguageModel``.

        Raises StatusError: BUSY, DEADLINE, MODEL_NOT_READY (key, model or address refused) or
        MODEL_ERROR, after the retries.
        """
        return self._ask(self._resized(rgb, camera), prompt, max_tokens)

    def write_json(self, prompt: str, schema: dict, max_tokens: int = 128) -> str:
        """Answer a prompt without an image by JSON of a schema, where the server can hold to one.

        One that refuses ``response_format`` is asked without it: whoever asks checks the reply.
        Raises what ``reply`` raises.
        """
        messages = [{"role": "user", "content": prompt}]
        form = {"type": "json_schema", "json_schema": {"name": "reply", "schema": schema}}
        if self._holds_to_schema:
            try:
                return self._complete(messages, max_tokens, response_format=form)
            except StatusError as refusal:
                if refusal.code is not Code.UNSUPPORTED:
                    raise
                self._holds_to_schema = False
        return self._complete(messages, max_tokens)

    def distances(
        self, rgb: np.ndarray, camera: PinholeCamera, pixels: Sequence
    ) -> list[DistanceReading]:
        """Read the distance at pixels (N, 2), a marked image each; contract: PointDepthModel."""
        picture = self._resized(rgb, camera)
        height, width = picture.shape[:2]
        scale = np.array([width / camera.width, height / camera.height])
        pixels = np.asarray(pixels, dtype=np.float64).reshape(-1, 2)
        targets = np.clip((pixels * scale).astype(int), 0, (width - 1, height - 1))
        with ThreadPoolExecutor(max(1, min(self._concurrency, len(targets)))) as pool:
            return list(pool.map(lambda target: self._distance(picture, target), targets))

    def _distance(self, picture: np.ndarray, target: np.ndarray) -> DistanceReading:
        height, width = picture.shape[:2]
        try:
            placement = place(self._marker, tuple(map(int, target)), width, height)
            text = self._ask(draw(picture, self._marker, placement), self._question.question, 256)
        except StatusError as refusal:
            return DistanceReading(NAN, NAN, NAN, "", refusal.text, refusal.code)
        answer = parse_answer(text)
        return DistanceReading(answer.value, NAN, NAN, answer.text, answer.reason)

    def _resized(self, rgb: np.ndarray, camera: PinholeCamera) -> np.ndarray:
        size = self.shown_size(camera)
        if (rgb.shape[1], rgb.shape[0]) == size:
            return rgb
        return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)

    def _ask(self, rgb: np.ndarray, question: str, max_tokens: int) -> str:
        """Send one image with a question; return what the model wrote."""
        messages = [
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": self._encoded(rgb)}},
                    {"type": "text", "text": question},
                ],
            }
        ]
        return self._complete(messages, max_tokens)

    def _complete(self, messages: list, max_tokens: int, **options) -> str:
        """Return what the model writes; counts the call, and how long it took."""
        begin = time.monotonic()
        try:
            completion = self._client.chat.completions.create(
                model=self._model,
                messages=messages,
                max_tokens=max_tokens,
                temperature=0.0,
                **options,
            )
            text = completion.choices[0].message.content
        except Exception as error:  # the client tells a server's faults in many ways
            raise self._failed(error) from None  # its context may quote the request
        finally:
            with self._lock:
                self.calls += 1
                self._seconds.append(time.monotonic() - begin)
        if not isinstance(text, str):
            raise self._failed(ValueError("the reply holds no text"))
        return text

    def _encoded(self, rgb: np.ndarray) -> str:
        done, data = cv2.imencode(
            ".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, self._quality]
        )
        if not done:
            raise StatusError(Code.BAD_IMAGE, f"a picture of {rgb.shape} cannot be made a JPEG")
        return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")

    def _failed(self, error: Exception) -> StatusError:
        """Return a failure as a status, without the key, and count it."""
        if isinstance(error, StatusError):
            return error
        openai = import_module("openai")
        kinds = (
            (openai.APITimeoutError, Code.DEADLINE, "did not answer in time"),
            (openai.RateLimitError, Code.BUSY, "is busy: ask again later"),
            (openai.AuthenticationError, Code.MODEL_NOT_READY, f"refuses the key: set {KEYS[0]}"),
            (openai.PermissionDeniedError, Code.MODEL_NOT_READY, "refuses the key's rights"),
            (openai.NotFoundError, Code.MODEL_NOT_READY, "has no such model or address"),
            (openai.BadRequestError, Code.UNSUPPORTED, "refuses the request"),
            (openai.APIConnectionError, Code.MODEL_NOT_READY, "cannot be reached"),
        )
        code, problem = next(
            ((code, problem) for kind, code, problem in kinds if isinstance(error, kind)),
            (Code.MODEL_ERROR, "failed"),
        )
        detail = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        if self._key != NO_KEY:
            detail = detail.replace(self._key, "***")
        with self._lock:
            self.failures += 1
            self.last_error = detail
        return StatusError(code, f"the server of {self._model} {problem} ({detail})")


def _client(base_url: str, key: str, timeout_s: float, retries: int):
    """Return the ``openai`` client; StatusError with the remedy where it is not installed."""
    try:
        openai = import_module("openai")
    except ImportError as error:
        raise StatusError(
            Code.MODEL_NOT_READY,
            "models of a server need the package openai: pip install 'depthlm_ros[openai]'",
        ) from error
    return openai.OpenAI(base_url=base_url, api_key=key, timeout=timeout_s, max_retries=retries)


def from_name(name: str, **options) -> OpenAIServer:
    """Return the model of ``openai:MODEL@URL``, e.g. ``openai:Qwen3-VL-8B@http://gpu:8000/v1``."""
    model, at, url = name.removeprefix("openai:").partition("@")
    if not (model and at and url):
        raise StatusError(
            Code.MODEL_NOT_READY,
            f"{name!r}: write openai:MODEL@URL, as in openai:Qwen3-VL-8B@http://localhost:8000/v1",
        )
    return OpenAIServer(model, url, **options)
