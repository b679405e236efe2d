"""The JSON of a model's reply: in a code fence, bare, or behind words."""

import json
import re
from typing import Any

MAX_REPLY = 20_000
_FENCE = re.compile(r"```(?:json)?\s*(.*?)\s*(?:```|$)", re.DOTALL)


class NoJsonError(ValueError):
    """A reply holds no JSON at all; ``body``: what it says instead."""

    def __init__(self, body: str):
        super().__init__("no JSON")
        self.body = body


def first_json(reply: str, opens: str = "[{") -> Any:
    """Return the first list or object of a reply, of which MAX_REPLY characters are read.

    ``opens``: the signs that it may begin with. Raises NoJsonError without one, ValueError where
    it is broken or was cut off.
    """
    text = reply[:MAX_REPLY].strip()
    fenced = _FENCE.search(text)
    body = fenced[1] if fenced else text
    begin = min((at for at in map(body.find, opens) if at >= 0), default=-1)
    if begin < 0:
        raise NoJsonError(body)
    try:
        value, _ = json.JSONDecoder().raw_decode(body[begin:])
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return value
