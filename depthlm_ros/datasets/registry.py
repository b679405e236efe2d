"""The public sets of both papers: names, what their labels measure, ranges, licences, sizes.

``path_words``: a set is recognised by the first of these found in the path of its annotation
file, in the order of ``SETS`` (the rule of DepthVLM's loader). Sources: DepthLM section 4 and
table of its appendix; DepthVLM section 4 and its published evaluation code.
"""

from dataclasses import dataclass
from pathlib import Path

from depthlm_ros.datasets.base import LabelKind
from depthlm_ros.status import Code, StatusError

Z, DISTANCE = LabelKind.Z, LabelKind.DISTANCE


@dataclass(frozen=True)
class DatasetInfo:
    """One public set.

    ``range_m``: labels outside are unknown (DepthVLM's loader). ``depthlm_label``,
    ``depthvlm_label``: what the lines of either paper's curation measure, as its scripts made
    them. ``depthlm_weight``: share in DepthLM's training mixture; 0: not trained on.
    ``depthvlm_train``: training images of DepthVLM; ``test_images``: its test images.
    ``grouped_by``: how test images are spread (``choosing.py``).
    """

    name: str
    title: str
    path_words: tuple
    range_m: tuple
    depthlm_label: LabelKind
    depthvlm_label: LabelKind
    outdoor: bool
    licence: str
    depthlm_weight: float = 0.0
    depthvlm_train: int = 0
    test_images: int = 0
    points_per_image: int = 10
    total_points: int | None = None
    grouped_by: str = "none"


def _set(name, title, words, range_m, lm, vlm, outdoor, licence, **rest) -> DatasetInfo:
    return DatasetInfo(name, title, words, range_m, lm, vlm, outdoor, licence, **rest)


SETS = {
    info.name: info
    for info in (
        _set(
            "argoverse2",
            "Argoverse2",
            ("argoverse",),
            (0.05, 120.0),
            DISTANCE,
            DISTANCE,
            True,
            "CC BY-NC-SA 4.0",
            depthlm_weight=1.0,
            depthvlm_train=800_000,
            test_images=1000,
            grouped_by="scene+camera",
        ),
        _set(
            "waymo",
            "Waymo",
            ("waymo",),
            (0.05, 70.0),
            DISTANCE,
            DISTANCE,
            True,
            "Waymo Open Dataset licence, non-commercial",
            depthlm_weight=1.0,
            depthvlm_train=800_000,
            test_images=1000,
            grouped_by="scene+camera",
        ),
        _set(
            "nuscenes",
            "NuScenes",
            ("nuscenes",),
            (0.05, 80.0),
            Z,
            Z,
            True,
            "CC BY-NC-SA 4.0",
            depthlm_weight=1.0,
            depthvlm_train=206_000,
            test_images=1000,
            grouped_by="scene+camera",
        ),
        _set(
            "ddad",
            "DDAD",
            ("ddad",),
            (0.05, 120.0),
            Z,
            Z,
            True,
            "CC BY-NC-SA 4.0",
            depthvlm_train=76_000,
            test_images=1000,
            grouped_by="scene+camera",
        ),
        _set(
            "scannetpp",
            "ScanNet++",
            ("scannetpp",),
            (0.001, 10.0),
            DISTANCE,
            Z,
            False,
            "ScanNet++ terms of use, non-commercial",
            depthlm_weight=1.0,
            depthvlm_train=800_000,
            test_images=1000,
            grouped_by="scene",
        ),
        _set(
            "taskonomy",
            "Taskonomy",
            ("taskonomy",),
            (0.005, 15.0),
            DISTANCE,
            Z,
            False,
            "Taskonomy terms of use, non-commercial",
            depthlm_weight=1.0,
            depthvlm_train=800_000,
            test_images=1000,
            grouped_by="scene",
        ),
        _set(
            "hm3d",
            "HM3D",
            ("hm3d",),
            (0.01, 10.0),
            DISTANCE,
            Z,
            False,
            "Matterport end user licence, non-commercial",
            depthlm_weight=1.0,
            depthvlm_train=800_000,
            test_images=1000,
            grouped_by="scene",
        ),
        _set(
            "matterport3d",
            "Matterport3D",
            ("matterport",),
            (0.01, 10.0),
            DISTANCE,
            Z,
            False,
            "Matterport3D terms of use, non-commercial",
            depthlm_weight=0.1,
            depthvlm_train=158_000,
            test_images=1000,
            grouped_by="scene",
        ),
        _set(
            "sunrgbd",
            "SUN RGB-D",
            ("sunrgbd",),
            (0.005, 8.0),
            DISTANCE,
            Z,
            False,
            "research use, see the set's page",
            test_images=1000,
            grouped_by="sensor+source",
        ),
        _set(
            "ibims1",
            "iBims-1",
            ("ibims",),
            (0.005, 25.0),
            Z,
            Z,
            False,
            "CC BY-NC-SA 4.0",
            test_images=100,
            total_points=10_000,
        ),
        _set(
            "nyuv2",
            "NYUv2",
            ("nyuv2",),
            (0.005, 10.0),
            DISTANCE,
            Z,
            False,
            "research use, see the set's page",
            test_images=654,
            total_points=10_000,
        ),
        _set(
            "eth3d",
            "ETH3D",
            ("eth3d",),
            (0.01, 50.0),
            DISTANCE,
            Z,
            False,
            "CC BY-NC-SA 4.0",
            test_images=454,
            total_points=5_000,
        ),
    )
}
"""By name, in the order in which DepthVLM's loader looks for them in a path."""

ANY_RANGE = (0.0, float("inf"))


def named(name: str) -> DatasetInfo:
    """Return a set by name; StatusError(NOT_FOUND) with the known ones."""
    if name not in SETS:
        raise StatusError(Code.NOT_FOUND, f"data set {name!r}: must be one of {', '.join(SETS)}")
    return SETS[name]


def of_path(path: Path) -> DatasetInfo | None:
    """Return the set that the path of an annotation file speaks of, or None."""
    text = str(path).lower()
    for info in SETS.values():
        if any(word in text for word in info.path_words):
            return info
    return None
