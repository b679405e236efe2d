"""The files that a person can look at after the demonstration."""

from pathlib import Path

from depthlm_ros.demo import contact_sheets
from depthlm_ros.image_io.depth_files import write_ply, write_png

WRITTEN = ("contact_sheet.png", "photographs.png", "cloud.ply", "demo.json")


def empty(out: Path) -> None:
    """Make the folder; remove what an earlier run wrote, so that nothing old passes for new."""
    out.mkdir(parents=True, exist_ok=True)
    for name in WRITTEN:
        (out / name).unlink(missing_ok=True)


def write_live(out: Path, rounds: list) -> list[Path]:
    """Write the contact sheet of the live part; return the paths written."""
    if all(asked_round.depth_map is None for asked_round in rounds):
        return []
    path = out / "contact_sheet.png"
    write_png(path, contact_sheets.scene_sheet(rounds))
    return [path]


def write_clouds(out: Path, rounds: list) -> list[Path]:
    """Write the cloud of the first look with an image as PLY; return the paths written."""
    found = contact_sheets.cloud_of(rounds)
    if found is None:
        return []
    path = out / "cloud.ply"
    write_ply(path, *found)
    return [path]


def write_photographs(out: Path, read: list) -> list[Path]:
    """Write the contact sheet of the photographs; return the paths written."""
    path = out / "photographs.png"
    write_png(path, contact_sheets.photograph_sheet(read))
    return [path]
