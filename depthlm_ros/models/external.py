"""Models that are not of this package, by name: ``transformers:``, ``plugin:``, ``openai:``.

``transformers:FOLDER`` or ``transformers:ORG/NAME`` (fetched): any metric depth-estimation model,
or any image-text model, of the installed transformers. ``plugin:NAME``: an entry point of the
group ``depthlm_ros.models`` in an installed package, for a model whose code lives elsewhere: a
function ``(device: str, dtype: str, **options)`` that returns a DenseDepthModel or a
PointDepthModel (``models/base.py``). ``openai:MODEL@URL``: a model behind an OpenAI-compatible
server, asked by marker.
"""

import json
from importlib.metadata import entry_points
from pathlib import Path

from depthlm_ros.models.base import DenseDepthModel, PointDepthModel
from depthlm_ros.models.import_logging import quiet_imports
from depthlm_ros.models.weights.hub import find
from depthlm_ros.status import Code, StatusError

TRANSFORMERS, PLUGIN, OPENAI = "transformers:", "plugin:", "openai:"
GROUP = "depthlm_ros.models"
SERVER_OPTIONS = {"longest_edge": int, "timeout_s": float, "retries": int}
VLM_OPTIONS = ("asks_for", "longest_edge", "max_tokens")


def is_external(name: str) -> bool:
    """Return whether a model's name is one of these."""
    return name.startswith((TRANSFORMERS, PLUGIN, OPENAI))


def source_of(name: str) -> str:
    """Return the folder or hub id of a ``transformers:`` model, for fetching.

    Raises StatusError(UNSUPPORTED) for a plugin, which brings its own weights.
    """
    if name.startswith(PLUGIN):
        raise StatusError(
            Code.UNSUPPORTED, f"{name}: a plugin fetches its own weights; see its package"
        )
    if name.startswith(OPENAI):
        raise StatusError(Code.UNSUPPORTED, f"{name}: a server has its own weights: start it")
    return name.removeprefix(TRANSFORMERS)


def load(name: str, device: str = "auto", dtype: str = "auto", revision=None, **options):
    """Load such a model; raises StatusError with path and remedy."""
    if name.startswith(PLUGIN):
        return _plugin(name.removeprefix(PLUGIN), device, dtype, options)
    if name.startswith(OPENAI):
        from depthlm_ros.models.adapters.openai_server import from_name

        _refuse_options(name, options, SERVER_OPTIONS)
        return from_name(name, **{key: SERVER_OPTIONS[key](v) for key, v in options.items()})
    return _transformers(name, find(source_of(name), revision), device, dtype, options)


def _transformers(name: str, folder: Path, device: str, dtype: str, options: dict):
    with quiet_imports():
        from transformers.models.auto.modeling_auto import (
            MODEL_FOR_DEPTH_ESTIMATION_MAPPING_NAMES as DEPTH,
        )
        from transformers.models.auto.modeling_auto import (
            MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as TEXT,
        )

        from depthlm_ros.models.adapters.transformers_depth import TransformersDepth
        from depthlm_ros.models.adapters.transformers_vlm import TransformersVLM
        from depthlm_ros.models.device import pick_device, pick_dtype
    picked = pick_device(device)
    kind, number_type = _model_type(folder), pick_dtype(dtype, picked)
    if kind in DEPTH:
        _refuse_options(name, options, ())
        return TransformersDepth.from_folder(folder, name, picked, number_type)
    if kind in TEXT:
        _refuse_options(name, options, VLM_OPTIONS)
        numbers = {
            key: int(value) if key != "asks_for" else value for key, value in options.items()
        }
        return TransformersVLM.from_folder(folder, name, picked, number_type, **numbers)
    raise StatusError(
        Code.UNSUPPORTED,
        f"{folder} is a {kind}: must be a depth-estimation or an image-text model of transformers",
    )


def _model_type(folder: Path) -> str:
    file = Path(folder) / "config.json"
    try:
        return json.loads(file.read_text(encoding="utf-8"))["model_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StatusError(
            Code.MODEL_ERROR, f"{file} names no model_type ({error}): fetch the model again"
        ) from error


def _refuse_options(name: str, options: dict, known: tuple) -> None:
    if extra := sorted(set(options) - set(known)):
        has = f"has {', '.join(known)}" if known else "has no options"
        raise StatusError(Code.MODEL_NOT_READY, f"model option {extra[0]}: {name} {has}")


def _plugin(name: str, device: str, dtype: str, options: dict):
    found = {point.name: point for point in entry_points(group=GROUP)}
    if name not in found:
        known = ", ".join(sorted(found)) or "none is installed"
        raise StatusError(
            Code.MODEL_NOT_READY,
            f"model {PLUGIN}{name}: no installed package offers it in the entry points {GROUP} "
            f"({known})",
        )
    model = found[name].load()(device=device, dtype=dtype, **options)
    if not isinstance(model, DenseDepthModel | PointDepthModel):
        raise StatusError(
            Code.MODEL_ERROR,
            f"model {PLUGIN}{name} is a {type(model).__name__}: must be a DenseDepthModel or a "
            "PointDepthModel (depthlm_ros/models/base.py)",
        )
    return model
