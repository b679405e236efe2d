"""Loading the model and looking at a picture, as the node does it."""

import logging
import sys
from types import SimpleNamespace

from depthlm_ros.cli.console import note
from depthlm_ros.status import Code, StatusError


def load_model(options, calibrated: bool = True):
    """Load the model that the options name, telling its need, and with --verbose its accuracy.

    ``calibrated``: whether a calibration beside the weights is taken. Raises StatusError with the
    remedy.
    """
    from depthlm_ros.models.arguments import load_from_arguments

    show_log()
    model = load_from_arguments(options, calibrated)
    if options.verbose:
        note(accuracy_of(model, options.model))
    return model


def show_log() -> None:
    """Let the package's log through to standard error."""
    log = logging.getLogger("depthlm_ros")
    if not log.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("depthlm: %(message)s"))
        log.addHandler(handler)
    log.setLevel(logging.INFO)


def accuracy_of(model, name: str) -> str:
    """Say what a model's own card says about its accuracy on held-out data."""
    settings = getattr(getattr(model, "module", None), "settings", None)
    measured = getattr(settings, "measured", None) or {}
    if not measured:
        return f"{name} states no measured accuracy"
    return f"{name}, measured on held-out data: {_flat(measured)}"


def _flat(measured: dict) -> str:
    parts = []
    for key, value in measured.items():
        if isinstance(value, dict):
            parts.append(f"{key} ({_flat(value)})")
        else:
            parts.append(f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}")
    return ", ".join(parts)


def make_estimator(model, options):
    """Return the model with the range of the options: ``FrameEstimator``."""
    from depthlm_ros.estimator import FrameEstimator

    return FrameEstimator(model, options.min_range, options.max_range)


def estimate_frame(estimator, frame, rectifier):
    """Return the FrameDepth of a frame; a failure becomes StatusError(MODEL_ERROR)."""
    return call_with_retry(estimator.model, lambda: estimator.estimate(frame, rectifier))


def call_with_retry(model, call):
    """Call a model as the node does: once more, smaller, when memory ran out; failures are told.

    Raises StatusError.
    """
    from depthlm_ros.models.oom_retry import call_model

    try:
        return call_model(model, call, SimpleNamespace(retries=0))
    except StatusError:
        raise
    except Exception as error:  # a model can fail in every way; what it says is shown
        text = f"the model failed ({type(error).__name__}: {error})"
        raise StatusError(Code.MODEL_ERROR, " ".join(text.split())[:400]) from error


def camera_record(camera, rectifier) -> dict:
    """Return a camera for JSON; ``rectified``: lens distortion was removed here."""
    names = ("fx", "fy", "cx", "cy", "width", "height")
    return {
        **{name: getattr(camera, name) for name in names},
        "rectified": not rectifier.is_identity,
    }
