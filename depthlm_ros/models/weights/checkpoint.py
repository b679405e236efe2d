"""What a checkpoint folder holds: the only file of the package that reads weight files.

Reads a checkpoint folder (config, tokenizer, safetensors, whole or sharded), tells which format it
holds, and puts tensors straight onto the device in the wanted dtype. Pickled weights are refused:
loading them runs code. So is everything incomplete, by name. Nothing here knows a network.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from transformers import PreTrainedTokenizerFast

from depthlm_ros.image_io.atomic_write import replace_file, write_text_atomically
from depthlm_ros.models import device_memory
from depthlm_ros.models.weights.checkpoint_files import (
    open_tensors,
    read_header,
    read_json,
    read_preprocessor,
    refuse_adapter,
    shorten,
    weight_files,
)
from depthlm_ros.models.weights.derived_sizes import fused_head_numbers
from depthlm_ros.models.weights.quantization import Quantizer, stored_bytes
from depthlm_ros.status import Code, StatusError

NUMBERS_AT_A_TIME = 2**24
OUT_OF_MEMORY = (MemoryError, torch.OutOfMemoryError)
DEPTHVLM, QWEN3_VL = "depthvlm", "qwen3-vl"
DEPTHLM_QWEN, DEPTHLM_PIXTRAL = "depthlm-qwen2.5-vl", "depthlm-pixtral"
COMPACT = "compact"


@dataclass(frozen=True)
class Checkpoint:
    """An opened checkpoint folder: its headers are read, its tensors are not.

    ``shapes``: every stored tensor's shape, and ``files``: its file, by tensor name.
    ``quantizer``: what linear weights of the language model become on loading; None: stay.
    """

    folder: Path
    config: dict
    preprocessor: dict
    shapes: dict = field(repr=False)
    files: dict = field(repr=False)
    quantizer: Quantizer | None = None

    @classmethod
    def open(cls, folder: Path) -> "Checkpoint":
        """Read configs and tensor headers.

        Raises StatusError(MODEL_NOT_READY) for missing files, StatusError(MODEL_ERROR) for corrupt
        or pickled ones.
        """
        folder = Path(folder)
        refuse_adapter(folder)
        config = read_json(folder / "config.json", required=True)
        shapes, files = {}, {}
        for file in weight_files(folder):
            for name, shape in read_header(file).items():
                shapes[name], files[name] = shape, file
        return cls(folder, config, read_preprocessor(folder), shapes, files)

    @cached_property
    def format(self) -> str:
        """Which family this is: one of the constants above. Raises StatusError(MODEL_ERROR)."""
        kind = self.config.get("model_type")
        tower = self.config.get("vision_config")
        vision = tower.get("model_type") if isinstance(tower, dict) else None
        has_head = any(name.startswith("depth_head.") for name in self.shapes)
        if kind == "qwen3_vl" and self.config.get("depth_head_type") and not has_head:
            raise StatusError(
                Code.MODEL_ERROR,
                f"{self.folder}: config.json says depth_head_type, "
                "and there are no depth_head.* tensors; fetch or export the checkpoint "
                "again",
            )
        if kind == "qwen3_vl":
            return DEPTHVLM if has_head else QWEN3_VL
        if kind == "depthlm_compact":
            return COMPACT
        if kind == "qwen2_5_vl":
            return DEPTHLM_QWEN
        if kind == "llava" and vision == "pixtral":
            return DEPTHLM_PIXTRAL
        raise StatusError(
            Code.MODEL_ERROR,
            f"{self.folder}: model_type {kind!r} (vision {vision!r}) "
            "is not served; known are qwen3_vl (DepthVLM), qwen2_5_vl and llava with "
            "pixtral (DepthLM), depthlm_compact",
        )

    @contextmanager
    def describing(self) -> Iterator[None]:
        """Turn whatever goes wrong while a network is built into a StatusError(MODEL_ERROR).

        A config can be wrong in every way, and transformers says so in every way.
        """
        try:
            yield
        except StatusError as refusal:
            if str(self.folder) in refusal.text:
                raise
            raise StatusError(refusal.code, f"{self.folder}: {refusal.text}") from refusal
        except OUT_OF_MEMORY:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            raise StatusError(
                Code.MODEL_ERROR,
                f"{self.folder / 'config.json'} does not describe a "
                f"{self.format} ({reason}); fetch it again",
            ) from error

    @property
    def parameters(self) -> int:
        """How many numbers the weights hold."""
        return sum(torch.Size(shape).numel() for shape in self.shapes.values())

    def need_bytes(self, dtype: torch.dtype) -> int:
        """Memory that the weights take on the device in ``dtype``, quantised ones a byte each.

        With what the convolutions of a depth head are folded into, beside themselves.
        """
        quantised = self.quantizer is not None
        return device_memory.need_bytes(fused_head_numbers(self.shapes), dtype) + sum(
            stored_bytes(name, shape, dtype, quantised) for name, shape in self.shapes.items()
        )

    def tokenizer(self) -> PreTrainedTokenizerFast:
        """Read tokenizer.json.

        Raises StatusError(MODEL_NOT_READY) when it is missing, StatusError(MODEL_ERROR) when
        unreadable.
        """
        file = self.folder / "tokenizer.json"
        if not file.is_file():
            raise StatusError(
                Code.MODEL_NOT_READY, f"{file} is missing: fetch the checkpoint again, whole"
            )
        try:
            return PreTrainedTokenizerFast.from_pretrained(self.folder, local_files_only=True)
        except Exception as error:  # the Rust tokenizer raises bare Exception
            raise StatusError(
                Code.MODEL_ERROR, f"{file} cannot be read ({error}): fetch the checkpoint again"
            ) from error

    def load_into(
        self,
        module: nn.Module,
        device: torch.device,
        dtype: torch.dtype,
        rename: Callable[[str], str] = str,
        tied: tuple = (),
    ) -> None:
        """Fill ``module``, built on the meta device, with this checkpoint's tensors.

        Each tensor goes from its file to ``device`` in ``dtype``, one at a time, and is quantised
        there if it is to be. ``rename`` maps a stored name to the module's; ``tied`` are the
        module's names that another tensor serves.
        Raises StatusError(MODEL_ERROR) listing missing, unexpected and misshapen tensors.
        """
        wanted = {
            name: tuple(tensor.shape)
            for name, tensor in module.state_dict().items()
            if name not in tied
        }
        stored = {rename(name): name for name in self.shapes if rename(name) not in tied}
        self._compare(wanted, stored)
        by_file = {}
        for target, name in stored.items():
            by_file.setdefault(self.files[name], []).append((target, name))
        for file, names in by_file.items():
            state = {}
            for portion in self._portions(names):
                with open_tensors(file, device) as tensors:
                    for target, name in portion:
                        # On the CPU a tensor is a view of the file, to be read from disk while
                        # the model works, at the mercy of whoever changes the file.
                        own = self._checked(name, tensors.get_tensor(name)).to(
                            dtype, copy=device.type == "cpu"
                        )
                        state[target] = self._taken(name, own)
            module.load_state_dict(state, strict=False, assign=True)

    def _checked(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        if not tensor.is_floating_point():
            raise StatusError(
                Code.MODEL_ERROR,
                f"{self.files[name]}: {name} is {tensor.dtype}: must "
                "be floating point; fetch the checkpoint again (quantize on loading, by "
                "the parameter quantize)",
            )
        return tensor

    def _portions(self, names: list) -> Iterator[list]:
        """Cut (target, name) pairs of a file into portions of some 16 M numbers.

        An open file's pages count as this process's memory as far as they were read.
        """
        portion, numbers = [], 0
        for target, name in names:
            portion.append((target, name))
            numbers += torch.Size(self.shapes[name]).numel()
            if numbers >= NUMBERS_AT_A_TIME:
                yield portion
                portion, numbers = [], 0
        yield portion

    def _taken(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        # Least and greatest: NaN comes through, and no second tensor arises as by isfinite.
        if tensor.numel() and not torch.stack(torch.aminmax(tensor)).isfinite().all():
            raise StatusError(
                Code.MODEL_ERROR,
                f"{self.files[name]}: {name} holds NaN or infinity in "
                f"{tensor.dtype}: fetch the checkpoint again, or load it in another "
                "dtype (bfloat16, float32)",
            )
        return self.quantizer(name, tensor) if self.quantizer else tensor

    def _compare(self, wanted: dict, stored: dict) -> None:
        misshapen = [
            f"{name} is {self.shapes[stored[name]]}, not {shape}"
            for name, shape in wanted.items()
            if name in stored and self.shapes[stored[name]] != shape
        ]
        problems = {
            "missing": sorted(wanted.keys() - stored.keys()),
            "unexpected": sorted(stored[name] for name in stored.keys() - wanted.keys()),
            "misshapen": misshapen,
        }
        mismatches = [
            f"{len(names)} {kind}: {shorten(names)}" for kind, names in problems.items() if names
        ]
        if mismatches:
            raise StatusError(
                Code.MODEL_ERROR,
                f"{self.folder}: the tensors do not fit its "
                f"config.json ({'; '.join(mismatches)}); fetch or export the checkpoint again",
            )


def write(folder: Path, config: dict, tensors: dict, tokenizer: PreTrainedTokenizerFast) -> None:
    """Write a checkpoint folder that ``Checkpoint.open`` reads.

    ``tensors``: by published name, as ``DepthVLMModule.published_state_dict`` gives them. The
    weights appear under their name only when complete: a reader never sees half a file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_text_atomically(folder / "config.json", json.dumps(config, indent=2) + "\n")
    tokenizer.save_pretrained(folder)
    replace_file(
        folder / "model.safetensors",
        lambda unfinished: save_file(tensors, unfinished, metadata={"format": "pt"}),
    )


def says_tied(config) -> bool:
    """Tell whether a model's config says that lm_head is the embedding, on either level.

    Versions of transformers differ in where they write it.
    """
    levels = (config, config.get_text_config())
    return any(getattr(level, "tie_word_embeddings", False) for level in levels)


def materialise_buffers(model: nn.Module, device: torch.device) -> None:
    """Give a stock model that was built on the meta device its computed buffers (rotary tables).

    They are not in a checkpoint: transformers' own initialiser computes them, in float32.
    """
    for module in model.modules():
        buffers = [name for name, buffer in module.named_buffers(recurse=False) if buffer.is_meta]
        for name in buffers:
            setattr(module, name, torch.empty_like(getattr(module, name), device=device))
        if buffers:
            model._init_weights(module)


def check_memory(checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype) -> None:
    """Refuse, before anything is loaded, weights that the device has no room for."""
    need, kind = checkpoint.need_bytes(dtype), str(dtype)
    if checkpoint.quantizer:
        kind += f" and {checkpoint.quantizer.scheme}"
    device_memory.check_memory(str(checkpoint.folder), need, device, kind)
