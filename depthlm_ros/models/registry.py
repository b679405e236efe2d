"""From a name to a model.

Knows which models there are, what they weigh, what their licence allows, and which class serves
which checkpoint format. Listing names imports no torch.
"""

import logging
from dataclasses import dataclass, replace
from importlib import import_module

from depthlm_ros.models import external
from depthlm_ros.models.import_logging import quiet_imports
from depthlm_ros.models.options import FAMILIES, validate
from depthlm_ros.models.versions import check_transformers
from depthlm_ros.models.weights import calibration_file
from depthlm_ros.models.weights.hub import EMBEDDED, find
from depthlm_ros.models.weights.hub import fetch as fetch_from_hub
from depthlm_ros.status import Code, StatusError

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class KnownModel:
    """One line of ``depthlm models``.

    ``source``: what ``hub.find`` takes, or "" for one that is announced and not published under a
    name known here. ``parameters`` in millions, weights in gigabytes
    as published (bfloat16). ``reads``: ``dense`` (one map) or ``points`` (text, point by point).
    """

    name: str
    source: str
    reads: str
    parameters_m: float
    weights_gb: float
    licence: str
    remark: str = ""


FAIR_NC = "FAIR Noncommercial Research"
ANNOUNCED = "announced: where you have it, give its folder or hub id"

KNOWN = {
    model.name: model
    for model in (
        KnownModel(
            "embedded",
            "embedded",
            "dense",
            9.3,
            0.019,
            "Apache-2.0",
            "compact DepthVLM for demo, tests and robots without a GPU; see its card",
        ),
        KnownModel(
            "depthvlm-4b",
            "JonnyYu828/DepthVLM-4B",
            "dense",
            4470,
            8.9,
            "Apache-2.0",
            "the sensible default on a robot with a GPU",
        ),
        KnownModel("depthvlm-8b", "", "dense", 8807, 17.6, "unknown", ANNOUNCED),
        KnownModel("depthlm-3b", "", "points", 3755, 7.5, FAIR_NC, ANNOUNCED),
        KnownModel("depthlm-7b", "", "points", 8292, 16.6, FAIR_NC, ANNOUNCED),
        KnownModel(
            "depthlm-12b",
            "facebook/DepthLM",
            "points",
            12400,
            24.8,
            FAIR_NC,
            "gated: accept the licence at https://huggingface.co/facebook/DepthLM, then "
            "`hf auth login`",
        ),
    )
}

# Format (see checkpoint.py) to the class that serves it; imported only when such a model is asked
# for. A class offers from_checkpoint(checkpoint, name, device, dtype, **options).
_SERVED_BY = {
    "compact": "depthlm_ros.models.compact.model:CompactDepthVLM",
    "depthvlm": "depthlm_ros.models.depthvlm.model:DepthVLM",
    "depthlm-qwen2.5-vl": "depthlm_ros.models.depthlm.model:DepthLM",
    "depthlm-pixtral": "depthlm_ros.models.depthlm.model:DepthLM",
}


def load(
    name: str,
    device: str = "auto",
    dtype: str = "auto",
    revision: str | None = None,
    quantize: str = "none",
    calibrated: bool = True,
    **options,
):
    """Load a model that is on this machine; never downloads, never runs a checkpoint's code.

    Args:
        name: A known name (``KNOWN``), a folder, or a fetched hub id; ``transformers:NAME`` and
            ``plugin:NAME`` for models that are not of this package (``models/external.py``).
        device: auto, cpu, cuda, cuda:1.
        dtype: auto (bfloat16 on a GPU, else float32), bfloat16, float16, float32.
        revision: Of a hub model; None: the newest fetched.
        quantize: none, or int8 or fp8 for the linear weights of the language model
            (``models/weights/quantization.py``).
        calibrated: Whether the interval's factor is that of ``calibration.json`` beside the
            weights, or of the option of that name.
        **options: Of the model's family, each in its own type or as text (``options.py``).

    Returns:
        A DenseDepthModel or PointDepthModel (``models/base.py``), ready on its device.

    Raises:
        StatusError: MODEL_NOT_READY (not here, no memory, a bad option), MODEL_ERROR (broken
            files) or UNSUPPORTED (a model that cannot measure), with path and remedy.
    """
    if external.is_external(name):
        return _load_external(name, device, dtype, revision, quantize, options)
    return _load_own(name, device, dtype, revision, quantize, calibrated, options)


