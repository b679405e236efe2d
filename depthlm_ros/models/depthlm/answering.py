"""From the features of a picture and a question to readings: by the number alone, or in full."""

from dataclasses import dataclass

import torch

from depthlm_ros.models.depthlm.number_decoding import read_numbers
from depthlm_ros.models.depthlm.readings import of_number, of_text
from depthlm_ros.prompting.prompts import Prompt


@dataclass(frozen=True)
class Answering:
    """How replies are decoded.

    ``by_number``: the trained reply's beginning is forced and the number alone decoded, where the
    model follows its template; else every reply is written in full. ``estimate``: "greedy" or
    "mean" over the number's digits. ``whole_reply``: the rest of the reply is checked too.
    ``trust_template``: nothing is checked. ``max_tokens``: of a reply in full.
    """

    by_number: bool
    estimate: str
    whole_reply: bool
    trust_template: bool
    max_tokens: int

    def answer(
        self, model, question: Prompt, grids: tuple, features: torch.Tensor, ids=None
    ) -> list:
        """Read and answer B conversations, features (B, tokens, width): one reading each.

        ``model``: the ``DepthLM``. ``ids``: int64 (B, L), where the questions differ in their
        words: in nothing but some tokens, and not in the reply's form.
        """
        network = model.network
        layout = network.layout(question.question, grids)
        by_number = self.by_number and not question.divides  # its first number is not the answer
        lead = network.lead(question) if by_number else None
        ids = layout.ids[None] if ids is None else ids
        conversation = network.read(ids, layout, features, lead)
        model.stage_callback("language")
        readings = [None] * len(features)
        if lead is not None:
            whole = question if self.whole_reply else None
            numbers = read_numbers(network, conversation, lead, whole, self.trust_template)
            for i, number in enumerate(numbers):
                if number is not None:
                    readings[i] = of_number(number, self.estimate)
        rest = [i for i, reading in enumerate(readings) if reading is None]
        if rest:
            texts = network.write(conversation, rest, self.max_tokens)
            for i, text in zip(rest, texts, strict=True):
                readings[i] = of_text(text, question, model.style)
        model.stage_callback("decode")
        return readings
