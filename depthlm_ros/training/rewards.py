"""The rewards of DepthLM's reinforcement learning (its section 3 and figure 3a): pure Python.

One reward for the form of the reply, and one of four for its number. A reply without one number
that can be read strictly is rewarded as an answer of 0 m would be.
"""

import re
from collections.abc import Callable, Sequence

from depthlm_ros.prompting.parsing import parse_answer
from depthlm_ros.status import Code, StatusError

WITHIN = 1.25
_FORM = re.compile(
    r"\s*<think>(?:(?!</?think>).)*</think>\s*<answer>[^<>]*</answer>\s*", re.DOTALL
)


def format_reward(text: str) -> float:
    """Return 1 for a reply of exactly one thought and one answer in their tags, else 0."""
    return float(_FORM.fullmatch(text) is not None)


def answered_m(text: str) -> float:
    """Return the number of a reply [m], 0 where there is none."""
    value = parse_answer(text).value
    return value if value == value else 0.0


def delta1(answer_m: float, true_m: float) -> float:
    """Return 1 within a factor of 1.25, else 0."""
    return float(answer_m > 0 and max(answer_m / true_m, true_m / answer_m) < WITHIN)


def neg_abs_rel(answer_m: float, true_m: float) -> float:
    """Return minus the relative error."""
    return -abs(answer_m - true_m) / true_m


def neg_l1(answer_m: float, true_m: float) -> float:
    """Return minus the error [m]: the best of the four in the paper."""
    return -abs(answer_m - true_m)


def neg_l2(answer_m: float, true_m: float) -> float:
    """Return minus the squared error [m^2]."""
    return -((answer_m - true_m) ** 2)


REWARDS = {"delta1": delta1, "neg_abs_rel": neg_abs_rel, "neg_l1": neg_l1, "neg_l2": neg_l2}


def reward_functions(name: str) -> list[Callable]:
    """Return the two reward functions as TRL calls them: form, and the named one.

    Each takes the completions (conversations, or text) and the column ``metres``. Raises
    StatusError(UNSUPPORTED) for an unknown name.
    """
    if name not in REWARDS:
        raise StatusError(
            Code.UNSUPPORTED, f"grpo.reward = {name!r}: must be one of {list(REWARDS)}"
        )
    score = REWARDS[name]

    def form(completions: Sequence, **_) -> list[float]:
        return [format_reward(_words(c)) for c in completions]

    def number(completions: Sequence, metres: Sequence[float], **_) -> list[float]:
        pairs = zip(completions, metres, strict=True)
        return [score(answered_m(_words(c)), float(m)) for c, m in pairs]

    form.__name__, number.__name__ = "format", name
    return [form, number]


def _words(completion) -> str:
    """Return a completion's text; TRL gives a conversation where the prompt was one."""
    if isinstance(completion, str):
        return completion
    content = completion[-1]["content"]
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content)
    return content
