"""Byte-level BPE tokenizers trained on the spot: of the compact model and of tests' tiny ones."""

from collections.abc import Iterable, Sequence

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

DIGITS_ALONE = r"\d| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+"
"""Pieces that no token spans: digits stand alone, as in Qwen's tokenizers."""


def train_byte_level_bpe(
    texts: Iterable[str], special: Sequence[str], vocabulary: int, pieces: str = DIGITS_ALONE
) -> Tokenizer:
    """Train a tokenizer on ``texts``, deterministically; any text can be written in it.

    ``special``: tokens of ids 0.. in their order. ``vocabulary``: ids in all. ``pieces``: pattern
    of the pieces that a text is split into first.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pieces), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(special),
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer
