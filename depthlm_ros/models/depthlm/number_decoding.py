"""Read the number that a language model means after the lead of its reply, and check the reply.

Between ``NumberTree``, which knows characters and probabilities, and the network, which knows
tokens. The strings of a tree are read as one sequence under a mask that shows each string its own
beginning only, so the question's keys are never copied. All that a pass is asked for (digits'
logits, best tokens, the check of the reply's rest) comes to the host together: one wait a pass.
"""

import numpy as np
import torch
import torch.nn.functional as F

from depthlm_ros.models.depthlm.network import DecodingState, DepthLMNetwork, ReplyPrefix
from depthlm_ros.models.depthlm.number_distribution import ALPHABET, Number, NumberTree, finished
from depthlm_ros.models.runtime.host_device import to_device, to_host
from depthlm_ros.prompting.prompts import SLOT, Prompt


def read_numbers(
    network: DepthLMNetwork,
    conversation: DecodingState,
    lead: ReplyPrefix,
    whole: Prompt | None = None,
    trust: bool = False,
) -> list[Number | None]:
    """Return the number of each conversation's reply, None where it is not the model's own.

    It is where every token of the lead and of the number is the model's own best. With ``whole``,
    the rest of that reply is read too, the number in its every slot: full greedy decoding would
    have written exactly this reply. ``trust``: return numbers all the same.
    """
    reading = _Reading(network, conversation, lead)
    follows = reading.begin()
    if not (trust or any(follows)):
        return [None] * len(follows)
    confirmed = reading.finish(whole)
    numbers = [tree.number() for tree in reading.trees]
    return [
        number if trust or (led and number.follows and rest) else None
        for number, led, rest in zip(numbers, follows, confirmed, strict=True)
    ]


