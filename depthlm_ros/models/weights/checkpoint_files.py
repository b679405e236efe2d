"""The files of a checkpoint folder: which there are, their JSON and their tensor headers."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from depthlm_ros.models.weights.files import INDEX
from depthlm_ros.status import Code, StatusError

PICKLED = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
NAMES_SHOWN = 12
COMPUTED = ".rotary_emb.inv_freq"
"""Tables that transformers once stored with the weights, and computes."""
ADAPTER = "adapter_model.safetensors"


def shorten(names: list) -> str:
    """Return some names for a message, and how many more there are."""
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def read_json(file: Path, required: bool = False) -> dict:
    """Return a JSON object of a checkpoint; StatusError where it is missing or unreadable."""
    if not file.is_file():
        if required:
            raise StatusError(
                Code.MODEL_NOT_READY,
                f"{file} is missing: {file.parent} is no "
                "checkpoint folder, or an incomplete one; fetch it again",
            )
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise StatusError(
            Code.MODEL_ERROR, f"{file} is not JSON ({error}): fetch it again"
        ) from error
    if not isinstance(content, dict):
        raise StatusError(Code.MODEL_ERROR, f"{file} holds no JSON object: fetch it again")
    return content


def read_preprocessor(folder: Path) -> dict:
    """Read the image processor's settings from whichever file the exporting version wrote."""
    return read_json(folder / "preprocessor_config.json") or read_json(
        folder / "processor_config.json"
    ).get("image_processor", {})


def refuse_adapter(folder: Path) -> None:
    """Refuse a folder that holds what was learned on top of a model, and not the model."""
    if [file.name for file in folder.glob("*.safetensors")] == [ADAPTER]:
        raise StatusError(
            Code.MODEL_ERROR,
            f"{folder} holds an adapter ({ADAPTER}) and no model: "
            "merge it into the model it was trained on (peft: merge_and_unload, then "
            "save_pretrained) and give that folder",
        )


def weight_files(folder: Path) -> list[Path]:
    """Return the safetensors files that hold the weights, as the index or the folder says."""
    index = folder / INDEX
    if index.is_file():
        weight_map = read_json(index).get("weight_map")
        shards = sorted(set(weight_map.values())) if isinstance(weight_map, dict) else []
        files = [folder / Path(shard).name for shard in shards]
        missing = [file.name for file in files if not file.is_file()]
        if missing or not files:
            raise StatusError(
                Code.MODEL_NOT_READY,
                f"{folder} lacks {shorten(missing) or 'every shard'}"
                f" of {index.name}: fetch the checkpoint again; it resumes",
            )
        return files
    files = sorted(file for file in folder.glob("*.safetensors") if file.name != ADAPTER)
    if len(files) == 1:
        return files
    if len(files) > 1:
        raise StatusError(
            Code.MODEL_NOT_READY,
            f"{folder} holds {len(files)} safetensors files and "
            f"no {index.name} to say how they belong together; fetch it again",
        )
    pickled = sorted(file.name for file in folder.iterdir() if file.suffix in PICKLED)
    if pickled:
        raise StatusError(
            Code.MODEL_ERROR,
            f"{folder} holds pickled weights ({shorten(pickled)}), "
            "which can run any code when loaded: only safetensors are read; convert "
            "them on a machine you can lose",
        )
    raise StatusError(Code.MODEL_NOT_READY, f"{folder} holds no *.safetensors: fetch it again")


def open_tensors(file: Path, device: torch.device = "cpu"):
    """Open a safetensors file; StatusError(MODEL_ERROR) where it is corrupt."""
    try:
        return safe_open(file, framework="pt", device=str(device))
    except (SafetensorError, OSError) as error:
        raise StatusError(
            Code.MODEL_ERROR,
            f"{file} is corrupt or cut short ({error}): remove it and fetch the checkpoint again",
        ) from error


def read_header(file: Path) -> dict:
    """Return the shape of every tensor of a file, by name; no tensor is read."""
    with open_tensors(file) as tensors:
        return {
            name: tuple(tensors.get_slice(name).get_shape())
            for name in tensors.keys()
            if not name.endswith(COMPUTED)
        }
