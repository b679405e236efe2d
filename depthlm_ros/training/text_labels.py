"""Which tokens of a conversation are learned: the label masks of both papers' code.

Labels are the token ids where a token is to be learned, else -100; transformers shifts them.
"""

import torch

NOT_LEARNED = -100
MASKS = ("reply", "published")


def depthlm_labels(
    ids: list[int], prompt_tokens: int, reply_end: int, image_ids: set, mask: str
) -> list[int]:
    """Return the labels of one DepthLM conversation (DepthLM's collator).

    ``ids``: all tokens without padding, of which ``prompt_tokens`` come before the reply, and the
    reply with its end mark up to ``reply_end``. "reply": those alone. "published": every token but
    the image's, so that system text, question and headers are learned too.
    """
    if mask == "published":
        return [NOT_LEARNED if token in image_ids else token for token in ids]
    kept = range(prompt_tokens, reply_end)
    return [token if at in kept else NOT_LEARNED for at, token in enumerate(ids)]


def depthvlm_labels(
    ids: list[int], prompt_tokens: int, image_tokens: int, image_id: int, mask: str
) -> list[int]:
    """Return the labels of one DepthVLM conversation (DepthVLM's collator).

    ``prompt_tokens``: before the reply, the image's ``image_tokens`` among them. "reply": the
    reply. "published": the image's tokens are masked, and the first n, where n is the prompt's
    length with ONE placeholder for the image: the mask ends among the image's tokens, and the
    question stays in the loss.
    """
    if mask == "published":
        masked = prompt_tokens - image_tokens + 1
        return [
            NOT_LEARNED if at < masked or token == image_id else token
            for at, token in enumerate(ids)
        ]
    return [token if at >= prompt_tokens else NOT_LEARNED for at, token in enumerate(ids)]


def padded(rows: list[list[int]], fill: int, left: bool = False) -> torch.Tensor:
    """Return rows of unlike length as int64 (B, L), padded on the right (training) or left."""
    longest = max(len(row) for row in rows)
    out = torch.full((len(rows), longest), fill, dtype=torch.long)
    for index, row in enumerate(rows):
        at = slice(longest - len(row), None) if left else slice(0, len(row))
        out[index, at] = torch.tensor(row, dtype=torch.long)
    return out
