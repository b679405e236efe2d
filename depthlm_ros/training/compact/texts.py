"""The text that the tokenizer is trained on: every template with every name."""

from depthlm_ros.models.compact.tokenizer import train_tokenizer
from depthlm_ros.prompting.prompts import Style, prompt
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
            lines += [template.format(word) for template in conversations.FIND]
            lines += [f"a {word} {side};" for side in ("on the left", "on the right", "ahead")]
            lines += [
                f"the {which} {word}" for which in ("nearest", "farthest", "leftmost", "rightmost")
            ]
    marker = [*conversations.DESCRIBE, "Yes.", "No.", "Nothing I know."]
    for task in conversations.MARKER_TASKS:
        asked = prompt(task, Style.MULTITASK, time_s=4.0, speed_m_s=6.0)
        marker += [asked.question, asked.answer(3.21)]
    return lines + marker * 20


def make_tokenizer():
    """Train the tokenizer of a new model."""
    return train_tokenizer(corpus(), VOCABULARY)
