"""DepthVLM's two stages: a depth head on stock Qwen3-VL, then language model and head together.

DepthVLM section 3: stage 1 trains the head alone on the user's turn; stage 2 trains everything
but the vision tower, with the fixed reply's cross entropy beside the depth loss, both of weight 1.
"""

from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from torch.utils.data import Dataset
from transformers import Qwen3VLConfig

from depthlm_ros.datasets.depth_reading import load_dense
from depthlm_ros.datasets.readers import AnnotationFile
from depthlm_ros.models.depthvlm.network import DEPTH_QUESTION
from depthlm_ros.models.depthvlm.settings import DepthVLMSettings
from depthlm_ros.models.weights.checkpoint import DEPTHVLM, QWEN3_VL, Checkpoint
from depthlm_ros.models.weights.hub import find
from depthlm_ros.status import Code, StatusError
from depthlm_ros.training.collators import FIXED_REPLY, DenseSample, DepthVLMCollator
from depthlm_ros.training.configs import TrainConfig, training_arguments
from depthlm_ros.training.depthvlm_training import FEATURE_SOURCES, DepthVLMForTraining
from depthlm_ros.training.trainers import (
    DepthTrainer,
    attention,
    run_trainer,
    weights_dtype,
    with_lora,
)

ARCHITECTURE = "Qwen3VLForConditionalGeneration"
ATTEMPTS = 1000


@dataclass(frozen=True)
class DepthStage:
    """The recipe's ``depth`` section.

    ``stage``: 1 or 2. ``head``: config fields of a new head (``type``, ``feature_mode``, widths
    ...), for a stock checkpoint. ``feature_source``: one of FEATURE_SOURCES. ``loss_weight``: of
    the depth loss beside the text's. ``focal_px``: the unified focal length, for lines without a
    ``canonical_size`` too. ``start_median_m``: what a new head says everywhere at first (None: the
    library's initialisation, as published). ``train_tower``, ``freeze_head``: the paper's
    comparison, and tuning on questions alone.
    """

    stage: int = 1
    head: dict | None = None
    feature_source: str = FEATURE_SOURCES[0]
    loss_weight: float = 1.0
    focal_px: float = 1000.0
    start_median_m: float | None = None
    published_preprocessing: bool = False
    exact_focal: bool = False
    train_tower: bool = False
    freeze_head: bool = False

    def __post_init__(self):
        """Refuse what is no stage."""
        if self.stage not in (1, 2):
            raise StatusError(Code.UNSUPPORTED, f"depth.stage = {self.stage}: must be 1 or 2")
        if self.feature_source not in FEATURE_SOURCES:
            raise StatusError(
                Code.UNSUPPORTED,
                f"depth.feature_source = {self.feature_source!r}: must be one of "
                f"{', '.join(FEATURE_SOURCES)}",
            )


def stage_of(config: TrainConfig) -> DepthStage:
    """Return the recipe's ``depth`` section; StatusError(UNSUPPORTED) for an unknown key."""
    known = {field.name for field in fields(DepthStage)}
    if extra := sorted(set(config.depth) - known):
        raise StatusError(Code.UNSUPPORTED, f"depth: unknown {extra}; known are {sorted(known)}")
    return DepthStage(**config.depth)


