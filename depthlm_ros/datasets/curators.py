"""Which module curates which set; imported when asked for, since some need optional packages."""

from importlib import import_module

from depthlm_ros.status import Code, StatusError

_AT = {
    "argoverse2": "argoverse2:Argoverse2",
    "ddad": "ddad:DDAD",
    "eth3d": "eth3d:ETH3D",
    "hm3d": "omnidata:HM3D",
    "ibims1": "ibims1:Ibims1",
    "matterport3d": "matterport3d:Matterport3D",
    "nuscenes": "nuscenes:NuScenes",
    "nyuv2": "sunrgbd:NYUV2",
    "scannetpp": "scannetpp:ScanNetPP",
    "sunrgbd": "sunrgbd:SUNRGBD",
    "taskonomy": "omnidata:TASKONOMY",
    "waymo": "waymo:Waymo",
}
NAMES = tuple(_AT)


def curator_of(name: str):
    """Return a set's curator; StatusError(NOT_FOUND) with the sets that there are."""
    if name not in _AT:
        raise StatusError(Code.NOT_FOUND, f"no curator of {name!r}: known are {', '.join(NAMES)}")
    module, _, attribute = _AT[name].partition(":")
    found = getattr(import_module(f"depthlm_ros.datasets.{module}"), attribute)
    return found() if isinstance(found, type) else found
