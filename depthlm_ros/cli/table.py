"""Tables for people, on standard output."""


def columns(lines) -> list[str]:
    """Return lines of equally many cells as text, each column as wide as its widest cell."""
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
