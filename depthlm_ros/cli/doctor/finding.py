"""One line of the doctor's report."""

from dataclasses import dataclass

OK, WARN, FAIL = "OK", "WARN", "FAIL"


@dataclass(frozen=True)
class Finding:
    """One line of the report: ``level`` OK, WARN or FAIL; ``remedy`` unless OK."""

    level: str
    what: str
    text: str
    remedy: str = ""
