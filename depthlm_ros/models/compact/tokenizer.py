"""The compact model's tokenizer and the form of its conversations.

Byte-level BPE over a small vocabulary; digits stand alone, as in Qwen's tokenizers, so that
numbers are read and written digit by digit. Any text can be written in it; words that training
never used fall into letters.
"""

from tokenizers import AddedToken
from transformers import PreTrainedTokenizerFast

from depthlm_ros.models.weights.byte_level_bpe import train_byte_level_bpe

PAD, ASK, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPECIAL_TOKENS = (PAD, ASK, END)
PIECES = (
    '[{"point_2d": [',
    '[{"bbox_2d": [',
    '], "label": "',
    '"}, {"bbox_2d": [',
    '"}]',
    ", ",
    "<think> ",
    " </think>\n\n<answer> ",
    " </answer>",
    "[]",
)
"""One token each: the fixed parts of replies."""


def train_tokenizer(texts, vocabulary: int = 512) -> PreTrainedTokenizerFast:
    """Train on ``texts``, deterministically; ids 0..2 are SPECIAL_TOKENS.

    ``vocabulary``: ids in all, PIECES included.
    """
    tokenizer = train_byte_level_bpe(texts, SPECIAL_TOKENS, vocabulary - len(PIECES))
    tokenizer.add_tokens([AddedToken(piece, normalized=False) for piece in PIECES])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        clean_up_tokenization_spaces=False,
    )


def question_ids(tokenizer, questions: list[str]) -> list[list[int]]:
    """Return the ids of questions with what asks for the reply; they follow the image tokens.

    Special tokens in a question are taken apart, which prevents prompt injection.
    """
    escape_special_tokens = [question.replace("<|", "< |") for question in questions]
    ask = tokenizer.convert_tokens_to_ids(ASK)
    return [
        [*ids, ask]
        for ids in tokenizer(escape_special_tokens, add_special_tokens=False)["input_ids"]
    ]


def reply_ids(tokenizer, replies: list[str]) -> list[list[int]]:
    """Return the ids of replies with their end."""
    end = tokenizer.convert_tokens_to_ids(END)
    return [[*ids, end] for ids in tokenizer(replies, add_special_tokens=False)["input_ids"]]
