"""Which number a language model means: its digits' probabilities, kept as a tree of digit strings.

Knows characters and probabilities; no network and no tokens. A model that has been led up to a
number gives, for every string of digits written so far, the probabilities of the next character.
``NumberTree`` says which strings are worth asking about, takes the probabilities, and in the end
gives a ``Number``: the greedy reading, a mean, and an interval that holds 90 % of the mass.

Method. Numbers are written as 1 to ``MAX_INTEGER`` digits, then optionally a point and up to two
decimals (the trained form has both). Each step's probabilities are those of the characters that
may follow, renormalised. Strings are expanded in order of what they leave open (probability times
the relative width of their values) until the sum of it is at most ``OPEN``, at most ``WIDTH``
a round, for ``ROUNDS`` rounds; the greedy string is always among them. With every integer string
its point is asked about in the same round, which saves a round for each number.
For example: after "2" and "2." were asked about, P(2) = 0.9, P(.|2) = 1 and P(5|2.) = 0.8, so the
string "2.5" has mass 0.72. If it is not expanded, it counts as 0.72 spread over [2.5, 2.6).
A finished string of mass m counts as m spread evenly over the values that round to it; a string
cut after its point counts evenly over the decimals that it leaves open; what is cut before its
point could still become any longer number and counts as not covered.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

ALPHABET = "0123456789.|"
"""The characters of a number; the bar stands for whatever ends it."""
END, POINT = ALPHABET.index("|"), ALPHABET.index(".")
MAX_INTEGER = 3
DECIMALS = 2
OPEN = 0.01
"""Strings are expanded until what they leave open, see the method, sums to no more than this."""
WIDTH = 12
ROUNDS = 5
"""After so many rounds only an unfinished greedy string is taken further."""
TRIM = 0.05
"""The share of mass below and above the interval."""
_NOTHING = 1e-9
COVERED = 0.9
"""Below this share of covered mass there is no interval."""


@dataclass(frozen=True)
class Number:
    """A number as a model sees it.

    ``value``: of the greedy string; ``text``: that string. ``low``, ``high``: the 5 % and 95 %
    quantiles of the distribution, widened where needed to hold ``value``; ``mean``: of what lies
    between the quantiles, since one stray digit beyond is worth a factor of ten; all three NaN
    when less than ``COVERED`` of the mass was seen. ``covered``: the mass seen. ``follows``: at no
    step of the greedy string did another token beat its characters.
    """

    value: float
    text: str
    mean: float
    low: float
    high: float
    covered: float
    follows: bool


def allowed(text: str) -> np.ndarray:
    """Tell which characters of ``ALPHABET`` may follow ``text``, bool (12,), read-only."""
    integer, point, decimals = text.partition(".")
    return _allowed(min(len(integer), MAX_INTEGER), integer == "0", len(point + decimals))


@cache
def _allowed(integer: int, is_zero: bool, after: int) -> np.ndarray:
    """``integer``: digits before the point; ``after``: characters from the point on."""
    may = np.zeros(len(ALPHABET), bool)
    if after:
        may[:10] = after <= DECIMALS
        may[END] = 1 < after <= DECIMALS
    else:
        may[:10] = integer < MAX_INTEGER and not is_zero
        may[[POINT, END]] = integer > 0
    may.flags.writeable = False
    return may


def finished(text: str) -> bool:
    """Return whether nothing can follow ``text``: it ended or has all its decimals."""
    return text.endswith("|") or text[-DECIMALS - 1 : -DECIMALS] == "."


class NumberTree:
    """Grow the strings of one number; see the module.

    Use: ``wanted`` names strings; give their next-character logits to ``feed``; until ``wanted``
    is empty; then ``number()``.
    """

    def __init__(self):
        self._next = {}  # string -> probabilities of the next character (12,)
        self._mass = {"": 1.0}  # string -> its probability
        self._open = {}  # unexpanded string -> what it leaves open
        self._rounds = 0
        self._greedy = ""
        self._follows = True
        self._best = {}

    def feed(self, text: str, logits, best: str | None = None) -> None:
        """Take the logits (12,) of the characters after ``text``; parents before children.

        ``best``: the character that is the model's best token of all, None when that is no
        character of a number. Only looked at along the greedy string: see ``may_be_greedy``.
        """
        # A softmax over the characters that may follow: what else the model would write has no
        # share. ``may_be_greedy`` and ``best`` notice where that changed the outcome.
        scores = np.where(allowed(text), np.asarray(logits, np.float64), -np.inf)
        weights = np.exp(scores - scores.max())
        self._next[text] = p = weights / weights.sum()
        self._open.pop(text, None)
        mass = self._mass[text]
        for character, share in zip(ALPHABET, p.tolist(), strict=True):
            if share > 0:
                child = text + character
                self._mass[child] = mass * share
                if mass * share > _NOTHING and not finished(child):
                    self._open[child] = mass * share * _openness(child)
        self._best[text] = best
        # Children can be fed before the greedy string has reached them, so it may grow by several
        # characters at once.
        while self._greedy in self._next and not finished(self._greedy):
            character = ALPHABET[int(self._next[self._greedy].argmax())]
            self._follows &= self._best[self._greedy] == character
            self._greedy += character

    def greedy(self) -> str:
        """Return the string of best characters as far as it is known."""
        return self._greedy

    def may_be_greedy(self, text: str) -> bool:
        """Return whether ``text`` is, or could after this round be, part of the greedy string."""
        return self._greedy.startswith(text) or text == self._greedy + "."

    def wanted(self) -> list:
        """Begin a round: the strings to ask about, parents before children; empty when done."""
        self._rounds += 1
        if not self._next:
            return [""]
        chosen = [] if finished(self._greedy) else [self._greedy]
        # Expand the strings that leave most open first, until little enough is left (OPEN), the
        # pass is full (WIDTH) or the rounds are used up.
        left = sum(self._open.values()) - sum(self._open.get(text, 0.0) for text in chosen)
        if self._rounds <= ROUNDS:
            for text in sorted(self._open, key=self._open.get, reverse=True):
                if left <= OPEN or len(chosen) >= WIDTH:
                    break
                if text not in chosen:
                    chosen.append(text)
                    left -= self._open[text]
        # "2." is asked about with "2": its probability is not known yet, but its decimals are
        # needed in nearly every number, and a pass costs more than some rows in it.
        points = [text + "." for text in chosen if "." not in text]
        return chosen + points

    def _pieces(self) -> tuple:
        """Return the covered mass as (lower, upper, mass) arrays."""
        lower, width, mass = [], [], []
        for text, p in self._next.items():
            shares = self._mass[text] * p
            step = 10.0 ** -len(text.partition(".")[2])  # value of the last digit: 1, 0.1, 0.01
            if shares[END] > _NOTHING:
                # Ended here: a rounded number, its value lies half a step to either side.
                lower.append([max(0.0, float(text) - step / 2)])
                width.append([step])
                mass.append(shares[END:])
            if "." in text:
                # Children that were not expanded themselves: cut off ("2.4" means 2.40 to 2.50),
                # or finished and so rounded ("2.45" means 2.445 to 2.455).
                digits = [d for d in range(10) if text + ALPHABET[d] not in self._next]
                step /= 10
                shift = step / 2 if finished(text + "0") else 0.0
                values = float(text) + step * np.array(digits, np.float64) - shift
                lower.append(np.maximum(values, 0.0))
                width.append(np.full(len(digits), step))
                mass.append(shares[digits])
        lower, width, mass = (
            np.concatenate([*part, np.zeros(0)]) for part in (lower, width, mass)
        )
        return lower, lower + width, mass

    def number(self) -> Number:
        """Return what the strings say."""
        text = self._greedy.rstrip("|")
        value = float(text)
        lower, upper, mass = self._pieces()
        covered = float(mass.sum())
        if covered < COVERED:
            return Number(value, text, math.nan, math.nan, math.nan, covered, self._follows)
        # A piecewise linear distribution function: quantiles by interpolation, and the mean of
        # what lies between them as the sum of (mass of a piece) x (its middle).
        edges, below = _distribution(lower, upper, mass / covered)
        low, high = np.interp((TRIM, 1 - TRIM), below, edges).tolist()
        inside = np.concatenate([[low], edges[(edges > low) & (edges < high)], [high]])
        kept = np.diff(np.interp(inside, edges, below))
        mean = float((kept * (inside[1:] + inside[:-1])).sum() / 2 / kept.sum())
        return Number(value, text, mean, min(low, value), max(high, value), covered, self._follows)


def _openness(text: str) -> float:
    """Return how far a string leaves its number open, 0..1: the relative width of its values."""
    if "." not in text:
        return 1.0
    step = 10.0 ** -len(text.partition(".")[2])
    return min(1.0, step / (float(text) + step))


def _distribution(lower, upper, mass) -> tuple:
    """Return values in order and the mass below each, of evenly spread pieces."""
    # Pieces may overlap. Each adds its density at its lower edge and takes it away at its upper
    # one; the running sum is the density between neighbouring edges, summed once more the mass.
    edges, at = np.unique(np.concatenate([lower, upper]), return_inverse=True)
    slope = mass / np.maximum(upper - lower, 1e-12)
    change = np.bincount(at, np.concatenate([slope, -slope]), len(edges))
    below = np.concatenate([[0.0], np.cumsum(np.cumsum(change)[:-1] * np.diff(edges))])
    return edges, below / below[-1]
