"""What can be set about a model: one table, for Python, the command line and the node.

Knows names, kinds, ranges and which family has what; loads no torch. What an option does is the
business of the class that takes it (``models/depthlm/model.py``, ``models/depthvlm/model.py``).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike

from depthlm_ros.models.option_types import Choice, Count, Flag, MarkerOption, Option, shorten
from depthlm_ros.prompting.marker import ON_MARGIN, SHAPES, Marker
from depthlm_ros.prompting.prompts import Style
from depthlm_ros.status import Code, StatusError

DEPTHVLM, DEPTHLM, COMPACT = "DepthVLM", "DepthLM", "compact DepthVLM"
FAMILIES = {
    "compact": COMPACT,
    "depthvlm": DEPTHVLM,
    "depthlm-qwen2.5-vl": DEPTHLM,
    "depthlm-pixtral": DEPTHLM,
}
"""Checkpoint format (``checkpoint.py``) to family."""
BOTH = (DEPTHVLM, DEPTHLM)
ALL = (*BOTH, COMPACT)
LIST = "`depthlm models --options` tells them all"
_BESIDE = ("model", "name", "device", "dtype", "quantize", "revision")


@dataclass(frozen=True)
class FilePath(Option):
    """The path of a file."""

    @property
    def values(self) -> str:
        """The form."""
        return "FILE" + self._or_none()

    def _read(self, value) -> str:
        if not isinstance(value, str | PathLike) or not str(value) or "\0" in str(value):
            raise self.refusal(value, "must be the path of a file")
        return str(value)


OPTIONS = (
    Choice(
        "style",
        Style.PUBLISHED.value,
        (DEPTHLM,),
        "how the question is asked: as trained, or in one of the paper's other forms",
        choices=tuple(style.value for style in Style),
    ),
    MarkerOption(
        "marker",
        Marker(),
        (DEPTHLM,),
        f"what is drawn at the pixel: {', '.join(SHAPES)}; length and stroke in px; the "
        "published question speaks of a red arrow",
    ),
    Choice(
        "on_margin",
        "flip",
        (DEPTHLM,),
        "where a marker does not fit at the border: lay it on another side, pad the picture, "
        "or refuse the pixel",
        choices=ON_MARGIN,
    ),
    Choice(
        "decoding",
        "number",
        (DEPTHLM,),
        "decode the number alone, checked, or always the whole reply",
        choices=("number", "full"),
    ),
    Choice(
        "estimate",
        "greedy",
        (DEPTHLM,),
        "the published reading, or the mean of the digits' distribution",
        choices=("greedy", "mean"),
    ),
    Choice(
        "check",
        "reply",
        (DEPTHLM,),
        "how much of the reply must follow the template: all of it, or up to the number",
        choices=("reply", "lead"),
    ),
    Count(
        "longest_edge",
        None,
        (DEPTHLM,),
        "cap on the picture's longer side, accounted for in the distance",
        low=112,
        high=65536,
        unit="px",
    ),
    Count(
        "max_pixels",
        None,
        ALL,
        "cap on the area of the picture that the model sees, where memory is short",
        low=4096,
        high=2**28,
        unit="px",
    ),
    Count(
        "memory_bytes",
        None,
        (DEPTHLM,),
        "what a batch of queries may take beside the weights; none: half of what the GPU has "
        "free, 1 GiB on a CPU",
        low=10**6,
    ),
    Count(
        "max_tokens",
        128,
        (DEPTHLM,),
        "tokens that a reply decoded in full may have",
        low=1,
        high=4096,
    ),
    Flag(
        "published_preprocessing",
        False,
        (DEPTHVLM,),
        "resample as the published demo does, not once on the device",
    ),
    Flag(
        "keep_frame",
        None,
        (DEPTHVLM, COMPACT),
        "hold the last picture's keys and values, so that questions about it cost less; auto: "
        "where the model can write",
        none="auto",
    ),
    Choice(
        "chat_template",
        "check",
        BOTH,
        "whether a chat template in the checkpoint must write the family's conversation, or "
        "the family's is taken whatever it says",
        choices=("check", "family"),
    ),
    Choice(
        "answers",
        "distance",
        (DEPTHLM,),
        "what the model's metres are: along the straight line to the point, or along the "
        "camera's axis; published labels hold both (docs/depthlm.md)",
        choices=("distance", "depth"),
    ),
    FilePath(
        "calibration",
        None,
        ALL,
        "the file that `depthlm calibrate` wrote; none: calibration.json beside the weights, "
        "where it is",
    ),
    Flag(
        "trust_template",
        False,
        (DEPTHLM,),
        "make the checks and ignore them: for the speed of random weights",
        by_text=False,
    ),
)


def visible() -> list[Option]:
    """Return the options that can be set by text."""
    return [option for option in OPTIONS if option.by_text]


def parse_pairs(texts: Iterable[str]) -> dict[str, str]:
    """Return name to text of ``name=value`` each; ``checked`` reads them.

    Raises StatusError(MODEL_NOT_READY) for what has another form, a name that comes twice, and
    what is set beside a model and not of it (device, dtype and the like).
    """
    found = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise _refused(
                f"model option {shorten(text)}: must be name=value, as in max_pixels=500000; "
                f"{LIST}"
            )
        if name in _BESIDE:
            own = "model" if name == "name" else name
            raise _refused(
                f"model option {shorten(text)}: {own} is not set among a model's options; "
                f"give --{own}, or the node's parameter {own}"
            )
        if name in found:
            raise _refused(
                f"model option {name}: is given twice, as {shorten(found[name])} and "
                f"{shorten(value)}; give it once"
            )
        found[name] = value
    return found


def validate(family: str, options: dict) -> dict:
    """Return options in their own types, for the class of a family.

    ``options``: by name; a value of the option's type, or its text. Raises
    StatusError(MODEL_NOT_READY) with value, rule and what this family has.
    """
    table = {option.name: option for option in OPTIONS}
    read = {}
    for name, value in options.items():
        option = table.get(name)
        if option is None or not option.by_text and isinstance(value, str):
            raise _refused(
                f"model option {shorten(name)}: there is no such option; {_has(family)}"
            )
        if family not in option.families:
            raise _refused(
                f"model option {name} = {shorten(value)}: is of {option.families[0]} alone, and "
                f"this model is a {family}; {_has(family)}"
            )
        read[name] = option.read(value)
    if rule := _broken_together(read):
        raise _refused(rule)
    return read


def _broken_together(read: dict) -> str:
    """Return the rule that options break together, or ""."""
    whole = [
        name
        for name, word in (("decoding", "full"), ("style", Style.RAY.value))
        if read.get(name) == word
    ]
    if read.get("estimate") == "mean" and whole:
        return (
            f"model option estimate = 'mean': has no digits to take the mean of with "
            f"{whole[0]} = {read[whole[0]]!r}, which decodes the whole reply; leave one out"
        )
    return ""


def _has(family: str) -> str:
    names = ", ".join(option.name for option in visible() if family in option.families)
    return f"a {family} has {names} ({LIST})"


def _refused(text: str) -> StatusError:
    return StatusError(Code.MODEL_NOT_READY, text)