class _Reading:
    """One reading: ``trees`` of B conversations, and where in the cache their strings are."""

    def __init__(self, network: DepthLMNetwork, conversation: DecodingState, lead: ReplyPrefix):
        self._network, self._conversation, self._lead = network, conversation, lead
        self._rows = network.model.lm_head.weight[lead.alphabet]
        self._tokens = dict(zip(ALPHABET, lead.digit_token_ids, strict=True))
        self._names = dict(zip(lead.digit_token_ids, ALPHABET, strict=True))
        self.trees = [NumberTree() for _ in range(len(conversation.hidden))]
        self._places = [{"": []} for _ in self.trees]

    def begin(self) -> list[bool]:
        """Take the first character's logits; tell whose lead was the model's own."""
        hidden = self._conversation.hidden
        best = self._network.best(hidden.flatten(0, 1))
        # hidden (B, 1 + P, width): states of the question's last token and of the P lead tokens.
        # State i predicts token i of the lead; the last one predicts the first character.
        best, logits = to_host(best, self._digits(hidden[:, -1:]))
        best = best.reshape(hidden.shape[:2])
        wanted = [tree.wanted() for tree in self.trees]
        self._feed(wanted, logits, {(b, 0): token for b, token in enumerate(best[:, -1].tolist())})
        return (best[:, :-1] == np.array(self._lead.tokens)).all(axis=1).tolist()

    def finish(self, whole: Prompt | None) -> list[bool]:
        """Grow the trees; tell whose reply goes on as ``whole`` does (True without it)."""
        confirmed = None
        while True:
            wanted, tails = [tree.wanted() for tree in self.trees], []
            # The rest of the reply can be read once every greedy number is known: in the same pass
            # as the next strings, before their rows.
            if whole and confirmed is None and all(finished(t.greedy()) for t in self.trees):
                tails = [self._tail(tree.greedy().rstrip("|"), whole) for tree in self.trees]
            if not any(wanted) and not any(tail for _, tail in tails):
                break
            confirms = self._pass(wanted, tails)
            confirmed = confirms if tails else confirmed
        if confirmed is None:  # there was no tail to read, or it was not asked for
            confirmed = [not whole] * len(self.trees)
        return confirmed

    def _digits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return the alphabet's logits of states (B, n, width): float32 (B, n, 12)."""
        return F.linear(hidden, self._rows).float()

    def _pass(self, wanted: list, tails: list) -> list[bool]:
        """Read tails and wanted strings, feed the trees; tell which tails are the model's own."""
        longest = max((len(tail) for _, tail in tails), default=0)
        hidden = self._extend(wanted, tails, longest)
        asked = [(b, i) for b, (_, tail) in enumerate(tails) for i in range(len(tail))]
        for b, (tree, strings) in enumerate(zip(self.trees, wanted, strict=True)):
            rows = enumerate(strings, longest)
            asked += [(b, i) for i, text in rows if tree.may_be_greedy(text)]
        best, logits = self._best_of(hidden, asked), self._digits(hidden[:, longest:])
        best, logits = to_host(best, logits)
        best = dict(zip(asked, best.tolist(), strict=True))
        self._feed(wanted, logits, {(b, i - longest): best[b, i] for b, i in asked})
        return [
            bool(tail) and self._is_own([best[b, i] for i in range(len(tail))], tail)
            for b, (_, tail) in enumerate(tails)
        ]

    def _best_of(self, hidden: torch.Tensor, asked: list) -> torch.Tensor:
        """Return the best tokens of some rows (conversation, row): (rows,)."""
        if not asked:
            return torch.empty(0, dtype=torch.long, device=hidden.device)
        rows = np.array(asked) @ (hidden.shape[1], 1)
        return self._network.best(hidden.flatten(0, 1)[to_device(rows, hidden.device)])

    def _is_own(self, best: list, tail: list) -> bool:
        """Return whether every token of a tail, and a stop after it, is the model's own best."""
        return best[:-1] == tail[1:] and best[-1] in self._network.stops

    def _feed(self, wanted: list, logits: np.ndarray, best: dict) -> None:
        """Give every tree the logits (B, n, 12) of the strings it wanted.

        ``best``: (conversation, string) to the best token of all, where it was asked for.
        """
        for b, (tree, strings) in enumerate(zip(self.trees, wanted, strict=True)):
            for i, text in enumerate(strings):
                tree.feed(text, logits[b, i], self._names.get(best.get((b, i))))

    def _extend(self, wanted: list, tails: list, longest: int) -> torch.Tensor:
        """Read tails, then the wanted strings' last characters: states (B, n, width).

        Tails are padded to one length, so that the strings begin at the same row for all.
        """
        # The mask of a conversation that reads the tail "2", " m" of its greedy number 3.42 (whose
        # "3", "." and "4" earlier passes have read) and the strings "3.5" and "3.51":
        #
        #           question, lead | 3  .  4 | 2  m | 3.5  3.51
        #   "2"           1        | 1  1  1 | 1  0 |  0    0
        #   " m"          1        | 1  1  1 | 1  1 |  0    0
        #   "3.5"         1        | 1  1  0 | 0  0 |  1    0
        #   "3.51"        1        | 1  1  0 | 0  0 |  1    1
        #
        # A string's row holds its last character, at the position of its length; parents come
        # before children in ``wanted``, so a child may see its parent's row of the same pass.
        conversation, said = self._conversation, len(self._lead.tokens)
        start, begun_at = conversation.cache.length, conversation.length + said
        batch, n = len(wanted), longest + max(len(strings) for strings in wanted)
        # Padding rows (of shorter tails, of fewer strings) are read too and looked at by nobody;
        # they see the question, so that no softmax is over nothing.
        ids = np.zeros((batch, n), np.int64)
        depth = np.zeros((batch, n), np.int64)
        mask = np.zeros((batch, n, start + n), bool)
        mask[..., :begun_at] = True
        for b, (begun, tail) in enumerate(tails):
            ids[b, : len(tail)] = tail
            depth[b, :longest] = len(begun) + np.arange(longest)
            mask[b, :longest, self._places[b][begun]] = True
            mask[b, :longest, start : start + longest] = np.tri(longest, dtype=bool)
        for b, strings in enumerate(wanted):
            for i, text in enumerate(strings, longest):
                seen = self._places[b][text] = [*self._places[b][text[:-1]], start + i]
                ids[b, i] = self._tokens[text[-1]]
                depth[b, i] = len(text) - 1
                mask[b, i, seen] = True
        positions = depth + conversation.next_position + said
        return self._network.step(conversation, ids, positions, mask)

    def _tail(self, text: str, prompt: Prompt) -> tuple:
        """Return the number without its last character, and the reply's tokens from that one on.

        No tokens when the reply with this number does not begin as it was read.
        """
        reply = self._network.encode(prompt.reply.replace(SLOT, text))
        begin = [*self._lead.tokens, *(self._tokens[c] for c in text)]
        return text[:-1], reply[len(begin) - 1 :] if reply[: len(begin)] == begin else []
