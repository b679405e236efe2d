"""Numbers from digit probabilities, against an exhaustive enumeration of made-up models."""

import itertools
import math

import numpy as np
import pytest

from depthlm_ros.models.depthlm.number_distribution import ALPHABET, NumberTree, allowed, finished


def _tree(model) -> NumberTree:
    """Run a tree against ``model``: string -> probabilities (12,)."""
    tree = NumberTree()
    while wanted := tree.wanted():
        for text in wanted:
            logits = np.log(np.maximum(model(text), 1e-300))
            tree.feed(text, logits, ALPHABET[int(np.argmax(model(text)))])
    return tree


def _certain(string):
    def model(text):
        p = np.full(12, 1e-9)
        p[ALPHABET.index((string + "|")[len(text)]) if string.startswith(text) else 0] = 1
        return p

    return model


@pytest.mark.parametrize("string", ["3.42", "0.05", "12.30", "104.99", "7", "9.5"])
def test_a_certain_model_is_read_exactly(string):
    number = _tree(_certain(string)).number()
    half = 0.5 * 10.0 ** -len(string.partition(".")[2])
    assert (number.text, number.value, number.follows) == (string, float(string), True)
    assert number.covered == pytest.approx(1, abs=1e-6)
    assert number.mean == pytest.approx(float(string), abs=1e-6)
    assert number.low == pytest.approx(float(string) - 0.9 * half, abs=1e-6)
    assert number.high == pytest.approx(float(string) + 0.9 * half, abs=1e-6)


def test_two_equal_guesses_give_an_interval_over_both():
    def model(text):
        p = np.full(12, 1e-12)
        if text == "":
            p[[2, 4]] = 0.55, 0.45
        else:
            p[{1: 10, 2: 0, 3: 0}[len(text)]] = 1
        return p

    number = _tree(model).number()
    assert number.value == 2.0
    assert number.mean == pytest.approx((0.5 * 2 + 0.4 * 4) / 0.9, abs=1e-3)
    assert number.low == pytest.approx(1.995 + 0.05 / 0.55 * 0.01, abs=1e-6)
    assert number.high == pytest.approx(4.005 - 0.05 / 0.45 * 0.01, abs=1e-6)


def _spread(seed):
    """Make a model with digits spread over neighbours and both one- and two-digit metres."""
    peaks = np.random.default_rng(seed).integers(0, 10, 6)

    def model(text):
        p = np.exp(-1.2 * np.abs(np.arange(12) - peaks[len(text)]))
        p[10] = 0.0
        if text and "." not in text:
            p *= 0.15 / p[:10].sum() * (len(text) < 2)
            p[10] = 1.0
        p[11] = 1e-9 if text and "." not in text else 0
        return np.where(allowed(text), p, 0) / np.where(allowed(text), p, 0).sum()

    return model


def _everything(model):
    """Enumerate every number of up to two integer digits with its exact probability."""
    for n in (1, 2):
        for digits in itertools.product("0123456789", repeat=n + 2):
            string = "".join(digits[:n]) + "." + "".join(digits[n:])
            yield (
                float(string),
                math.prod(
                    model(string[:i])[ALPHABET.index(string[i])] for i in range(len(string))
                ),
            )


@pytest.mark.parametrize("seed", range(4))
def test_mean_and_interval_agree_with_enumeration(seed):
    model = _spread(seed)
    values, p = np.array(sorted(_everything(model))).T
    assert p.sum() == pytest.approx(1, abs=1e-6)
    number = _tree(model).number()
    assert number.covered > 0.95
    upto = np.cumsum(p)
    kept = np.clip(upto, 0.05, 0.95) - np.clip(upto - p, 0.05, 0.95)
    assert number.mean == pytest.approx((values * kept).sum() / kept.sum(), rel=0.03)
    inside = p[(values >= number.low - 0.005) & (values <= number.high + 0.005)].sum()
    assert 0.87 < inside < 0.94


def test_greedy_follows_only_when_no_other_token_wins():
    tree, model = NumberTree(), _certain("3.42")
    while wanted := tree.wanted():
        for text in wanted:
            tree.feed(
                text,
                np.log(model(text)),
                None if text == "3." else (ALPHABET[int(np.argmax(model(text)))]),
            )
    assert tree.number().text == "3.42"
    assert not tree.number().follows


def test_a_model_without_opinion_gets_no_interval():
    number = _tree(lambda text: np.full(12, 1 / 12)).number()
    assert number.covered < 0.9
    assert math.isnan(number.low) and math.isnan(number.high) and math.isnan(number.mean)


def test_grammar():
    assert [c for c, a in zip(ALPHABET, allowed(""), strict=True) if a] == list("0123456789")
    assert [c for c, a in zip(ALPHABET, allowed("0"), strict=True) if a] == [".", "|"]
    assert allowed("12").all()
    assert [c for c, a in zip(ALPHABET, allowed("123"), strict=True) if a] == [".", "|"]
    assert [c for c, a in zip(ALPHABET, allowed("1."), strict=True) if a] == list("0123456789")
    assert not allowed("1.2")[10] and allowed("1.2")[11]
    assert finished("1.25") and finished("1|") and not finished("1.2") and not finished("1.")


def test_few_rounds_are_needed():
    tree, model, rounds = NumberTree(), _certain("3.42"), 0
    while wanted := tree.wanted():
        rounds += 1
        for text in wanted:
            tree.feed(text, np.log(model(text)))
    assert rounds == 3, "the first digit, its point with it, the decimals"
