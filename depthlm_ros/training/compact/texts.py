"""The text that the tokenizer is trained on: every template with every name."""

from depthlm_ros.models.compact.tokenizer import train_tokenizer
from depthlm_ros.prompting.prompts import prompt
from depthlm_ros.training.compact import conversations
from depthlm_ros.training.compact.names import THINGS

VOCABULARY = 640


def corpus() -> list[str]:
    """Return lines of all kinds of questions and replies."""
    lines = []
    for forms in THINGS.values():
        for word in forms:
            for template in (*conversations.POINT, *conversations.IS_THERE, *conversations.COUNT):
                lines.append(template.format(word))
            lines += [template.format(word, one=word) for template in conversations.FIND]
            lines += [f"a {word} {side};" for side in ("on the left", "on the right", "ahead")]
            lines += [
                f"the {which} {word}" for which in ("nearest", "farthest", "leftmost", "rightmost")
            ]
    asked = prompt()
    marker = [
        asked.question,
        asked.answer(3.21),
        *conversations.DESCRIBE,
        "Yes.",
        "No.",
        "Nothing I know.",
    ]
    marker += [
        f"{question} {conversations.TAGS.format(unit=unit)}"
        for question in conversations.MARKER_QUESTIONS
        for unit in ("meter", "second", "meters per second")
    ]
    return lines + (marker + list(conversations.MARKER_REPLIES)) * 20


def make_tokenizer():
    """Train the tokenizer of a new model."""
    return train_tokenizer(corpus(), VOCABULARY)
