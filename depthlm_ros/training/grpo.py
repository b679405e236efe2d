"""DepthLM by reinforcement: TRL's GRPOTrainer on stock Qwen2.5-VL or Pixtral (DepthLM section 3).

Groups of eight replies a question, no KL term (with one the model rambles, says the paper), the
reward of the form beside one of the number. Questions and images are those of the supervised
fine-tuning. ``global_batch`` counts replies, as TRL does: 32 are four questions of eight.
"""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import ProcessorMixin

from depthlm_ros.datasets.depthlm_sampling import TextSample
from depthlm_ros.datasets.mixture import Shuffled
from depthlm_ros.datasets.optional_packages import require
from depthlm_ros.models.weights.checkpoint import DEPTHLM_PIXTRAL
from depthlm_ros.prompting.prompts import prompt
from depthlm_ros.status import Code, StatusError
from depthlm_ros.tasks import Task
from depthlm_ros.training import sft
from depthlm_ros.training.callbacks import LossPicture
from depthlm_ros.training.collators import DepthLMCollator
from depthlm_ros.training.configs import TrainConfig, training_arguments
from depthlm_ros.training.rewards import reward_functions
from depthlm_ros.training.trainers import ServableCheckpoints, run_trainer, with_lora


@dataclass(frozen=True)
class GRPOSettings:
    """The recipe's ``grpo`` section.

    ``reward``: one of ``rewards.REWARDS``. ``group``: replies a question. ``beta``: of the KL
    term. ``max_reply_tokens``: a longer reply is cut. ``temperature``: of the sampling.
    """

    reward: str = "neg_l1"
    group: int = 8
    beta: float = 0.0
    max_reply_tokens: int = 128
    temperature: float = 1.0

    @classmethod
    def of(cls, config: TrainConfig) -> "GRPOSettings":
        """Read the section; StatusError(UNSUPPORTED) for an unknown key or a group of one."""
        known = {field.name for field in fields(cls)}
        if extra := sorted(set(config.grpo) - known):
            raise StatusError(
                Code.UNSUPPORTED, f"grpo: unknown {extra}; known are {sorted(known)}"
            )
        settings = cls(**config.grpo)
        if settings.group < 2 or config.per_device_batch % settings.group:
            raise StatusError(
                Code.UNSUPPORTED,
                f"grpo.group = {settings.group}, per_device_batch = {config.per_device_batch}: "
                "a group has at least two replies, and a batch is whole groups",
            )
        return settings


class DepthLMProcessor(ProcessorMixin):
    """The images and words of DepthLM in the place of a transformers processor.

    ``collator``: makes the tensors, as in the supervised fine-tuning; the reply is left empty.
    """

    def __init__(self, tokenizer, collator: DepthLMCollator):
        self.tokenizer, self.collator = tokenizer, collator
        self.image_processor = None
        self.chat_template = None

    @property
    def model_input_names(self) -> list[str]:
        """What ``__call__`` returns."""
        return ["input_ids", "attention_mask", "pixel_values"]

    def apply_chat_template(self, conversation, tokenize: bool = False, **_):
        """Render conversations of one image and one question; ids and tensors with ``tokenize``.

        Ids come as lists without padding, as TRL wants them.
        """
        many = isinstance(conversation[0], list)
        chats = conversation if many else [conversation]
        if not tokenize:
            texts = [_question(chat) for chat in chats]
            return texts if many else texts[0]
        return self._inputs([_picture(c) for c in chats], [_question(c) for c in chats], False)

    def __call__(self, images=None, text=None, **_):
        """Return padded tensors; ``text``: questions as ``apply_chat_template`` renders them."""
        flat = [one[0] if isinstance(one, list) else one for one in images]
        return self._inputs(flat, [words for words in text], True)

    def batch_decode(self, *args, **kwargs):
        """Decode ids by the tokenizer."""
        return self.tokenizer.batch_decode(*args, **kwargs)

    def decode(self, *args, **kwargs):
        """Decode ids by the tokenizer."""
        return self.tokenizer.decode(*args, **kwargs)

    def save_pretrained(self, save_directory, **kwargs):
        """Write the tokenizer; the rest comes with ``finish_folder``."""
        return self.tokenizer.save_pretrained(save_directory)

    def _inputs(self, pictures: list, questions: list, as_tensors: bool) -> dict:
        samples = [
            TextSample(np.array(p.convert("RGB")), _prompt(q), "", (0, 0), 0.0)
            for p, q in zip(pictures, questions, strict=True)
        ]
        rows = [self.collator.prompt_tokens(sample) for sample in samples]
        batch = self.collator.pictures(samples, rows)
        longest = max(map(len, rows))
        pad = self.tokenizer.pad_token_id or 0
        left = torch.tensor([[pad] * (longest - len(row)) + row for row in rows])
        mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
        if as_tensors:
            return batch | {"input_ids": left, "attention_mask": mask}
        kinds = batch.get("mm_token_type_ids")
        if kinds is not None:
            batch["mm_token_type_ids"] = [
                row[: len(ids)].tolist() for row, ids in zip(kinds, rows, strict=True)
            ]
        return batch | {"input_ids": rows, "attention_mask": [[1] * len(row) for row in rows]}


def _prompt(question: str):
    from dataclasses import replace

    return replace(prompt(), question=question)


def _question(chat: list) -> str:
    content = chat[-1]["content"]
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content if part["type"] == "text")


def _picture(chat: list):
    return next(part["image"] for part in chat[-1]["content"] if part["type"] == "image")


def questions(config: TrainConfig):
    """Return a datasets.IterableDataset of the mixture: prompt, image and ``metres``."""
    datasets = require("datasets", "GRPO")
    if Task.CAMERA_MOTION.value in config.sampling.get("tasks", ()):
        raise StatusError(
            Code.UNSUPPORTED, "sampling.tasks: camera_motion has two images: train it by SFT"
        )
    mixture = sft.mixture_of(config)

    def rows():
        order = Shuffled(len(mixture), config.seed)
        for place in range(len(order)):
            for sample in mixture[order[place]]:
                chat = [{"role": "user", "content": sample.prompt.question}]
                yield {
                    "prompt": chat,
                    "image": Image.fromarray(sample.rgb),
                    "metres": sample.metres,
                }

    return datasets.IterableDataset.from_generator(rows)


def make_trainer(config: TrainConfig):
    """Build model, data and TRL's trainer of a recipe."""
    trl = require("trl", "GRPO")

    class DepthGRPOTrainer(ServableCheckpoints, trl.GRPOTrainer):
        """TRL's trainer with checkpoints that the node loads."""

    settings = GRPOSettings.of(config)
    checkpoint, family, tokenizer, path = sft.open_base(config)
    collator = DepthLMCollator(tokenizer, path, checkpoint.format == DEPTHLM_PIXTRAL)
    arguments = training_arguments(
        config,
        trl.GRPOConfig,
        num_generations=settings.group,
        beta=settings.beta,
        max_completion_length=settings.max_reply_tokens,
        temperature=settings.temperature,
    )
    trainer = DepthGRPOTrainer(
        model=with_lora(sft.load_base(config, checkpoint, family), config),
        reward_funcs=reward_functions(settings.reward),
        args=arguments,
        train_dataset=questions(config),
        processing_class=DepthLMProcessor(tokenizer, collator),
        callbacks=[LossPicture()],
    )
    trainer.source = checkpoint.folder
    trainer.architecture = sft.ARCHITECTURES[checkpoint.format]
    return trainer


def run(config: TrainConfig) -> Path:
    """Train by a recipe; returns the folder that the node loads."""
    return run_trainer(make_trainer(config), config)
