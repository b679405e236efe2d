"""transformers' Trainer with what both papers' runs share: order of samples, saving, logging."""

from pathlib import Path

import torch
from torch.utils.data import Dataset, Sampler
from transformers import Trainer
from transformers.trainer_utils import get_last_checkpoint

from depthlm_ros.datasets.mixture import Mixture, Shuffled
from depthlm_ros.image_io.atomic_write import write_text_atomically
from depthlm_ros.training.callbacks import LossPicture, count_parameters, finish_folder, model_card
from depthlm_ros.training.configs import TrainConfig


class MixtureDataset(Dataset):
    """A ``Mixture`` as torch wants it."""

    def __init__(self, mixture: Mixture):
        self.mixture = mixture

    def __len__(self) -> int:
        return len(self.mixture)

    def __getitem__(self, index: int) -> list:
        """Return the training samples of one image."""
        return self.mixture[index]


class ShuffledSampler(Sampler):
    """The indices of a list too long to shuffle in memory, in a fixed pseudo-random order."""

    def __init__(self, size: int, seed: int):
        self.order = Shuffled(size, seed)

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self):
        return (self.order[index] for index in range(len(self.order)))


class ServableCheckpoints:
    """A mixin for trainers: every checkpoint is a folder that the node loads, and resumes whole.

    ``source``: folder whose tokenizer and processor files go along; ``architecture``: the
    published class name for config.json.
    """

    source: Path
    architecture: str | None = None

    def _load_from_checkpoint(self, resume_from_checkpoint, model=None) -> None:
        """Restore the weights under whatever names they were stored.

        transformers saves some models under the names of their origin and its Trainer would read
        these back as they are, find none, and go on from the start with no more than a warning.
        """
        model = model or self.model
        if self.is_fsdp_enabled or self.is_deepspeed_enabled or hasattr(model, "peft_config"):
            super()._load_from_checkpoint(resume_from_checkpoint, model)
            return
        stored = type(model).from_pretrained(
            resume_from_checkpoint,
            config=model.config,
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.float32,
        )
        model.load_state_dict(stored.state_dict())

    def _save(self, output_dir: str | None = None, state_dict=None) -> None:
        super()._save(output_dir, state_dict)
        if self.args.should_save:
            folder = output_dir or self.args.output_dir
            finish_folder(folder, self.source, self.architecture)


class DepthTrainer(ServableCheckpoints, Trainer):
    """transformers' Trainer with servable checkpoints; logs the parts of the loss beside it."""

    def __init__(self, *args, source: Path, architecture: str | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self.source, self.architecture = Path(source), architecture
        self.add_callback(LossPicture())

    def _get_train_sampler(self, train_dataset=None):
        dataset = train_dataset if train_dataset is not None else self.train_dataset
        if isinstance(dataset, MixtureDataset):
            return ShuffledSampler(len(dataset), self.args.seed)
        return super()._get_train_sampler(train_dataset)

    def log(self, logs: dict, *args, **kwargs) -> None:
        """Add the last micro-batch's parts of the loss, as published."""
        model = self.accelerator.unwrap_model(self.model)
        if hasattr(model, "peft_config"):
            model = model.get_base_model()
        parts = getattr(model, "last_losses", {})
        if "loss" in logs:
            logs = logs | {name: float(value) for name, value in parts.items()}
        super().log(logs, *args, **kwargs)


def run_trainer(trainer, config: TrainConfig) -> Path:
    """Train, going on from the last checkpoint of the run's folder; write checkpoint and card.

    ``trainer``: one with ``ServableCheckpoints``. Returns the folder that the node loads; LoRA
    weights are merged into it.
    """
    out = Path(config.out)
    last = get_last_checkpoint(out) if out.is_dir() else None
    counted = count_parameters(trainer.model)
    trainer.train(resume_from_checkpoint=last)
    folder = out / "checkpoint"
    if hasattr(trainer.model, "merge_and_unload"):
        if trainer.is_world_process_zero():
            merged = trainer.model.merge_and_unload()
            merged.save_pretrained(folder)
            finish_folder(folder, trainer.source, trainer.architecture)
    else:
        trainer.save_model(str(folder))
    if trainer.is_world_process_zero():
        card = model_card(config, trainer.state, counted)
        write_text_atomically(folder / "README.md", card)
    return folder


def weights_dtype(config: TrainConfig) -> torch.dtype:
    """Return the dtype that weights are held in: the recipe's on a GPU, float32 on a CPU."""
    return getattr(torch, config.dtype) if torch.cuda.is_available() else torch.float32


def attention(config: TrainConfig) -> str:
    """Return the attention kernel: FlashAttention 2 where installed, else torch's own."""
    from importlib.util import find_spec

    if config.attention != "auto":
        return config.attention
    flash = torch.cuda.is_available() and find_spec("flash_attn")
    return "flash_attention_2" if flash else "sdpa"


def with_lora(model, config: TrainConfig, whole: tuple = ()):
    """Return the model with adapters where the recipe has a ``lora`` section; else as it is.

    ``whole``: modules that are trained as they are beside the adapters.
    """
    if not config.lora:
        return model
    from depthlm_ros.datasets.optional_packages import require

    peft = require("peft", "LoRA")
    given = {"target_modules": "all-linear", "modules_to_save": list(whole) or None}
    return peft.get_peft_model(model, peft.LoraConfig(**given | config.lora))
