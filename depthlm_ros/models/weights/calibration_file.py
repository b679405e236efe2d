"""``calibration.json``: the factor of a model's 90 % interval, beside its weights.

``depthlm calibrate`` writes it, ``registry.load`` reads it. Knows the file and which weights it
belongs to; how a factor is found is ``evaluation/interval_calibration.py``'s. Free of torch.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from depthlm_ros.interval import UNKNOWN, Interval, IntervalKind, check_ratio
from depthlm_ros.status import Code, StatusError

FILE = "calibration.json"
_EDGE_BYTES = 1 << 16


@dataclass(frozen=True)
class Calibration:
    """One calibration of one set of weights.

    ``ratio_90``: 90 % of true depths lie within [reading / ratio_90, reading * ratio_90].
    ``data``: what it was found on, for people. ``pictures``, ``readings``: on how many of it.
    ``held_out_pictures``, ``held_out_readings``, ``coverage``: the share of true depths within the
    interval on pictures that had no part in it. ``quantize``: how the weights were loaded.
    ``weights``: ``fingerprint`` of the files.
    """

    ratio_90: float
    data: str
    pictures: int
    readings: int
    held_out_pictures: int
    held_out_readings: int
    coverage: float
    quantize: str
    weights: str

    @property
    def interval(self) -> Interval:
        """Return its kind, and its data in words."""
        basis = (
            f"{self.data}: {self.pictures} pictures; {self.coverage:.0%} held on "
            f"{self.held_out_pictures} others"
        )
        return Interval(IntervalKind.CALIBRATED, basis)


def fingerprint(files) -> str:
    """Return what tells weight files apart: names, sizes, first and last 64 KiB; sha256."""
    digest = hashlib.sha256()
    for file in sorted(set(files)):
        size = file.stat().st_size
        digest.update(f"{file.name} {size}\n".encode())
        with file.open("rb") as stream:
            digest.update(stream.read(_EDGE_BYTES))
            stream.seek(max(0, size - _EDGE_BYTES))
            digest.update(stream.read(_EDGE_BYTES))
    return digest.hexdigest()


def write(calibration: Calibration, path: Path) -> None:
    """Write the file, whole or not at all.

    StatusError(MODEL_ERROR) with path, cause and remedy.
    """
    unfinished = path.with_name(path.name + ".part")
    try:
        unfinished.write_text(json.dumps(asdict(calibration), indent=2) + "\n", encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise StatusError(
            Code.MODEL_ERROR,
            f"{path} cannot be written ({error.strerror}): give -o FILE, and load the model with "
            "the option calibration=FILE",
        ) from error


def read(path: Path) -> Calibration:
    """Read a file; StatusError(MODEL_ERROR) for one that breaks the form."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        texts = {name: str(content[name]) for name in ("data", "quantize", "weights")}
        counts = {
            name: int(content[name])
            for name in ("pictures", "readings", "held_out_pictures", "held_out_readings")
        }
        ratio, coverage = check_ratio(content["ratio_90"], "ratio_90"), float(content["coverage"])
        return Calibration(ratio, coverage=coverage, **texts, **counts)
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise StatusError(
            Code.MODEL_ERROR,
            f"{path} is no calibration ({type(error).__name__}: {str(error)[:200]}): make it anew "
            "with `depthlm calibrate`, or remove it",
        ) from error


def find(folder: Path, files, quantize: str, path: str | None = None) -> Calibration | None:
    """Return the calibration of the weights in ``files``: of ``path``, or beside them; or None.

    Raises StatusError(MODEL_NOT_READY) for one of other weights, or of weights loaded otherwise.
    """
    file = Path(path) if path else folder / FILE
    if path is None and not file.is_file():
        return None
    found = read(file)
    if found.weights != fingerprint(files):
        raise StatusError(
            Code.MODEL_NOT_READY,
            f"{file} is the calibration of other weights than those in {folder}: make it anew "
            "with `depthlm calibrate`, or remove it",
        )
    if found.quantize != quantize:
        raise StatusError(
            Code.MODEL_NOT_READY,
            f"{file} was made with quantize = {found.quantize}, and the model is loaded with "
            f"{quantize}: calibrate it so, or remove the file",
        )
    return found


def stated_interval(config: dict) -> tuple[float, Interval]:
    """Return the factor of the 90 % interval that a config.json states, and what it rests on.

    ``measured``: name of the data to figures, among them ``ratio_90``. The widest of them counts:
    which of the data a robot's pictures are like is not known here. Raises
    StatusError(MODEL_ERROR) for a factor that is none.
    """
    try:
        known = {
            name: check_ratio(row["ratio_90"], f"measured[{name!r}].ratio_90")
            for name, row in dict(config.get("measured") or {}).items()
            if isinstance(row, dict) and row.get("ratio_90") is not None
        }
        stated = config.get("ratio_90")
        stated = None if stated is None else check_ratio(stated, "ratio_90")
    except (TypeError, ValueError) as error:
        raise StatusError(
            Code.MODEL_ERROR,
            f"config.json: {error}; correct it, or leave it out and run `depthlm calibrate`",
        ) from error
    widest = max(known, key=known.get, default=None)
    if widest is None or stated is not None and stated > known[widest]:
        unstated = Interval(IntervalKind.UNCALIBRATED, "config.json does not say on what data")
        return (float("nan"), UNKNOWN) if stated is None else (stated, unstated)
    return known[widest], Interval(IntervalKind.CALIBRATED, widest)
