"""DepthLM's network: read images with a question, read on, write text.

Knows tensors, tokens and caches; no camera, no pixel query, no numbers
(``models/depthlm/number_decoding.py``). Every layer is transformers' own. The vocabulary head runs
only where a token is wanted.
"""

from dataclasses import dataclass

import numpy as np
import torch

from depthlm_ros.models.depthlm.families import Layout
from depthlm_ros.models.depthlm.number_distribution import ALPHABET
from depthlm_ros.models.runtime.host_device import to_device, to_host
from depthlm_ros.models.runtime.text_decoder import KVCache, TextDecoder
from depthlm_ros.prompting.prompts import Prompt
from depthlm_ros.status import Code, StatusError

_ROOM = 128
"""Tokens that a cache has room for after the question before it grows by copying."""
_HEAD_ROWS = 256
"""Rows of hidden states that go through the whole vocabulary at once: bounds the logits."""


@dataclass(frozen=True)
class ReplyPrefix:
    """The forced beginning of a reply, as tokens.

    ``ids``: int64 (P,), on the device. ``tokens``: the same numbers on the host. ``alphabet``: the
    token of each character of ``number_distribution.ALPHABET``, int64 (12,) on the device;
    ``digit_token_ids``: the same on the host.
    """

    ids: torch.Tensor
    tokens: tuple
    alphabet: torch.Tensor
    digit_token_ids: tuple


@dataclass
class DecodingState:
    """B conversations of one length that the language model has read.

    ``cache``: keys and values. ``length``: tokens of the question, ``next_position``: of the token
    after it. ``hidden``: states of the question's last token and of the lead after it,
    (B, 1 + P, width).
    """

    cache: KVCache
    length: int
    next_position: int
    hidden: torch.Tensor


