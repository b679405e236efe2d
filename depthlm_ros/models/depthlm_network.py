"""DepthLM's network as three verbs: read pictures with a question, read a number, write text.

Knows tensors, tokens and caches; no camera, no pixel query. Every layer is transformers' own. The
vocabulary head runs only where a token is wanted, and for digits only over their rows.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import torch
import torch.nn.functional as F

from depthlm_ros.models.depthlm_families import Layout
from depthlm_ros.models.number import ALPHABET, Number, NumberTree, finished
from depthlm_ros.models.text_decoder import KeyValues, TextDecoder
from depthlm_ros.prompting.prompts import SLOT, Prompt
from depthlm_ros.status import Code, Refusal

_ROOM = 128
"""Tokens that a cache has room for after the question before it grows by copying."""
_HEAD_ROWS = 256
"""Rows of hidden states that go through the whole vocabulary at once: bounds the logits."""


@dataclass(frozen=True)
class Lead:
    """The forced beginning of a reply, as tokens.

    ``ids``: int64 (P,). ``alphabet``: the token of each character of ``number.ALPHABET``.
    """

    ids: torch.Tensor
    alphabet: torch.Tensor


@dataclass
class Conversation:
    """B conversations of one length that the language model has read.

    ``cache``: keys and values. ``length``: tokens of the question, ``next_position``: of the token
    after it. ``hidden``: states of the question's last token and of the lead after it,
    (B, 1 + P, width). ``slots``: where in the cache each conversation's digit strings are.
    """

    cache: KeyValues
    length: int
    next_position: int
    hidden: torch.Tensor
    slots: list = field(default_factory=list)


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
        self.stops = torch.tensor(sorted(set(flat)), device=self.device)

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

    def harmless(self, words: str) -> str:
        """Break every special token that a user's words spell: they speak in no other voice."""
        for token in self.tokenizer.get_added_vocab():
            words = words.replace(token, f"{token[0]} {token[1:]}")
        return words

    def layout(self, question: str, grids: tuple) -> Layout:
        """Return the tokens of a conversation about pictures of these grids, on the device.

        The last are kept: nothing is copied for the next picture of the size.
        """
        key = (question, grids)
        if key not in self._layouts:
            if len(self._layouts) >= 64:
                self._layouts.clear()
            text = self.family.chat(question, len(grids))
            self._layouts[key] = self.family.layout(self.encode(text), grids).on(self.device)
        return self._layouts[key]

    def lead(self, prompt: Prompt) -> Lead | None:
        """Return the tokens that lead up to the number of a trained reply, and its alphabet.

        None when this tokenizer does not write each character of a number as a token of its own,
        or joins one to its neighbours: then number-only decoding would not be exact.
        """
        key = (prompt.lead, prompt.trail)
        if key not in self._leads:
            ids = self.encode(prompt.lead)
            after = self.encode(prompt.lead + "0" + prompt.trail)
            end = after[len(ids) + 1 : len(ids) + 2]
            alphabet = [self.tokenizer.convert_tokens_to_ids(c) for c in ALPHABET[:-1]] + end
            sample = [alphabet[ALPHABET.index(c)] for c in "1234567890.05"]
            whole = self.encode(prompt.lead + "1234567890.05" + prompt.trail)
            exact = len(set(alphabet)) == len(ALPHABET) and whole[: len(ids) + 14] == [
                *ids,
                *sample,
                *end,
            ]
            tensors = (torch.tensor(t, device=self.device) for t in (ids, alphabet))
            self._leads[key] = Lead(*tensors) if exact and ids else None
        return self._leads[key]

    def features(self, patches: torch.Tensor, grid: tuple) -> torch.Tensor:
        """Map patches (B, rows * columns, ...) of one size to image tokens (B, tokens, width)."""
        return self.family.vision(patches, grid)

    def read(self, ids, layout: Layout, features: torch.Tensor, lead: Lead | None) -> Conversation:
        """Let the language model read B conversations: question, picture(s), lead.

        ``ids``: int64 (B, L) or (1, L), laid out as ``layout``; ``features``: (B, image tokens,
        width), the pictures of each conversation in order.
        """
        batch, length = len(features), ids.shape[1]
        embed = self.model.model.language_model.embed_tokens
        x = embed(ids.to(self.device)).expand(batch, -1, -1).clone()
        x.index_copy_(1, layout.image_at, features.to(x.dtype))  # a mask would wait for the GPU
        positions = layout.positions
        if lead is not None:
            x = torch.cat([x, embed(lead.ids).expand(batch, -1, -1)], dim=1)
            more = torch.arange(len(lead.ids), device=self.device) + layout.next_position
            positions = torch.cat([positions, more.expand(len(positions), -1)], dim=1)
        cache = KeyValues(_ROOM)
        keep = x.shape[1] - length + 1
        hidden = self._language(x, positions[:, None], cache, keep=keep)
        return Conversation(cache, length, layout.next_position, hidden)

    def _language(self, x, positions, cache, mask=None, keep=None) -> torch.Tensor:
        """Run the language model on embeddings (B, n, width); positions (axes, B, n)."""
        positions = positions.to(self.device)
        positions = positions if self.family.axes == 3 else positions[0]
        return self.decoder(x, positions, cache, mask, keep)

    def _best(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return the best token of the whole vocabulary for states (rows, width): (rows,)."""
        return torch.cat([self.model.lm_head(h).argmax(-1) for h in hidden.split(_HEAD_ROWS)])

    def follows_lead(self, conversation: Conversation, lead: Lead) -> torch.Tensor:
        """Tell, bool (B,), in which conversations every forced token was the model's own best."""
        hidden = conversation.hidden[:, :-1]
        best = self._best(hidden.reshape(-1, hidden.shape[-1])).view(hidden.shape[:2])
        return (best == lead.ids).all(dim=1)

    def numbers(
        self, conversation: Conversation, lead: Lead, whole: Prompt | None = None
    ) -> list[Number]:
        """Read the number that each conversation's reply gives after its lead.

        The strings of a tree are read as one sequence under a mask that shows each string its own
        beginning only, so the question's keys are never copied. With ``whole``, the rest of that
        reply is read too, the number in its every slot, and ``follows`` speaks of all of it: where
        it says yes, full greedy decoding would have written exactly this reply.
        """
        rows = self.model.lm_head.weight[lead.alphabet]
        trees = [NumberTree() for _ in range(len(conversation.hidden))]
        conversation.slots = [{"": []} for _ in trees]
        hidden, wanted = conversation.hidden[:, -1:], [tree.wanted() for tree in trees]
        confirmed = None
        while True:
            self._feed(trees, wanted, hidden, rows, lead)
            wanted = [tree.wanted() for tree in trees]
            tails = []
            if whole and confirmed is None and all(finished(tree.greedy()) for tree in trees):
                tails = [self._tail(lead, tree.greedy().rstrip("|"), whole) for tree in trees]
            if not any(wanted) and not any(tail for _, tail in tails):
                break
            hidden = self._extend(conversation, lead, wanted, tails)
            if tails:
                confirmed = self._confirmed(hidden, tails)
                hidden = hidden[:, max(len(tail) for _, tail in tails) :]
        numbers = [tree.number() for tree in trees]
        if confirmed is None:
            return numbers
        pairs = zip(numbers, confirmed, strict=True)
        return [replace(number, follows=number.follows and yes) for number, yes in pairs]

    def _feed(self, trees, wanted, hidden, rows, lead) -> None:
        """Give every tree the logits of the strings it wanted; hidden (B, n, width)."""
        logits = F.linear(hidden, rows).float().cpu().numpy()
        asked = [
            (b, i)
            for b, tree in enumerate(trees)
            for i, text in enumerate(wanted[b])
            if tree.may_be_greedy(text)
        ]
        best = {}
        if asked:
            which = torch.tensor(asked, device=hidden.device)
            tokens = self._best(hidden[which[:, 0], which[:, 1]]).tolist()
            names = dict(zip(lead.alphabet.tolist(), ALPHABET, strict=True))
            best = {key: names.get(t) for key, t in zip(asked, tokens, strict=True)}
        for b, tree in enumerate(trees):
            for i, text in enumerate(wanted[b]):
                tree.feed(text, logits[b, i], best.get((b, i)))

    def _extend(self, conversation, lead, wanted, tails) -> torch.Tensor:
        """Read tails, then the wanted strings' last characters: states (B, n, width).

        Tails are padded to one length, so that the strings begin at the same row for all.
        """
        longest = max((len(tail) for _, tail in tails), default=0)
        batch, n = len(wanted), longest + max(len(strings) for strings in wanted)
        start = conversation.cache.length
        said, slots = conversation.length + len(lead.ids), conversation.slots
        ids = np.zeros((batch, n), np.int64)
        depth = np.zeros((batch, n), np.int64)
        mask = np.zeros((batch, 1, n, start + n), bool)
        mask[..., :said] = True
        tokens = dict(zip(ALPHABET, lead.alphabet.tolist(), strict=True))
        triangle = np.tril(np.ones((longest, longest), bool))
        for b, (begun, tail) in enumerate(tails):
            ids[b, : len(tail)] = tail
            depth[b, :longest] = len(begun) + np.arange(longest)
            mask[b, 0, :longest, slots[b][begun]] = True
            mask[b, 0, :longest, start : start + longest] = triangle
        for b, strings in enumerate(wanted):
            for i, text in enumerate(strings, longest):
                seen = slots[b][text] = [*slots[b][text[:-1]], start + i]
                ids[b, i] = tokens[text[-1]]
                depth[b, i] = len(text) - 1
                mask[b, 0, i, seen] = True
        ids, depth, mask = (torch.from_numpy(a).to(self.device) for a in (ids, depth, mask))
        x = self.model.model.language_model.embed_tokens(ids)
        positions = depth + conversation.next_position + len(lead.ids)
        positions = positions[None].expand(self.family.axes, -1, -1)
        return self._language(x, positions, conversation.cache, mask)

    def _confirmed(self, hidden: torch.Tensor, tails: list) -> list[bool]:
        """Tell of which tails every token, and a stop after it, is the model's own best."""
        longest = max(len(tail) for _, tail in tails)
        hidden = hidden[:, :longest]
        best = self._best(hidden.reshape(-1, hidden.shape[-1])).view(hidden.shape[:2]).tolist()
        stops = set(self.stops.tolist())
        return [
            bool(tail) and own[: len(tail) - 1] == tail[1:] and own[len(tail) - 1] in stops
            for own, (_, tail) in zip(best, tails, strict=True)
        ]

    def _tail(self, lead: Lead, text: str, prompt: Prompt) -> tuple:
        """Return the number without its last character, and the reply's tokens from that one on.

        No tokens when the reply with this number does not begin as it was read.
        """
        reply = self.encode(prompt.reply.replace(SLOT, text))
        alphabet = lead.alphabet.tolist()
        begin = [*lead.ids.tolist(), *(alphabet[ALPHABET.index(c)] for c in text)]
        return text[:-1], reply[len(begin) - 1 :] if reply[: len(begin)] == begin else []

    def write(self, conversation: Conversation, which: list, max_tokens: int) -> list[str]:
        """Decode greedily the replies of the conversations ``which``, from the question's end.

        Uses up the conversation: whatever was read after the question is dropped.
        """
        cache, device = conversation.cache, self.device
        cache.cut(conversation.length)
        if len(which) != len(conversation.hidden):
            cache.select(torch.tensor(which, device=device))
        best = self._best(conversation.hidden[which, 0])
        out, done = [best], torch.isin(best, self.stops)
        while len(out) < max_tokens and not done.all():
            x = self.model.model.language_model.embed_tokens(best[:, None])
            at = torch.full((self.family.axes, len(which), 1), conversation.next_position)
            hidden = self._language(x, at + len(out) - 1, cache)
            best = self._best(hidden[:, -1])
            out.append(best)
            done |= torch.isin(best, self.stops)
        return [self._decode(reply) for reply in torch.stack(out, dim=1).tolist()]

    def _decode(self, ids: list) -> str:
        stops = set(self.stops.tolist())
        end = next((i for i, token in enumerate(ids) if token in stops), len(ids))
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
    """Refuse a question that no conversation can hold: Refusal(BAD_QUESTION)."""
    if not question.strip() or len(question) > 4000:
        raise Refusal(
            Code.BAD_QUESTION, f"a question of {len(question)} characters: must have 1 to 4000"
        )
