"""From a training run to a folder that is served: folded, half precision, one config."""

import copy
import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerFast

from depthlm_ros.models.compact.config import CompactConfig
from depthlm_ros.models.compact.network import CompactModule


def write_served(
    folder: Path, network: CompactModule, tokenizer, dtype: torch.dtype = torch.float16, **measured
) -> Path:
    """Write config.json, tokenizer and model.safetensors; returns the folder.

    ``measured``: further keys of config.json.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    served = copy.deepcopy(network).cpu().float()
    served.tower.fold()
    tensors = {
        name: value.detach().to(dtype).contiguous() for name, value in served.state_dict().items()
    }
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    config = network.config.as_dict() | {"dtype": str(dtype).removeprefix("torch.")} | measured
    config = {key: None if value != value else value for key, value in config.items()}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    tokenizer.save_pretrained(folder)
    return folder


def write_start(folder: Path, network: CompactModule, tokenizer) -> Path:
    """Write what another run can begin from: weights before folding, sizes and tokenizer."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()},
        folder / "network.safetensors",
    )
    (folder / "network.json").write_text(json.dumps(network.config.as_dict(), indent=2))
    tokenizer.save_pretrained(folder)
    return folder


def read_start(folder: Path) -> tuple[CompactModule, PreTrainedTokenizerFast]:
    """Return the network and tokenizer that ``write_start`` wrote."""
    folder = Path(folder)
    config = CompactConfig.from_dict(json.loads((folder / "network.json").read_text()))
    network = CompactModule(config)
    network.load_state_dict(
        {name: value.float() for name, value in load_file(folder / "network.safetensors").items()}
    )
    return network, PreTrainedTokenizerFast.from_pretrained(folder)
