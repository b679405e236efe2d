"""Which number a language model means: its digits' probabilities, kept as a tree of digit strings.

Knows characters and probabilities; no network and no tokens. A model that has been led up to a
number gives, for every string of digits written so far, the probabilities of the next character.
``NumberTree`` says which strings are worth asking about, takes the probabilities, and in the end
gives a ``Number``: the greedy reading, the mean, and an interval that holds 90 % of the mass.

Method. Numbers are written as 1 to ``MAX_INTEGER`` digits, then optionally a point and up to two
decimals (the trained form has both). Each step's probabilities are those of the characters that
may follow, renormalised. Strings are expanded in order of what they leave open (probability times
the relative width of their values) until the sum of it is at most ``OPEN``, at most ``WIDTH``
a round, for ``ROUNDS`` rounds; the greedy string is always among them. With every integer string
its point is asked about in the same round, which saves a round for each number.
A finished string of mass m counts as m spread evenly over the values that round to it; a string
cut after its point counts evenly over the decimals that it leaves open; what is cut before its
point could still become any longer number and counts as not covered.
"""

import math
from dataclasses import dataclass

import numpy as np

ALPHABET = "0123456789.|"
"""The characters of a number; the bar stands for whatever ends it."""
END, POINT = ALPHABET.index("|"), ALPHABET.index(".")
MAX_INTEGER = 4
DECIMALS = 2
OPEN = 0.01
"""Strings are expanded until what they leave open, see the method, sums to no more than this."""
WIDTH = 12
ROUNDS = 5
"""After so many rounds only an unfinished greedy string is taken further."""
COVERED = 0.9
"""Below this share of covered mass there is no interval."""


@dataclass(frozen=True)
class Number:
    """A number as a model sees it.

    ``value``: of the greedy string; ``text``: that string. ``mean``, ``low``, ``high``: of the
    distribution, the latter two the 5 % and 95 % quantiles, widened where needed to hold
    ``value``; NaN when less than ``COVERED`` of the mass was seen. ``covered``: the mass seen.
    ``follows``: at no step of the greedy string did another token beat its characters.
    """

    value: float
    text: str
    mean: float
    low: float
    high: float
    covered: float
    follows: bool


def allowed(text: str) -> np.ndarray:
    """Tell which characters of ``ALPHABET`` may follow ``text``, bool (12,)."""
    may = np.zeros(len(ALPHABET), bool)
    integer, point, decimals = text.partition(".")
    if point:
        may[:10] = len(decimals) < DECIMALS
        may[END] = 0 < len(decimals) < DECIMALS
        return may
    may[:10] = len(integer) < MAX_INTEGER and integer != "0"
    may[[POINT, END]] = bool(integer)
    return may


def finished(text: str) -> bool:
    """Tell whether nothing can follow ``text``: it ended or has all its decimals."""
    return text.endswith("|") or len(text.partition(".")[2]) == DECIMALS


class NumberTree:
    """Grow the strings of one number; see the module.

    Use: ``wanted`` names strings; give their next-character logits to ``feed``; until ``wanted``
    is empty; then ``number()``.
    """

    def __init__(self):
        self._next = {}  # string -> probabilities of the next character (12,)
        self._rounds = 0
        self._argmax = {}  # string -> the model's own best token as a character, None if not one

    def feed(self, text: str, logits, best: str | None = None) -> None:
        """Take the logits (12,) of the characters after ``text``.

        ``best``: the character that is the model's best token of all, None when that is no
        character of a number. Only asked for along the greedy string: see ``may_be_greedy``.
        """
        scores = np.where(allowed(text), np.asarray(logits, np.float64), -np.inf)
        weights = np.exp(scores - scores.max())
        self._next[text] = weights / weights.sum()
        self._argmax[text] = best

    def greedy(self) -> str:
        """Return the string of best characters as far as it is known."""
        text = ""
        while text in self._next and not finished(text):
            text += ALPHABET[int(self._next[text].argmax())]
        return text

    def may_be_greedy(self, text: str) -> bool:
        """Tell whether ``text`` is, or could after this round be, part of the greedy string."""
        known = self.greedy()
        return known.startswith(text) or text == known + "."

    def _open(self) -> dict:
        """Return every unexpanded string that could be expanded, with its mass."""
        masses, found = {"": 1.0}, {}
        for text in sorted(self._next, key=len):
            for character, p in zip(ALPHABET, self._next[text], strict=True):
                child = text + character
                masses[child] = masses[text] * p
                if p > 0 and child not in self._next and not finished(child):
                    found[child] = masses[child]
        return found

    def wanted(self) -> list:
        """Begin a round: the strings to ask about, parents before children; empty when done."""
        self._rounds += 1
        if not self._next:
            return [""]
        open_ = {text: mass * _openness(text) for text, mass in self._open().items()}
        greedy = self.greedy()
        chosen = [] if finished(greedy) else [greedy]
        left = sum(open_.values()) - sum(open_[text] for text in chosen)
        for text in sorted(open_, key=open_.get, reverse=True):
            if left <= OPEN or len(chosen) >= WIDTH or self._rounds > ROUNDS:
                break
            if text not in chosen:
                chosen.append(text)
                left -= open_[text]
        points = [text + "." for text in chosen if "." not in text]
        return chosen + points

    def _pieces(self) -> tuple:
        """Return the covered mass as (lower, upper, mass) arrays."""
        pieces, masses = [], {"": 1.0}
        for text in sorted(self._next, key=len):
            for character, p in zip(ALPHABET, self._next[text], strict=True):
                child = text + character
                mass = masses[child] = masses[text] * p
                if mass == 0 or child in self._next or ("." not in child and character != "|"):
                    continue
                digits = child.rstrip("|")
                step = 10.0 ** -len(digits.partition(".")[2])
                middle = float(digits) if finished(child) else float(digits) + step / 2
                pieces.append((max(0.0, middle - step / 2), middle + step / 2, mass))
        return tuple(np.array(pieces).reshape(-1, 3).T)

    def number(self) -> Number:
        """Return what the strings say."""
        text = self.greedy()
        value = float(text.rstrip("|"))
        lower, upper, mass = self._pieces()
        covered = float(mass.sum())
        follows = all(self._argmax.get(text[:i]) == text[i] for i in range(len(text)))
        text = text.rstrip("|")
        if covered < COVERED:
            return Number(value, text, math.nan, math.nan, math.nan, covered, follows)
        mean = float((mass * (lower + upper)).sum() / 2 / covered)
        low, high = (_quantile(lower, upper, mass / covered, q) for q in (0.05, 0.95))
        return Number(value, text, mean, min(low, value), max(high, value), covered, follows)


def _openness(text: str) -> float:
    """Return how far a string leaves its number open, 0..1: the relative width of its values."""
    if "." not in text:
        return 1.0
    step = 10.0 ** -len(text.partition(".")[2])
    return min(1.0, step / (float(text) + step))


def _quantile(lower, upper, mass, q: float) -> float:
    """Return the value below which a share ``q`` of evenly spread pieces lies."""
    edges = np.unique(np.concatenate([lower, upper]))
    width = np.maximum(upper - lower, 1e-12)
    below = ((np.clip(edges[:, None], lower, upper) - lower) / width * mass).sum(axis=1)
    return float(np.interp(q, below, edges))
