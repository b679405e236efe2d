"""The chat template that a checkpoint brings, compared with its family's.

A conversation is put together here, not by the template: a template is a program, and a question
must not reach into it. So a checkpoint whose template writes another conversation is refused by
name, unless the option ``chat_template=family`` says that its own is not what it was trained with.
"""

import json
from pathlib import Path

from depthlm_ros.status import Code, StatusError

SYSTEM = "You are a helpful assistant."
_QUESTION = "How far is this point?"
_SHOWN = 160


def check_template(
    choice: str, tokenizer, folder: Path, expected, system: str | None = None
) -> None:
    """Refuse a template under which a question reads otherwise than ``expected(question)``.

    ``choice``: "check" or "family". ``tokenizer``: with its ``chat_template``, None where it has
    none. ``system``: the family's system prompt. Raises StatusError(MODEL_ERROR).
    """
    template = _template(tokenizer, folder)
    if choice == "family" or not template:
        return
    user = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": _QUESTION}]}
    before = [{"role": "system", "content": [{"type": "text", "text": system}]}] if system else []
    wanted = expected(_QUESTION)
    try:
        found = tokenizer.apply_chat_template(
            [*before, user],
            chat_template=template,
            tokenize=False,
            add_generation_prompt=True,
        )
    except Exception as error:  # a template is a program, and may fail in every way
        found = f"{type(error).__name__}: {error}"
    if found != wanted:
        raise StatusError(
            Code.MODEL_ERROR,
            f"{folder}: its chat template writes {found[:_SHOWN]!r}, and the family's "
            f"conversation is {wanted[:_SHOWN]!r}: fetch the checkpoint again, or, where it was "
            "trained with the family's, set the model option chat_template=family",
        )


def _template(tokenizer, folder: Path) -> str:
    """Return the template of the tokenizer's files, or of the processor's older one."""
    own = getattr(tokenizer, "chat_template", None)
    older = folder / "chat_template.json"
    if not own and older.is_file():
        try:
            own = json.loads(older.read_text(encoding="utf-8"))["chat_template"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            text = f"{older} holds no chat template ({error}): fetch the checkpoint again"
            raise StatusError(Code.MODEL_ERROR, text) from error
    if isinstance(own, dict):  # several, by name
        own = own.get("default") or next(iter(own.values()), "")
    return own or ""
