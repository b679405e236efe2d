"""The hook for lmms-eval, against a stand-in of its two classes that we use.

The real program (0.7.3) ran on a tiny DepthVLM by hand: docs/evaluation.md.
"""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from depthlm_ros.evaluation import lmms_eval_model
from depthlm_ros.models import registry


class Speaker:
    """Says how large the picture is that it sees, and goes on after a stop."""

    speaks = True

    def __init__(self):
        self.asked = []

    def reply(self, rgb, camera, prompt, max_tokens=128):
        """Note what is asked, and answer."""
        self.asked.append((rgb.shape, camera, prompt, max_tokens))
        return f"{rgb.shape[1]} wide\n\nand more"


@pytest.fixture
def lmms_eval(monkeypatch):
    """Put stand-ins of lmms_eval.api.model and models.registry_v2 where they are imported."""

    class Base:
        def __init__(self):
            self.task_dict = {}

    manifests = SimpleNamespace(ModelManifest=lambda name, **paths: (name, paths))
    for name, content in (
        ("lmms_eval", {}),
        ("lmms_eval.api", {}),
        ("lmms_eval.api.model", {"lmms": Base}),
        ("lmms_eval.models", {}),
        ("lmms_eval.models.registry_v2", vars(manifests)),
    ):
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    lmms_eval_model._answerer.cache_clear()
    yield
    lmms_eval_model._answerer.cache_clear()


def test_it_is_registered_by_a_class_that_is_made_when_asked_for(lmms_eval):
    name, paths = lmms_eval_model.manifest()
    module, _, kind = paths["simple_class_path"].rpartition(".")
    assert name == "depthlm_ros" and kind == "Answerer"
    assert getattr(sys.modules[module], kind).is_simple
    with pytest.raises(AttributeError):
        lmms_eval_model.Other  # noqa: B018


def test_each_question_goes_with_its_picture_at_its_own_size(lmms_eval, monkeypatch):
    speaker = Speaker()
    monkeypatch.setattr(registry, "load", lambda name, device, **options: speaker)
    model = lmms_eval_model.Answerer(pretrained="x", device="cpu", batch_size=1)
    picture = Image.fromarray(np.zeros((30, 50), np.uint8))
    model.task_dict["task"] = {"test": [{"image": picture}]}
    settings = {"until": ["\n\n"], "max_new_tokens": 9}
    request = SimpleNamespace(
        args=("What is it?", settings, lambda doc: [doc["image"]], 0, "task", "test")
    )
    assert model.generate_until([request]) == ["50 wide"]
    ((shape, camera, question, most),) = speaker.asked
    assert (shape, question, most) == ((30, 50, 3), "What is it?", 9)
    assert (camera.fx, camera.width, camera.height) == (1000.0, 50, 30)
    two = SimpleNamespace(args=("?", {}, lambda doc: [picture, picture], 0, "task", "test"))
    with pytest.raises(ValueError, match="2 images a question: must be one"):
        model.generate_until([two])
    with pytest.raises(NotImplementedError, match="take tasks of generate_until"):
        model.loglikelihood([])


def test_a_model_that_does_not_write_is_refused(lmms_eval):
    with pytest.raises(ValueError, match="does not write"):
        lmms_eval_model.Answerer(pretrained="embedded", device="cpu")
