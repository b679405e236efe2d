"""Fields of a calibration's table, found by any of their names, and read strictly.

Names are compared without case, ``_``, ``-`` and spaces: ``Camera_Matrix``, ``cameraMatrix`` and
``camera matrix`` are one. A field that is missing may be there misspelt: it is then taken, and a
remark says so. Raises FieldError for anything that is not what its name promises.
"""

import difflib
import math
import re
import reprlib

SIMILAR = 0.84
"""Of names that are taken for a misspelling, by difflib's ratio."""


class FieldError(ValueError):
    """A field is missing or is not what it should be; says which, the rule and the remedy."""


def plain(name: str) -> str:
    """Return a name as names are compared."""
    return name.strip().lower().replace("_", "").replace("-", "").replace(" ", "")


class Fields:
    """A table of a file. ``remarks``: what was assumed, one sentence each; shared with parts."""

    def __init__(self, table: dict, remarks: list[str]):
        self.remarks = remarks
        self._names, self._values = {}, {}
        for name, value in table.items():
            key = plain(str(name))
            if key in self._values and key:
                raise FieldError(f"{self._names[key]} and {name} mean the same: keep one of them")
            self._names[key], self._values[key] = str(name), value

    def __contains__(self, name: str) -> bool:
        return plain(name) in self._values

    def part(self, name: str) -> "Fields | None":
        """Return a table in the table; None where there is none of that name."""
        value = self._values.get(plain(name))
        return Fields(value, self.remarks) if isinstance(value, dict) else None

    def tables(self) -> dict[str, dict]:
        """Return the tables in the table by their names."""
        found = {self._names[key]: v for key, v in self._values.items() if isinstance(v, dict)}
        for key, value in self._values.items():
            if isinstance(value, list) and value and all(isinstance(v, dict) for v in value):
                found |= {f"{self._names[key]}{i}": v for i, v in enumerate(value)}
        return found

    def raw(self, *names: str):
        """Return the value of the first name that is there, else None."""
        for name in names:
            if plain(name) in self._values:
                return self._values[plain(name)]
        return None

    def misspelt(self, *names: str):
        """Return the value under a name that is nearly one of these, with a remark; else None."""
        for name in names:
            others = [key for key in self._values if key != plain(name)]
            near = difflib.get_close_matches(plain(name), others, 1, SIMILAR)
            if near and len(plain(name)) > 3:
                self.remarks.append(f"{self._names[near[0]]!r} is taken for {name!r}")
                return self._values[near[0]]
        return None

    def word(self, *names: str) -> str:
        """Return a text, "" where there is none."""
        value = self.raw(*names)
        if value is None:
            return ""
        if isinstance(value, dict | list):
            raise FieldError(f"{names[0]} = {reprlib.repr(value)}: must be one word")
        return str(value).strip()

    def number(self, *names: str, default: float | None = None) -> float:
        """Return a finite number; the default where the name is missing, if there is one."""
        value = self.raw(*names)
        if value is None:
            if default is None:
                raise FieldError(f"{names[0]} is missing")
            return default
        return number_of(value, names[0])

    def whole(self, *names: str, default: int | None = None) -> int:
        """Return a whole number of pixels, 640 also where it is written 640.0 or "640"."""
        value = self.number(*names, default=None if default is None else float(default))
        if value != int(value) or value < 0:
            raise FieldError(f"{names[0]} = {value}: must be a whole number of pixels")
        return int(value)

    def numbers(self, *names: str) -> tuple | None:
        """Return a list, nested list or matrix as flat numbers, row by row; None: not there."""
        value = self.raw(*names)
        return None if value is None else numbers_of(value, names[0])


_YAML_NAMES = {".nan": "nan", ".inf": "inf", "+.inf": "inf", "-.inf": "-inf"}
_PYTHON_ARRAY = re.compile(r"^array\('[df]', (\[.*\])\)$", re.S)
"""How a message prints its K and D from Python."""


def number_of(value, name: str) -> float:
    """Return a finite number of what a file says."""
    text = str(value).strip().strip("\"'") if isinstance(value, str | int | float) else ""
    text = _YAML_NAMES.get(text.lower(), text)
    try:
        number = float(text.replace("_", "x"))
    except ValueError:
        shown = reprlib.repr(value)
        more = ": is a comma missing" if len(text.split()) > 1 else ""
        raise FieldError(f"{name} = {shown}: must be a number{more}") from None
    if not math.isfinite(number):
        raise FieldError(f"{name} = {text}: must be finite; calibrate the camera")
    return number


def numbers_of(value, name: str) -> tuple:
    """Return flat numbers of a list, a list of lists, or OpenCV's rows, cols and data."""
    if isinstance(value, dict):
        return _numbers_of_table(value, name)
    if isinstance(value, str):
        return _numbers_of_text(value, name)
    if not isinstance(value, list):
        raise FieldError(f"{name} = {reprlib.repr(value)}: must be a list of numbers")
    if value and all(isinstance(row, list) for row in value):
        if len({len(row) for row in value}) > 1:
            raise FieldError(f"{name}: its rows are of different lengths")
        value = [item for row in value for item in row]
    return tuple(number_of(item, name) for item in value)


def _is_number(word: str) -> bool:
    try:
        float(word.replace("_", "x"))
    except ValueError:
        return False
    return True


def _numbers_of_table(value: dict, name: str) -> tuple:
    inner = Fields(value, [])
    if "data" not in inner:
        raise FieldError(f"{name} = {reprlib.repr(value)}: has no data")
    numbers = numbers_of(inner.raw("data"), name)
    if "rows" in inner and "cols" in inner:
        rows, columns = inner.whole("rows"), inner.whole("cols")
        if rows * columns != len(numbers):
            raise FieldError(
                f"{name} has {len(numbers)} numbers: must be rows x cols = {rows} x {columns}"
            )
    return numbers


def _numbers_of_text(value: str, name: str) -> tuple:
    if not value.strip() or value.strip() == "[]":
        return ()
    value = _PYTHON_ARRAY.sub(r"\1", value)
    words = value.strip().strip("[]()").replace(",", " ").replace(";", " ").split()
    if any(not _is_number(word) for word in words) or "array type" in value:
        raise FieldError(
            f"{name} = {reprlib.repr(value)}: must be a list of numbers (ros2 topic echo "
            "--no-arr leaves them out)"
        )
    return tuple(number_of(word, name) for word in words)
