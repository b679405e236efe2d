"""Run recipes one after the other, as in ``torchrun two_processes.py RECIPES.json``.

The file holds a list of [recipe, {setting: value}]. Replies of GRPO are scripted, not sampled: so
what two processes learn can be compared with what one learns.
"""

import json
import sys
from pathlib import Path
from unittest import mock

import torch
from transformers import Qwen2_5_VLForConditionalGeneration

from depthlm_ros.training import run

REPLY_IDS = 5


def scripted_generate(self, input_ids, **_):
    """Return each prompt with a reply of its own, another for each reply of a group of two."""
    rows, device = torch.arange(len(input_ids), device=input_ids.device), input_ids.device
    steps = torch.arange(REPLY_IDS, device=device)
    text = (input_ids * (input_ids != 0)).sum(dim=1, keepdim=True) % 7  # padding does not count
    reply = 20 + (text + 3 * (rows % 2)[:, None] + 5 * steps[None]) % 40
    return torch.cat([input_ids, reply], dim=1)


def run_all(recipes: list) -> None:
    """Run each recipe with its settings."""
    with mock.patch.object(Qwen2_5_VLForConditionalGeneration, "generate", scripted_generate):
        for name, settings in recipes:
            pairs = (f"{key}={value}" for key, value in settings.items())
            code = run.main([name, *(word for pair in pairs for word in ("--set", pair))])
            assert code == 0, name


if __name__ == "__main__":
    run_all(json.loads(Path(sys.argv[1]).read_text()))