class DepthLMNetwork:
    """A stock model of one of the families, its tokenizer, and how the family uses them."""

    def __init__(self, model, tokenizer, family):
        self.model, self.tokenizer, self.family = model, tokenizer, family
        self.decoder = TextDecoder(model.model.language_model)
        self._layouts, self._leads = {}, {}
        configs = (model.config, model.config.get_text_config())
        stops = [getattr(config, "eos_token_id", None) for config in configs]
        stops += [tokenizer.eos_token_id, tokenizer.pad_token_id]
        flat = [i for s in stops for i in (s if isinstance(s, list) else [s]) if i is not None]
        self.stops = tuple(sorted(set(flat)))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.lm_head.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """The weights' dtype."""
        return self.model.lm_head.weight.dtype

    def encode(self, text: str) -> list:
        """Return token ids; special tokens only where the text spells them."""
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def escape_special_tokens(self, words: str) -> str:
        """Break every special token that a user's words spell: prevents prompt injection."""
        for token in self.tokenizer.get_added_vocab():
            words = words.replace(token, f"{token[0]} {token[1:]}")
        return words

    def layout(self, question: str, grids: tuple) -> Layout:
        """Return the tokens of a conversation about images of these grids, on the device.

        The last are kept: nothing is copied for the next image of the size.
        """
        key = (question, grids)
        if key not in self._layouts:
            if len(self._layouts) >= 64:
                self._layouts.clear()
            text = self.family.chat(question, len(grids))
            self._layouts[key] = self.family.layout(self.encode(text), grids).on(self.device)
        return self._layouts[key]

    def lead(self, prompt: Prompt) -> ReplyPrefix | None:
        """Return the tokens that lead up to the number of a trained reply, and its alphabet.

        None when this tokenizer does not write each character of a number as a token of its own,
        or joins one to its neighbours: then number-only decoding would not be exact.
        """
        key = (prompt.lead, prompt.reply_suffix)
        if key not in self._leads:
            ids = self.encode(prompt.lead)
            after = self.encode(prompt.lead + "0" + prompt.reply_suffix)
            end = after[len(ids) + 1 : len(ids) + 2]
            alphabet = [self.tokenizer.convert_tokens_to_ids(c) for c in ALPHABET[:-1]] + end
            sample = [alphabet[ALPHABET.index(c)] for c in "1234567890.05"]
            whole = self.encode(prompt.lead + "1234567890.05" + prompt.reply_suffix)
            exact = len(set(alphabet)) == len(ALPHABET) and whole[: len(ids) + 14] == [
                *ids,
                *sample,
                *end,
            ]
            on_device = [torch.tensor(t, device=self.device) for t in (ids, alphabet)]
            made = ReplyPrefix(on_device[0], tuple(ids), on_device[1], tuple(alphabet))
            self._leads[key] = made if exact and ids else None
        return self._leads[key]

    def features(self, patches: torch.Tensor, grid: tuple) -> torch.Tensor:
        """Map patches (B, rows * columns, ...) of one size to image tokens (B, tokens, width)."""
        return self.family.vision(patches, grid)

    def read(
        self,
        ids: torch.Tensor,
        layout: Layout,
        features: torch.Tensor,
        lead: ReplyPrefix | None,
    ) -> DecodingState:
        """Let the language model read B conversations: question, image(s), lead.

        ``ids``: int64 (B, L) or (1, L), laid out as ``layout``; ``features``: (B, image tokens,
        width), the images of each conversation in order.
        """
        length, positions = ids.shape[1], layout.positions
        if lead is not None:
            ids = torch.cat([ids, lead.ids.expand(len(ids), -1)], dim=1)
            more = torch.arange(len(lead.ids), device=self.device) + layout.next_position
            positions = torch.cat([positions, more.expand(len(positions), -1)], dim=1)
        keep = ids.shape[1] - length + 1
        cache = KVCache(_ROOM)
        x = self.embedded(ids, layout.image_at, features)
        hidden = self.language(x, positions[:, None], cache, keep=keep)
        return DecodingState(cache, length, layout.next_position, hidden)

    def embed(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the embeddings of tokens (B, n): (B, n, width)."""
        return self.model.model.language_model.embed_tokens(ids)

    def embedded(self, ids, image_at, features) -> torch.Tensor:
        """Return embeddings (B, n, width) of tokens (B or 1, n) with image features in place."""
        x = self.embed(ids)
        if len(x) < len(features):
            x = x.expand(len(features), -1, -1).clone()
        return x.index_copy_(1, image_at, features.to(x.dtype))  # a mask would wait for the GPU

    def language(self, x, positions, cache, mask=None, keep=None) -> torch.Tensor:
        """Run the language model on embeddings (B, n, width); positions (axes, B or 1, n)."""
        positions = positions if self.family.axes == 3 else positions[0]
        return self.decoder(x, positions, cache, mask, keep)

    def step(self, conversation: DecodingState, ids, positions, mask=None) -> torch.Tensor:
        """Read n more tokens of each conversation: states (B, n, width).

        ``ids``, ``positions``: int64 arrays (B, n). ``mask``: bool array (B, n, cached + n), True
        where a token sees another; None for one token that sees all.
        """
        ids, positions = (to_device(array, self.device) for array in (ids, positions))
        if mask is not None:
            mask = to_device(mask, self.device)[:, None]
        return self.language(
            self.embed(ids),
            positions.expand(self.family.axes, -1, -1),
            conversation.cache,
            mask,
        )

    def best(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return the best token of the whole vocabulary for states (rows, width): (rows,)."""
        return torch.cat([self.model.lm_head(h).argmax(-1) for h in hidden.split(_HEAD_ROWS)])

    def write(self, conversation: DecodingState, which: list, max_tokens: int) -> list[str]:
        """Decode greedily the replies of the conversations ``which``, from the question's end.

        Uses up the conversation: whatever was read after the question is dropped. Waits for the
        device once a token, to see who has stopped.
        """
        cache, hidden = conversation.cache, conversation.hidden[:, 0]
        cache.cut(conversation.length)
        if len(which) != len(hidden):
            kept = to_device(np.array(which), self.device)
            cache.select(kept)
            hidden = hidden[kept]
        (best,) = to_host(self.best(hidden))
        out, done = [best], np.isin(best, self.stops)
        while len(out) < max_tokens and not done.all():
            at = np.full((len(which), 1), conversation.next_position + len(out) - 1)
            hidden = self.step(conversation, best[:, None], at)
            (best,) = to_host(self.best(hidden[:, -1]))
            out.append(best)
            done |= np.isin(best, self.stops)
        return [self._decode(reply) for reply in np.stack(out, axis=1).tolist()]

    def _decode(self, ids: list) -> str:
        end = next((i for i, token in enumerate(ids) if token in self.stops), len(ids))
        return self.tokenizer.decode(ids[:end], skip_special_tokens=True)

    def bytes_per_query(self, patches: int, length: int) -> int:
        """Estimate the memory that one more conversation takes: activations, keys and values.

        The widest moments of vision and language, one after the other, and the cache.
        """
        vision, text = self.model.config.vision_config, self.model.config.get_text_config()
        size = self.dtype.itemsize
        heads = text.num_key_value_heads / text.num_attention_heads
        cache = 2 * text.num_hidden_layers * length * text.hidden_size * heads * size
        seen = patches * (10 * vision.hidden_size + 3 * vision.intermediate_size) * size
        read = length * (10 * text.hidden_size + 3 * text.intermediate_size) * size
        return int(cache + max(seen, read))


def check_question(question: str) -> None:
    """Refuse a question that no conversation can hold: StatusError(BAD_QUESTION)."""
    if not question.strip() or len(question) > 4000:
        raise StatusError(
            Code.BAD_QUESTION, f"a question of {len(question)} characters: must have 1 to 4000"
        )
