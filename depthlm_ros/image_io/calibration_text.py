"""The text of a calibration file to nested tables: YAML, JSON, OpenCV's XML, and INI-like forms.

Every scalar stays a string: what is a number is decided where a number is expected, so that
``0640`` is not octal, ``1e-05`` not a word and ``no`` not a truth value. Nothing here knows what a
camera is.
"""

import json
import re
from xml.etree import ElementTree

import yaml

from depthlm_ros.image_io.calibration_datasets import dataset_table, transforms_table

MAX_BYTES = 1_000_000
"""Of a file; a longer one is read up to here where it is a dump of many messages."""
MAX_DOCUMENTS = 50
"""Documents of a dump that are looked at."""
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_BINARY = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"PK\x03\x04": "a zip archive (npz files too): write its numbers as YAML",
    b"\x1f\x8b": "a gzip archive: unpack it; cameracalibrator puts ost.yaml into it",
    b"MATLAB": "a MATLAB file: write its numbers as YAML",
    b"\x93NUMPY": "a NumPy array: write its numbers as YAML",
}
_ECHO_NOISE = re.compile(
    r"(?m)^(A message was lost!!!.*|\s*total count.*|WARNING: .*|\S*[$#>%] *ros2? ?topic echo .*|"
    r"\S*[$#>%] *rostopic echo .*)$\n?"
)
_TIGHT = re.compile(r"(?m)^([ \t]*\w+):\[")
"""``data:[``, which OpenCV takes and YAML does not: ORB-SLAM2's own settings have it."""


class TextError(ValueError):
    """The text cannot be read; says why and what to do."""


class UnknownFormError(TextError):
    """The text is of none of the forms that are read; the reader says which ones are."""


def tables_of(data: bytes) -> list[dict]:
    """Return the tables (one a document) in the bytes of a file, all scalars as strings.

    Raises TextError for what is no text, empty, too long, broken, or no table, FieldError for a
    data set's calibration with a field that is not what it should be.
    """
    text = _decoded(data)
    stripped = text.lstrip()
    if stripped.startswith("<"):
        return [_xml(stripped)]
    if stripped.startswith(("{", "[")):
        found = _json(stripped)
        if isinstance(found, list) and found and all(isinstance(item, dict) for item in found):
            return [{f"camera{i}": item for i, item in enumerate(found)}]
        if isinstance(found, dict):
            return [transforms_table(found) or found]
    if _is_ost(stripped):
        return [_ost(stripped)]
    if re.search(r"(?m)^\[(LEFT|RIGHT)_CAM_\w+\]\s*$", text):
        return [_zed(text)]
    if (table := dataset_table(text)) is not None:
        return [table]
    return _yaml(text)


def _decoded(data: bytes) -> str:
    for signature, what in _BINARY.items():
        if data.startswith(signature):
            raise TextError(f"it is {what}")
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        # A byte order mark or a comment in another encoding is no reason to refuse numbers.
        if b"\0" in data:
            raise TextError("it is a binary file, not text") from error
        text = data.decode("latin-1")
    if "\0" in text:
        raise TextError("it is a binary file, not text")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise TextError("it is empty")
    return text


# -- YAML and JSON ----------------------------------------------------------------------------


def _yaml(text: str) -> list[dict]:
    """Read all documents; broken ones beside good ones are left out (a dump that was cut)."""
    text = re.sub(r"\A(\s*(#.*)?\n)*%YAML.*\n", "", text)  # OpenCV's "%YAML:1.0" is no YAML
    text = _TIGHT.sub(r"\1: [", _ECHO_NOISE.sub("", text)).replace("\t", "    ")
    found, broken = [], ""
    for part in re.split(r"(?m)^---(?=\s|$)", text)[: MAX_DOCUMENTS + 1]:
        if not _says_something(part):
            continue
        try:
            table = yaml.load(part, _Loader)
        except (yaml.YAMLError, RecursionError) as error:
            broken = broken or " ".join(str(error).split())[:160] or type(error).__name__
            continue
        if isinstance(table, dict):
            found.append(table)
    if not found:
        raise UnknownFormError(_what_is_wrong(text, broken))
    return found


def _what_is_wrong(text: str, broken: str) -> str:
    """Say why a text gave no table; ``broken``: what the YAML parser said, "" for nothing."""
    if "Intrinsic of" in text and "PPX" in text:
        return (
            "it is the text of rs-enumerate-devices: give the CameraInfo that realsense-ros sends"
        )
    if "Camera-system parameters" in text:
        return "it is kalibr's report: give the camchain's .yaml beside it"
    if not broken:
        return "it holds no table"
    if text.lstrip().startswith("{"):
        return "it is JSON that is broken or cut short"
    return f"it cannot be read as YAML ({broken})"


