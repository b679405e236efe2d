"""Smaller weights for the language model's linear layers, by torchao: 8-bit integers or floats.

Weights only, with one scale for each output row, so that rows may be joined or kept apart and give
the same. Each tensor is quantised as soon as it is read (``Checkpoint.load_into``): the memory
needed is that of the result and of one tensor more. Vision tower, depth head, embeddings, norms
and the vocabulary head stay as they are. Activations are not quantised: integer products need a
GPU and more than 16 rows at a time, which decoding does not have.
"""

import re
from collections.abc import Callable
from importlib import import_module

import torch
from torch import nn

from depthlm_ros.models.import_logging import quiet_imports
from depthlm_ros.status import Code, StatusError

NONE, INT8, FP8 = "none", "int8", "fp8"
SCHEMES = (NONE, INT8, FP8)
PIP = "pip install 'torchao>=0.18'"

_CONFIGS = {INT8: "Int8WeightOnlyConfig", FP8: "Float8WeightOnlyConfig"}
_LINEAR = re.compile(r"(^|\.)layers\.\d+\.(self_attn|mlp)\.[a-z]+_proj\.weight")
_SCALE_BYTES = 4


def is_language_linear(name: str) -> bool:
    """Return whether a tensor, by its stored or its module's name, is such a linear's weight."""
    return _LINEAR.search(name) is not None


class Quantizer:
    """One scheme, ready to be used on tensors of ``device`` in ``dtype``.

    Raises StatusError(MODEL_NOT_READY) with the remedy where torchao is missing, or cannot do it
    here.
    """

    def __init__(self, scheme: str, device: torch.device, dtype: torch.dtype):
        self.scheme = scheme
        if scheme == INT8 and dtype == torch.float16:
            raise StatusError(
                Code.MODEL_NOT_READY,
                "quantize = 'int8' with float16: its products "
                "are scaled too late and overflow beyond 65504; take dtype bfloat16",
            )
        self._quantize, self._config = _torchao(scheme)
        self._try(device, dtype)

    def __call__(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        """Return the tensor, quantised if it is a language model's linear weight."""
        return self._quantised(tensor) if is_language_linear(name) else tensor

    def _quantised(self, weight: torch.Tensor) -> torch.Tensor:
        linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
        linear.weight = nn.Parameter(weight, requires_grad=False)
        self._quantize(linear, self._config)
        return linear.weight.data

    def _try(self, device: torch.device, dtype: torch.dtype) -> None:
        """Multiply once by a small quantised weight: a device may lack the number type."""
        try:
            weight = self._quantised(torch.eye(16, device=device, dtype=dtype))
            x = torch.ones(2, 16, device=device, dtype=dtype)
            right = torch.allclose(nn.functional.linear(x, weight), x, rtol=0.02)
            reason = "" if right else "a product came out wrong"
        except (RuntimeError, NotImplementedError, AssertionError, TypeError) as error:
            reason = " ".join(str(error).split())[:200]
        if reason:
            raise StatusError(
                Code.MODEL_NOT_READY,
                f"quantize = {self.scheme!r} does not work on "
                f"{device} in {dtype} ({reason}): give 'none' or another of "
                f"{', '.join(SCHEMES)}",
            )


def make_quantizer(scheme: str, device: torch.device, dtype: torch.dtype) -> Quantizer | None:
    """Return what quantises by ``scheme``, None for ``none``.

    Raises StatusError(MODEL_NOT_READY).
    """
    if scheme not in SCHEMES:
        raise StatusError(
            Code.MODEL_NOT_READY, f"quantize = {scheme!r}: must be one of {', '.join(SCHEMES)}"
        )
    return None if scheme == NONE else Quantizer(scheme, device, dtype)


def quantize_in_place(module: nn.Module, quantizer: Quantizer) -> None:
    """Quantise the linears of a module that is loaded already: for random weights."""
    for name, owner in module.named_modules():
        if isinstance(owner, nn.Linear) and is_language_linear(f"{name}.weight"):
            weight = quantizer(f"{name}.weight", owner.weight.data)
            owner.weight = nn.Parameter(weight, requires_grad=False)


def stored_bytes(name: str, shape: tuple, dtype: torch.dtype, quantised: bool) -> int:
    """Return the memory of one tensor on the device: a byte a number, a scale a row, if so."""
    numbers = torch.Size(shape).numel()
    if quantised and is_language_linear(name):
        return numbers + _SCALE_BYTES * shape[0]
    return numbers * dtype.itemsize


def _torchao(scheme: str) -> tuple[Callable, object]:
    """Return torchao's function and the scheme's configuration."""
    try:
        with quiet_imports():
            api = import_module("torchao.quantization")
            config = getattr(api, _CONFIGS[scheme])(set_inductor_config=False)
            return api.quantize_, config
    except (ImportError, AttributeError, TypeError, AssertionError) as error:
        raise StatusError(
            Code.MODEL_NOT_READY,
            f"quantize = {scheme!r} needs torchao 0.18 or newer "
            f"({type(error).__name__}: {error}): {PIP}, or give 'none'",
        ) from error
