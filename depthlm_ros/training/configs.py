"""A training recipe: one YAML file, its overrides, and what follows from it.

The papers' own hyper-parameters are in ``training/recipes/*.yaml``. A machine that cannot hold the
published batch trains with a smaller one at a rate scaled by the square root of the batches'
ratio (DepthLM, appendix; both released code bases).
"""

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from importlib.util import find_spec
from pathlib import Path

import yaml

from depthlm_ros.datasets.base import LabelKind
from depthlm_ros.datasets.readers import AnnotationFile
from depthlm_ros.status import Code, StatusError

RECIPES = Path(__file__).parent / "recipes"
METHODS = ("depthlm_sft", "depthlm_grpo", "depthvlm")
MASKS = ("reply", "published")
STAGES = (1, 2)


@dataclass(frozen=True)
class DataEntry:
    """One annotation file of the mixture; ``weight`` counts for DepthLM alone."""

    file: str
    image_root: str = ""
    depth_root: str = ""
    weight: float = 1.0
    label: str | None = None
    dataset: str | None = None

    def open(self) -> AnnotationFile:
        """Open the file; StatusError(NO_FRAME)."""
        roots = (Path(root) if root else None for root in (self.image_root, self.depth_root))
        label = LabelKind(self.label) if self.label else None
        return AnnotationFile(Path(self.file), *roots, label, self.dataset)


@dataclass(frozen=True)
class TrainConfig:
    """Everything a run depends on.

    ``method``: one of METHODS. ``model``: folder or fetched hub id to begin from. ``out``: folder
    of the run; its ``checkpoint`` folder is what the node loads. ``published_batch``,
    ``published_lr``: the paper's; ``global_batch``: samples a step here; ``samples``: how many a
    run sees (None: ``epochs`` times all lines). ``label_mask``: which tokens are learned, "reply"
    or "published" (``text_labels.py``). ``sampling``: of ``SamplingConfig``; ``depth``: of
    ``DepthStage`` (``depthvlm_stages.py``); ``grpo``: of ``rewards.py``. ``lora``: peft's
    LoraConfig, None to train whole weights. ``trainer``: of transformers' TrainingArguments.
    """

    method: str
    model: str
    out: str
    data: tuple = ()
    published_batch: int = 1
    published_lr: float = 1e-5
    global_batch: int = 1
    per_device_batch: int = 1
    samples: int | None = None
    epochs: float = 1.0
    seed: int = 42
    dtype: str = "bfloat16"
    attention: str = "auto"
    label_mask: str = "reply"
    max_length: int = 4096
    sampling: dict = field(default_factory=dict)
    depth: dict = field(default_factory=dict)
    grpo: dict = field(default_factory=dict)
    lora: dict | None = None
    trainer: dict = field(default_factory=dict)

    def __post_init__(self):
        """Refuse a run that cannot mean anything."""
        for name, known in (("method", METHODS), ("label_mask", MASKS)):
            if getattr(self, name) not in known:
                raise _refused(f"{name} = {getattr(self, name)!r}: must be one of {known}")
        for name in ("published_batch", "published_lr", "global_batch", "per_device_batch"):
            if not getattr(self, name) > 0:
                raise _refused(f"{name} = {getattr(self, name)}: must be positive")
        if not self.data:
            raise _refused("data: must name at least one annotation file")

    @property
    def learning_rate(self) -> float:
        """The peak rate at this batch: the published one times the root of the batches' ratio."""
        return self.published_lr * math.sqrt(self.global_batch / self.published_batch)

    def accumulation(self, processes: int) -> int:
        """Return the micro-batches a step and process: ceil(global / (processes x local))."""
        return math.ceil(self.global_batch / (processes * self.per_device_batch))

    @property
    def steps(self) -> int | None:
        """Optimiser steps that ``samples`` make, or None where epochs bound the run."""
        if self.samples is None:
            return None
        return max(1, math.ceil(self.samples / self.global_batch))


