"""Changes of a checkpoint's folder as other versions and tools write them."""

import json

import torch
from safetensors.torch import load_file, save_file

OF_THE_LANGUAGE_MODEL = {
    "attention_dropout",
    "hidden_act",
    "hidden_size",
    "initializer_range",
    "intermediate_size",
    "max_position_embeddings",
    "max_window_layers",
    "num_attention_heads",
    "num_hidden_layers",
    "num_key_value_heads",
    "rms_norm_eps",
    "rope_scaling",
    "rope_theta",
    "sliding_window",
    "use_cache",
    "use_sliding_window",
    "vocab_size",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
    "tie_word_embeddings",
}


def json_edit(file, change):
    def edit(folder):
        content = json.loads((folder / file).read_text())
        (folder / file).write_text(json.dumps(change(content) or content))

    return edit


def config(change):
    return json_edit("config.json", change)


def preprocessor(**values):
    return json_edit("preprocessor_config.json", lambda c: c.update(values))


def put(value, *path):
    def change(content):
        for key in path[:-1]:
            content = content[key]
        content[path[-1]] = value

    return config(change)


def drop(*path):
    def change(content):
        for key in path[:-1]:
            content = content[key]
        del content[path[-1]]

    return config(change)


def tensors(change):
    def edit(folder):
        state = load_file(folder / "model.safetensors")
        change(state)
        save_file(state, folder / "model.safetensors")

    return edit


def both(*edits):
    def edit(folder):
        for one in edits:
            one(folder)

    return edit


def lone_file(name):
    return lambda folder: save_file({"a": torch.ones(1)}, folder / name)


def nested(content):
    """Nest the language model's keys, as transformers does from 4.52 on."""
    text = {key: content.pop(key) for key in OF_THE_LANGUAGE_MODEL & content.keys()}
    content["text_config"] = {**text, "model_type": "qwen2_5_vl_text"}
    content["tie_word_embeddings"] = text["tie_word_embeddings"]


def nested_as_in_5(content):
    nested(content)
    text = content["text_config"]
    text["rope_parameters"] = {**text.pop("rope_scaling"), "rope_theta": text.pop("rope_theta")}
    text["dtype"] = content.pop("torch_dtype")


def rope_as_in_5(content):
    for part in (content["text_config"], content["vision_config"]):
        theta = part.pop("rope_theta")
        part["rope_parameters"] = {"rope_type": "default", "rope_theta": theta}


def rope_as_in_4(content):
    text = content["text_config"]
    rope = text.pop("rope_parameters")
    text["rope_theta"] = rope.pop("rope_theta")
    text["rope_scaling"] = rope


def renamed(old, new):
    return config(lambda content: content.update({new: content.pop(old)}))


def to_processor(folder):
    """Keep the image processor's settings where transformers 5 writes them."""
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").unlink()
    (folder / "processor_config.json").write_text(json.dumps({"image_processor": settings}))


def no_preprocessor(folder):
    (folder / "preprocessor_config.json").unlink()


def without_defaults(vision_class):
    """Leave out of vision_config what equals the class's default."""
    defaults = vision_class().to_dict()

    def change(content):
        vision = content["vision_config"]
        assert defaults["patch_size"] == vision["patch_size"]
        content["vision_config"] = {
            key: value
            for key, value in vision.items()
            if key == "model_type" or defaults.get(key, "?") != value
        }

    return config(change)


def resaved(config_class):
    """Write what the installed transformers makes of the config, with its foreign keys."""
    return config(lambda content: config_class.from_dict(content).to_diff_dict())


def shard(folder):
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    files = {
        name: f"model-0000{1 + index % 2}-of-00002.safetensors"
        for index, name in enumerate(sorted(state))
    }
    for file in set(files.values()):
        save_file({name: state[name] for name in state if files[name] == file}, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": files}))


def inv_freq(prefix):
    return tensors(
        lambda t: t.update({f"{prefix}layers.0.self_attn.rotary_emb.inv_freq": torch.ones(8)})
    )


def nothing(folder):
    """Leave the checkpoint as it is."""