class DenseDataset(Dataset):
    """The samples of all files of a recipe, one after the other; shuffled by the trainer.

    An image without any valid depth gives way to the next, as published. Raises
    StatusError(NO_FRAME) where a thousand in a row have none.
    """

    def __init__(self, files: list[AnnotationFile], focal_px: float = 1000.0):
        self.files, self.focal_px = files, focal_px
        self._ends = np.cumsum([len(file) for file in files])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> DenseSample:
        """Return sample ``index``, or the next one that has depth."""
        for step in range(min(ATTEMPTS, len(self))):
            at = (index + step) % len(self)
            which = int(np.searchsorted(self._ends, at, "right"))
            file = self.files[which]
            first = int(self._ends[which]) - len(file)
            sample = self._at_focal(file[at - first])
            rgb, depth = load_dense(sample, file.range_m)
            if (depth > 0).any():
                return DenseSample(
                    rgb, depth, sample.prompt or DEPTH_QUESTION, sample.solution or FIXED_REPLY
                )
        raise StatusError(
            Code.NO_FRAME, f"{ATTEMPTS} images from {index} on have no depth in their set's range"
        )

    def _at_focal(self, sample):
        """Give a line without a canonical size the one of the unified focal length."""
        if sample.canonical_size is not None:
            return sample
        camera, f = sample.camera, self.focal_px
        size = round(camera.width * f / camera.fx), round(camera.height * f / camera.fx)
        return replace(sample, canonical_size=size)


def open_base(config: TrainConfig) -> tuple[Checkpoint, Qwen3VLConfig]:
    """Return the checkpoint to begin from, and its config with the head's fields.

    Raises StatusError(UNSUPPORTED) for a model of another family.
    """
    stage, checkpoint = stage_of(config), Checkpoint.open(find(config.model))
    if checkpoint.format not in (DEPTHVLM, QWEN3_VL):
        raise StatusError(
            Code.UNSUPPORTED,
            f"{config.model} is a {checkpoint.format}: DepthVLM trains a Qwen3-VL or a DepthVLM",
        )
    built = Qwen3VLConfig.from_pretrained(checkpoint.folder, local_files_only=True)
    if checkpoint.format == QWEN3_VL:
        for name, value in ({"type": "dpt"} | (stage.head or {})).items():
            setattr(built, f"depth_head_{name}", value)
    built.depth_loss_weight = stage.loss_weight
    built.canonical_focal_px = stage.focal_px
    if stage.feature_source != FEATURE_SOURCES[0]:
        built.depth_feature_source = stage.feature_source
    return checkpoint, built


def load_base(config: TrainConfig, checkpoint: Checkpoint, built) -> DepthVLMForTraining:
    """Load the weights, and freeze what the stage does not train."""
    stage = stage_of(config)
    model = DepthVLMForTraining.from_pretrained(
        checkpoint.folder,
        config=built,
        local_files_only=True,
        use_safetensors=True,
        dtype=weights_dtype(config),
        attn_implementation=attention(config),
    )
    if checkpoint.format == QWEN3_VL and stage.start_median_m:
        model.start_head_at(stage.start_median_m)
    model.train_stage(stage.stage)
    if stage.train_tower:
        model.model.visual.requires_grad_(True)
    if stage.freeze_head:
        model.depth_head.requires_grad_(False)
    elif stage.stage == 1:
        model.depth_head.float()  # moments of a small head in bfloat16 would lose its steps
    return model


def make_trainer(config: TrainConfig) -> DepthTrainer:
    """Build model, data and trainer of a recipe."""
    stage = stage_of(config)
    checkpoint, built = open_base(config)
    tokenizer = checkpoint.tokenizer()
    model = with_lora(load_base(config, checkpoint, built), config, ("depth_head",))
    path = DepthVLMSettings.from_config(built.to_dict(), checkpoint.preprocessor).path
    collator = DepthVLMCollator(
        tokenizer,
        path,
        stage.stage == 2,
        config.label_mask,
        stage.published_preprocessing,
        stage.exact_focal,
        config.max_length,
    )
    return DepthTrainer(
        model=model,
        args=training_arguments(config),
        train_dataset=DenseDataset([entry.open() for entry in config.data], stage.focal_px),
        data_collator=collator,
        processing_class=tokenizer,
        source=checkpoint.folder,
        architecture=ARCHITECTURE,
    )


def run(config: TrainConfig) -> Path:
    """Train by a recipe; returns the folder that the node loads."""
    return run_trainer(make_trainer(config), config)
