"""From a training run to a folder that is served: folded, half precision, one config."""

import copy
import json
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerFast

from depthlm_ros.models.compact.config import CompactConfig
from depthlm_ros.models.compact.network import CompactModule
from depthlm_ros.training.compact.names import words


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
    """Return the network and tokenizer that ``write_start`` or ``write_served`` wrote.

    A served folder begins a run too: its tower is folded, which costs nothing but the scales.
    """
    folder = Path(folder)
    served = not (folder / "network.json").is_file()
    names = ("config.json", "model") if served else ("network.json", "network")
    config = CompactConfig.from_dict(json.loads((folder / names[0]).read_text(encoding="utf-8")))
    network, tensors = CompactModule(config), load_file(folder / f"{names[1]}.safetensors")
    if "tower.stem.scale" not in tensors:
        network.tower.fold()
    network.load_state_dict({name: value.float() for name, value in tensors.items()})
    return network, PreTrainedTokenizerFast.from_pretrained(folder)


def with_things(network: CompactModule) -> CompactModule:
    """Return a network with a thing head: itself, or a copy with one that is yet to be trained."""
    if network.things is not None:
        return network
    config = replace(network.config, things=words())
    wider = CompactModule(config)
    if network.tower.stem.scale is None:
        wider.tower.fold()
    kept = wider.state_dict() | network.state_dict()
    wider.load_state_dict(kept)
    return wider