def _says_something(part: str) -> bool:
    return any(
        line.strip() and not line.lstrip().startswith("#") and line.strip() != "..."
        for line in part.splitlines()
    )


class _Loader(_LOADER):
    """Strings, lists and tables only; a key that is given twice is an error."""


def _unique(loader, node):
    table = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise yaml.YAMLError("a key that is no word")
        if key in table:
            raise yaml.YAMLError(f"{key[:40]!r} is given twice: keep one of them")
        table[key] = loader.construct_object(value_node, deep=True)
    return table


# With a constructor of its own, every tagged mapping (!!opencv-matrix) is a table as well.
_Loader.add_constructor(None, lambda loader, node: _untagged(loader, node))
_Loader.add_constructor("tag:yaml.org,2002:map", _unique)


def _untagged(loader, node):
    if isinstance(node, yaml.MappingNode):
        return _unique(loader, node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)


def _json(text: str) -> dict | list | None:
    """Return what JSON holds; None where it may be YAML in flow style after all."""
    try:
        value = json.loads(text, parse_float=str, parse_int=str, object_pairs_hook=_pairs)
    except RecursionError as error:
        raise TextError("it is nested too deeply") from error
    except json.JSONDecodeError:
        return None
    return value


def _pairs(pairs: list) -> dict:
    table = {}
    for key, value in pairs:
        if key in table:
            raise TextError(f"{key[:40]!r} is given twice: keep one of them")
        table[key] = (
            {True: "1", False: "0", None: ""}.get(value, value)
            if (value is None or isinstance(value, bool))
            else value
        )
    return table


# -- OpenCV's XML -----------------------------------------------------------------------------


def _xml(text: str) -> dict:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise TextError("it is XML with a document type: give OpenCV's <opencv_storage>")
    try:
        root = ElementTree.fromstring(text.encode())
    except (ElementTree.ParseError, ValueError) as error:
        raise TextError(f"it cannot be read as XML ({error})") from error
    if root.tag != "opencv_storage":
        raise TextError(f"it is XML of <{root.tag[:40]}>, not of OpenCV's <opencv_storage>")
    return {child.tag: _element(child) for child in root}


def _element(element):
    children = list(element)
    if not children:
        words = (element.text or "").split()
        if len(words) == 1:
            return words[0].strip('"')
        return words if all(_NUMBER.fullmatch(word) for word in words) else " ".join(words)
    if all(child.tag == "_" for child in children):
        return [_element(child) for child in children]
    return {
        child.tag: (child.text or "").split() if child.tag == "data" else _element(child)
        for child in children
    }


_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


# -- ost.txt and ZED's .conf ------------------------------------------------------------------


def _is_ost(text: str) -> bool:
    return "[image]" in text and re.search(r"(?im)^camera matrix\s*$", text) is not None


def _ost(text: str) -> dict:
    """Read the INI-like file of cameracalibrator: a line of words, then lines of numbers."""
    sections, name, key = {}, "", ""
    for line in text.splitlines():
        line = line.split("#")[0].strip()
        words = line.split()
        if not words:
            continue
        if line.startswith("[") and line.endswith("]"):
            name, key = line[1:-1].strip(), ""
            sections[name] = {}
        elif all(_NUMBER.fullmatch(word) or word.lower() in ("nan", "inf") for word in words):
            if not name or not key:
                raise TextError(f"{line[:40]!r} stands under no name")
            sections[name].setdefault(key, []).extend(words)
        else:
            key = line
    image = sections.pop("image", {})
    size = {k: v[0] for k, v in image.items() if len(v) == 1}
    return {
        section: {
            "image_width": size.get("width", ""),
            "image_height": size.get("height", ""),
            "ost": "1",
            **{_OST_NAMES.get(k.lower(), k): v for k, v in values.items()},
        }
        for section, values in sections.items()
        if values
    }


_OST_NAMES = {
    "camera matrix": "camera_matrix",
    "distortion": "distortion_coefficients",
    "rectification": "rectification_matrix",
    "projection": "projection_matrix",
}
_ZED_SIZES = {"2K": (2208, 1242), "FHD": (1920, 1080), "HD": (1280, 720), "VGA": (672, 376)}


def _zed(text: str) -> dict:
    """Read a ZED's SN*.conf: one section a camera and resolution."""
    cameras, values = {}, {}
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("["):
            section = line.strip("[]")
            size = _ZED_SIZES.get(section.rpartition("_")[2])
            values = {}
            if size and section.startswith(("LEFT_CAM", "RIGHT_CAM")):
                values = {"width": str(size[0]), "height": str(size[1])}
                cameras[section] = values
        elif "=" in line and values is not None:
            key, _, value = line.partition("=")
            values[key.strip()] = value.strip()
    return cameras