def load_config(path: str, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a recipe: a file, or the name of one of ``training/recipes``.

    ``overrides``: KEY=VALUE each, KEY with dots for what lies deeper (``trainer.max_steps=10``,
    ``data.0.file=...``), VALUE in YAML. Raises StatusError(UNSUPPORTED) for an unknown key or
    value.
    """
    file = Path(path) if Path(path).suffix else RECIPES / f"{path}.yaml"
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        known = ", ".join(sorted(recipe.stem for recipe in RECIPES.glob("*.yaml")))
        raise _refused(f"{file} cannot be read ({error}); recipes here are {known}") from error
    except yaml.YAMLError as error:
        raise _refused(f"{file} is no YAML: {error}") from error
    for override in overrides:
        _set(content, override)
    return _config_of(content, str(file))


def _config_of(content, where: str) -> TrainConfig:
    known = {f.name for f in fields(TrainConfig)}
    if not isinstance(content, dict) or set(content) - known:
        extra = sorted(set(content) - known) if isinstance(content, dict) else content
        raise _refused(f"{where}: unknown {extra}; known are {', '.join(sorted(known))}")
    content = _with_numbers(content)
    try:
        data = tuple(DataEntry(**entry) for entry in content.get("data") or ())
        return TrainConfig(**content | {"data": data})
    except TypeError as error:
        raise _refused(f"{where}: {error}") from error


def _with_numbers(content):
    """Read text such as 1e-5 as the number that it means; YAML 1.1 wants 1.0e-5."""
    if isinstance(content, dict):
        return {key: _with_numbers(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_with_numbers(value) for value in content]
    is_number = isinstance(content, str) and re.fullmatch(r"[-+]?\d+(\.\d*)?e[-+]?\d+", content)
    return float(content) if is_number else content


def _set(content: dict, override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise _refused(f"--set {override!r}: must be KEY=VALUE")
    *path, last = key.split(".")
    try:
        value, here = yaml.safe_load(text), content
        for part in path:
            here = here[int(part)] if isinstance(here, list) else here.setdefault(part, {})
        if isinstance(here, list):
            here[int(last)] = value
        else:
            here[last] = value
    except (yaml.YAMLError, ValueError, IndexError, AttributeError, TypeError) as error:
        raise _refused(f"--set {override!r}: {error}") from error


def world_size() -> int:
    """Return how many processes torchrun or accelerate have started."""
    return int(os.environ.get("WORLD_SIZE", 1))


def training_arguments(config: TrainConfig, base=None, **more):
    """Return transformers' TrainingArguments (or a subclass ``base``) of a recipe.

    The recipe's ``trainer`` section has the last word. TensorBoard is written where it is
    installed.
    """
    import torch
    from transformers import TrainingArguments

    on_gpu = torch.cuda.is_available()
    given = {
        "output_dir": config.out,
        "per_device_train_batch_size": config.per_device_batch,
        "gradient_accumulation_steps": config.accumulation(world_size()),
        "learning_rate": config.learning_rate,
        "num_train_epochs": config.epochs,
        "max_steps": config.steps or -1,
        "seed": config.seed,
        "bf16": on_gpu and config.dtype == "bfloat16",
        "use_cpu": not on_gpu,
        "remove_unused_columns": False,
        "save_strategy": "steps",
        "report_to": ["tensorboard"] if find_spec("tensorboard") else [],
        "dataloader_pin_memory": on_gpu,
        "logging_nan_inf_filter": False,
    }
    told = {  # "no" is False in YAML 1.1
        key: "no" if value is False and key.endswith("_strategy") else value
        for key, value in config.trainer.items()
    }
    settings = given | more | told
    _check_packages(settings)
    return (base or TrainingArguments)(**settings)


def _check_packages(settings: dict) -> None:
    """Refuse options whose packages are not installed, before any weights are loaded."""
    optimiser = str(settings.get("optim", ""))
    report_to = settings.get("report_to") or []
    wanted = [(f"trainer.report_to: {name}", name) for name in _listed(report_to)]
    if "bnb" in optimiser or optimiser.startswith("paged_") or optimiser.endswith("_8bit"):
        by_torchao = optimiser in ("adamw_torch_8bit", "adamw_torch_4bit")
        wanted.append((f"trainer.optim: {optimiser}", "torchao" if by_torchao else "bitsandbytes"))
    if settings.get("deepspeed"):
        wanted.append(("trainer.deepspeed", "deepspeed"))
    for option, package in wanted:
        if package not in ("none", "all") and find_spec(package) is None:
            raise _refused(
                f"{option} needs the package {package}, which is not installed: pip install "
                f"{package}, or leave the option out"
            )


def _listed(value) -> list:
    return [value] if isinstance(value, str) else list(value)


def _refused(text: str) -> StatusError:
    return StatusError(Code.UNSUPPORTED, text)
