"""DepthLM's supervised fine-tuning: stock Qwen2.5-VL or Pixtral learns to say distances.

DepthLM sections 3 and 4: a weighted mixture of labelled images at the unified focal length, one
to four marked points an image, cross entropy on the reply; every parameter is trained.
"""

from pathlib import Path

from depthlm_ros.datasets.depthlm_sampling import SamplingConfig, make_samples
from depthlm_ros.datasets.depthlm_tasks import check_tasks
from depthlm_ros.datasets.mixture import Mixture, scannet_part
from depthlm_ros.models.depthlm.families import PixtralFamily, Qwen25Family
from depthlm_ros.models.option_types import MarkerOption
from depthlm_ros.models.weights.checkpoint import DEPTHLM_PIXTRAL, DEPTHLM_QWEN, Checkpoint
from depthlm_ros.models.weights.hub import find
from depthlm_ros.prompting.marker import Marker
from depthlm_ros.status import Code, StatusError
from depthlm_ros.training.collators import DepthLMCollator
from depthlm_ros.training.configs import TrainConfig, training_arguments
from depthlm_ros.training.trainers import (
    DepthTrainer,
    MixtureDataset,
    attention,
    run_trainer,
    weights_dtype,
    with_lora,
)

FAMILIES = {DEPTHLM_QWEN: Qwen25Family, DEPTHLM_PIXTRAL: PixtralFamily}
ARCHITECTURES = {
    DEPTHLM_QWEN: "Qwen2_5_VLForConditionalGeneration",
    DEPTHLM_PIXTRAL: "LlavaForConditionalGeneration",
}


def sampling_of(config: TrainConfig) -> SamplingConfig:
    """Return the recipe's ``sampling`` section; markers are written as SHAPE:LENGTH:STROKE:RGB."""
    settings = dict(config.sampling)
    if "marker" in settings:
        settings["marker"] = MarkerOption("marker", Marker(), ("DepthLM",), "").read(
            settings["marker"]
        )
    for name in ("crop_width", "crop_height", "squeeze"):
        if name in settings:
            settings[name] = tuple(settings[name])
    if "tasks" in settings:
        settings["tasks"] = check_tasks(settings["tasks"])
    try:
        return SamplingConfig(**settings)
    except TypeError as error:
        raise StatusError(Code.UNSUPPORTED, f"sampling: {error}") from error


class SampleMaker:
    """``make_samples`` with a fixed configuration; a class, so that loader workers can have it."""

    def __init__(self, sampling: SamplingConfig):
        self.sampling = sampling

    def __call__(self, sample, rng) -> list:
        """Return the training samples of one image, or []."""
        return make_samples(sample, self.sampling, rng)


def mixture_of(config: TrainConfig) -> Mixture:
    """Return the recipe's weighted mixture; ScanNet files without their last 2 %."""
    files = [entry.open() for entry in config.data]
    parts = [
        scannet_part(file.path.resolve(), len(file), train=True)
        if "scannet" in str(file.path.resolve()).lower()
        else None
        for file in files
    ]
    weights = [entry.weight for entry in config.data]
    return Mixture(files, weights, SampleMaker(sampling_of(config)), config.seed, parts)


def open_base(config: TrainConfig) -> tuple:
    """Return (checkpoint, family, tokenizer, path of images) of the model to begin from.

    Raises StatusError(UNSUPPORTED) for a model of another family.
    """
    checkpoint = Checkpoint.open(find(config.model))
    if checkpoint.format not in FAMILIES:
        raise StatusError(
            Code.UNSUPPORTED,
            f"{config.model} is a {checkpoint.format}: DepthLM trains a Qwen2.5-VL or a Pixtral",
        )
    family, tokenizer = FAMILIES[checkpoint.format], checkpoint.tokenizer()
    built = family.config_class.from_dict(dict(checkpoint.config))
    focal = sampling_of(config).focal_px
    path = family.read_path(built, checkpoint.preprocessor)
    if focal is not None:
        from dataclasses import replace

        path = replace(path, image=replace(path.image, focal_px=float(focal)))
    return checkpoint, family, tokenizer, path


def load_base(config: TrainConfig, checkpoint: Checkpoint, family):
    """Load the stock model with its unified focal length in the config, for the node."""
    built = family.config_class.from_pretrained(checkpoint.folder, local_files_only=True)
    focal = sampling_of(config).focal_px
    if focal is not None:
        built.canonical_focal_px = float(focal)
    return family.model_class.from_pretrained(
        checkpoint.folder,
        config=built,
        local_files_only=True,
        use_safetensors=True,
        dtype=weights_dtype(config),
        attn_implementation=attention(config),
    )


def make_trainer(config: TrainConfig) -> DepthTrainer:
    """Build model, data and trainer of a recipe."""
    checkpoint, family, tokenizer, path = open_base(config)
    model = with_lora(load_base(config, checkpoint, family), config)
    collator = DepthLMCollator(
        tokenizer,
        path,
        checkpoint.format == DEPTHLM_PIXTRAL,
        config.label_mask,
        config.max_length,
    )
    return DepthTrainer(
        model=model,
        args=training_arguments(config),
        train_dataset=MixtureDataset(mixture_of(config)),
        data_collator=collator,
        processing_class=tokenizer,
        source=checkpoint.folder,
        architecture=ARCHITECTURES[checkpoint.format],
    )


def run(config: TrainConfig) -> Path:
    """Train by a recipe; returns the folder that the node loads."""
    return run_trainer(make_trainer(config), config)