def _load_own(name, device, dtype, revision, quantize: str, calibrated: bool, options: dict):
    """Load a checkpoint of a format that this package serves: ``load``."""
    check_transformers()
    with quiet_imports():  # torch: not needed to list names
        from depthlm_ros.models import device as device_module
        from depthlm_ros.models.weights import checkpoint as disk
        from depthlm_ros.models.weights.quantization import make_quantizer

    opened = locate(name, revision)
    options = validate(family_of(opened), options)
    picked = device_module.pick_device(device)
    kind = device_module.pick_dtype(dtype, picked)
    opened = replace(opened, quantizer=make_quantizer(quantize, picked, kind))
    disk.check_memory(opened, picked, kind)
    serving = _served_by(opened.format)
    small = f" and {quantize}" if opened.quantizer else ""
    need = f"{opened.need_bytes(kind) / 1e9:.2f} GB in {kind}{small} on {picked}"
    _log.info("loading %s: %.1f M parameters, %s", name, opened.parameters / 1e6, need)
    path = options.pop("calibration", None)
    interval = _interval(opened, quantize, path) if calibrated else _stated_interval(opened)
    try:
        model = serving.from_checkpoint(opened, name, picked, kind, **options)
    except disk.OUT_OF_MEMORY as error:
        text = f"{name} needs {need}, which ran out: take a smaller one, quantize, or free memory"
        raise StatusError(Code.MODEL_NOT_READY, text) from error
    if interval is not None:
        model.ratio_90, model.interval = interval
    return model


def _served_by(checkpoint_format: str):
    """Import the class that serves checkpoints of a format."""
    module, _, attribute = _SERVED_BY[checkpoint_format].partition(":")
    with quiet_imports():
        return getattr(import_module(module), attribute)


def _load_external(name, device, dtype, revision, quantize: str, options: dict):
    if quantize != "none":
        raise StatusError(
            Code.UNSUPPORTED, f"{name}: quantize = {quantize!r} is not offered for it"
        )
    return external.load(name, device, dtype, revision, **options)


def _interval(opened, quantize: str, path: str | None):
    """Return (ratio_90, Interval) that a calibration measured, else the stated one."""
    factor = calibration_file.find(opened.folder, opened.files.values(), quantize, path)
    return _stated_interval(opened) if factor is None else (factor.ratio_90, factor.interval)


def _stated_interval(opened):
    """Return (ratio_90, Interval) as the checkpoint's config states them; None: it does not."""
    if opened.config.keys() & {"ratio_90", "measured"}:
        return calibration_file.stated_interval(opened.config)
    return None


def family_of(opened) -> str:
    """Return the family (``options.py``) that a ``Checkpoint`` is served as.

    Raises StatusError(UNSUPPORTED) for a model that cannot measure.
    """
    if opened.format not in _SERVED_BY:
        raise StatusError(
            Code.UNSUPPORTED,
            f"{opened.folder} is a plain {opened.format} without "
            "depth head or depth training: it cannot measure; give a DepthVLM or "
            "DepthLM",
        )
    return FAMILIES[opened.format]


def source_of(name: str) -> str:
    """Return what ``hub.find`` takes for a known name; anything else stays as it is.

    Raises StatusError(MODEL_NOT_READY) for a model that is announced only.
    """
    if external.is_external(name):
        return external.source_of(name)
    if name in KNOWN and not KNOWN[name].source:
        raise StatusError(
            Code.MODEL_NOT_READY,
            f"model {name!r} is announced, and no place to fetch "
            "it from is known here: where you have it, give its folder or its hub id "
            "'owner/name'; `depthlm models` lists what is published",
        )
    return KNOWN[name].source if name in KNOWN else name


def locate(name: str, revision: str | None = None):
    """Open a model's checkpoint without loading it: format, size, folder (``Checkpoint``)."""
    check_transformers()
    with quiet_imports():
        from depthlm_ros.models.weights import checkpoint as disk

    return disk.Checkpoint.open(find(source_of(name), revision))


def fetch(name: str, revision: str | None = None):
    """Download a known name or a hub id; returns the folder. See ``hub.fetch``."""
    source = source_of(name)
    return EMBEDDED if source == "embedded" else fetch_from_hub(source, revision)
