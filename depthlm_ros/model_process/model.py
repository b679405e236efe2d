"""A model of ``models/base.py`` whose work is done by a process of its own.

Has the attributes and methods of the model in the process, and so its contracts; nothing here
imports torch.
"""

import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.canonical_view import CanonicalView
from depthlm_ros.model_process.messages import ProcessStatus
from depthlm_ros.model_process.process import ModelProcess

_VIEWS_KEPT = 16
_GPU_FILES = ("nvidia0", "nvidiactl", "nvhost-gpu", "nvgpu", "kfd", "dxg")


class RemoteModel:
    """What is common to all; ``load_in_process`` adds the methods that the model has."""

    def __init__(self, process: ModelProcess) -> None:
        self._process = process
        self._views: dict = {}
        self._views_of = 0
        for name, value in process.loaded.attributes.items():
            setattr(self, name, value)
        if process.loaded.listens:
            self.on_token = None
        weakref.finalize(self, process.close)

    @property
    def process_status(self) -> ProcessStatus:
        """What diagnostics tell of the process."""
        return self._process.status

    def why_unavailable(self) -> str:
        """Return why it cannot be asked now; "" when it can."""
        return self._process.why_unavailable()

    def close(self) -> None:
        """End the process."""
        self._process.close()


def _view_of(self: RemoteModel, camera: PinholeCamera) -> CanonicalView:
    """Return the view that the model wants; asked once a camera."""
    if self._views_of != self.process_status.replaced or len(self._views) >= _VIEWS_KEPT:
        self._views.clear()  # a new process knows nothing of a smaller size
        self._views_of = self.process_status.replaced
    if camera not in self._views:
        self._views[camera] = self._process.call("view_of", camera)
    return self._views[camera]


def _shrink(self: RemoteModel) -> bool:
    """Work on smaller pictures from now on; False: it is as small as it gets."""
    self._views.clear()
    return self._process.call("shrink")


def _reply(
    self: RemoteModel, rgb: np.ndarray, camera: PinholeCamera, prompt: str, max_tokens: int = 128
) -> str:
    """Answer in words; the attribute ``on_token`` is called after each token."""
    listener = getattr(self, "on_token", None)
    return self._process.call("reply", rgb, camera, prompt, max_tokens, listener=listener)


def _method(name: str) -> Callable:
    def call(self: RemoteModel, *arguments: Any) -> Any:
        return self._process.call(name, *arguments)

    call.__name__, call.__doc__ = name, f"Call ``{name}`` of the model in the process."
    return call


_OWN = {"view_of": _view_of, "shrink": _shrink, "reply": _reply}


def load_in_process(load: Callable, arguments: tuple, **options: Any) -> RemoteModel:
    """Load a model in a new process: ``load(*arguments)`` there; returns it as a model here.

    ``options``: of ``ModelProcess``. Raises what ``load`` raises, and StatusError when the process
    ends over it.
    """
    process = ModelProcess(load, arguments, **options)
    methods = {name: _OWN.get(name) or _method(name) for name in process.loaded.methods}
    return type("RemoteModel", (RemoteModel,), methods)(process)


def wants_process(choice: str, device: str, devices: Path = Path("/dev")) -> bool:
    """Tell whether a model shall have a process of its own.

    ``choice``: true, false, or auto: where it runs on a GPU, whose errors and memory can end a
    process. ``device``: as in ``registry.load``. Found out without torch, by the files below
    ``devices`` that a GPU's driver makes.
    """
    if choice != "auto":
        return choice == "true"
    if device == "auto":
        return any((devices / name).exists() for name in _GPU_FILES)
    return not device.startswith("cpu")
