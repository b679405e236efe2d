"""Our models as a model of lmms-eval: whether a tuned one still answers as its base did.

    python -m lmms_eval --model depthlm_ros --model_args pretrained=runs/stage2/checkpoint \
        --tasks mmbench_en_dev,mmstar --batch_size 1

By the entry point ``lmms_eval.models`` of this package, where both are installed. Any model that
writes may be asked (``registry.load``), the image as a camera at the model's unified focal length
sees it: at its own size. lmms-eval is not imported before it asks for ``Answerer``.
"""

from functools import cache

import numpy as np

from depthlm_ros.datasets.optional_packages import require

NAME = "depthlm_ros"
FOCAL_PX = 1000.0
"""Both papers' unified focal length: an image of this fx is shown at its own size."""
DEFAULT_TOKENS = 128


def manifest():
    """Return what lmms-eval registers: the entry point."""
    registry = require("lmms_eval.models.registry_v2", "general ability", "train")
    return registry.ModelManifest(NAME, simple_class_path=f"{__name__}.Answerer")


def __getattr__(name: str):
    """Make the class when it is asked for: its base is lmms-eval's."""
    if name == "Answerer":
        return _answerer()
    raise AttributeError(name)


def reply(model, image, question: str, settings: dict) -> str:
    """Return a model's answer about a PIL image, ended at the first of ``settings["until"]``."""
    from depthlm_ros.geometry.camera import PinholeCamera

    rgb = np.ascontiguousarray(image.convert("RGB"), np.uint8)
    height, width = rgb.shape[:2]
    centre = (width - 1) / 2, (height - 1) / 2
    camera = PinholeCamera(FOCAL_PX, FOCAL_PX, *centre, width, height)
    most = int(settings.get("max_new_tokens", DEFAULT_TOKENS))
    text = model.reply(rgb, camera, question, most)
    until = settings.get("until") or []
    for end in [until] if isinstance(until, str) else until:
        text = text.split(end)[0] if end else text
    return text


@cache
def _answerer():
    base = require("lmms_eval.api.model", "general ability", "train").lmms

    class Answerer(base):
        """Answers questions about one image each, one at a time, greedily."""

        is_simple = True

        def __init__(self, pretrained: str = "embedded", device: str = "auto", **options):
            super().__init__()
            from depthlm_ros.models import registry
            from depthlm_ros.models.base import speaks

            options.pop("batch_size", None)
            self._model = registry.load(pretrained, device or "auto", **options)
            if not speaks(self._model):
                raise ValueError(f"{pretrained}: this model does not write, so it cannot be asked")

        def generate_until(self, requests) -> list:
            """Return an answer for each request."""
            return [self._answer(*request.args) for request in requests]

        def _answer(self, question, settings, visuals_of, index, task, split) -> str:
            visuals = visuals_of(self.task_dict[task][split][index])
            if len(visuals) != 1:
                raise ValueError(f"{task}: {len(visuals)} images a question: must be one")
            return reply(self._model, visuals[0], question, dict(settings))

        def loglikelihood(self, requests):
            """Refuse: tasks of likelihoods are not offered."""
            raise NotImplementedError("depthlm_ros answers in words: take tasks of generate_until")

        def generate_until_multi_round(self, requests):
            """Refuse: one question, one answer."""
            raise NotImplementedError("depthlm_ros answers single questions")

    return Answerer
