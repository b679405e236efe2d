"""``depthlm depth``: metric depth of picture files, as files that other programs read."""

import time
from dataclasses import replace
from pathlib import Path

from depthlm_ros.cli.console import note, print_json, record_of, sentence_of, stopped_by_interrupt
from depthlm_ros.cli.image_input import frame_of
from depthlm_ros.cli.inference import (
    call_with_retry,
    camera_record,
    estimate_frame,
    load_model,
    make_estimator,
)
from depthlm_ros.status import Code, StatusError

ENDINGS = (
    "_depth.npy",
    "_depth_low.npy",
    "_depth_high.npy",
    "_depth_mm.png",
    "_depth.png",
    "_cloud.ply",
    "_rectified.png",
)
"""Of the files that are made of a picture."""
ASSUMED = "focal length ASSUMED: all metres may be off by one factor"


def run(options) -> int:
    """Write the files of every picture; 0 when all of them succeeded, else 1."""
    from depthlm_ros.image_io.photo_camera import picture_files

    folder = Path(options.output)
    folder.mkdir(parents=True, exist_ok=True)
    images = picture_files(options.images)
    estimator = make_estimator(load_model(options), options)
    records = []
    for i, (image, name) in enumerate(zip(images, names_of(images, folder), strict=True)):
        if len(images) > 1:
            note(f"[{i + 1}/{len(images)}] {image}")
        records.append(_record(estimator, image, folder / name, options))
    if options.json:
        print_json({"model": options.model, "images": records})
    failed = sum(not record["ok"] for record in records)
    if failed and len(records) > 1:
        note(f"{failed} of {len(records)} pictures failed")
    return 1 if failed else 0


def names_of(images, folder: Path = Path()) -> list[str]:
    """Return a file name without ending for each picture: its own, with a number where taken.

    Taken by an earlier picture, or because a file of that name in ``folder`` is one of the
    pictures: none is overwritten by what is made of another.
    """
    names, inputs = [], {Path(image).resolve() for image in images}
    for image in images:
        stem = name = Path(image).stem
        count = 2
        while name in names or any((folder / (name + e)).resolve() in inputs for e in ENDINGS):
            name, count = f"{stem}_{count}", count + 1
        names.append(name)
    return names


def _record(estimator, image: str, base: Path, options) -> dict:
    """Do one picture; a failure is a record too, so that the others go on."""
    try:
        record = _do(estimator, image, base, options)
    except Exception as error:  # one bad picture must not stop the others
        if options.traceback:
            raise
        said = sentence_of(error)
        note(said if image in said else f"{image}: {said}")
        return {"image": image, **record_of(error)}
    if not options.json:
        _print(record)
    return record


def _do(estimator, image: str, base: Path, options) -> dict:
    frame, rectifier, photo = frame_of(image, options)
    begin = time.monotonic()
    frame_depth = estimate_frame(estimator, frame, rectifier)
    bounds, more = {}, {}
    if frame_depth.depth_map is None:
        depth_map, bounds, complete = _map_by_points(estimator.model, frame, options)
        frame_depth, more = replace(frame_depth, depth_map=depth_map), {"complete": complete}
    seconds = time.monotonic() - begin
    _check_any(frame_depth.depth_map.depth_m, options)
    return {
        "image": image,
        "ok": True,
        "code": Code.OK.name,
        "seconds": round(seconds, 4),
        "camera": camera_record(frame.camera, rectifier),
        "focal_length": photo.source,
        "focal_length_assumed": photo.assumed,
        "remarks": list(photo.remarks),
        "ratio_90": frame_depth.depth_map.ratio_90,
        "interval": str(frame_depth.depth_map.interval),
        **more,
        **_figures(frame_depth.depth_map.depth_m),
        **_write(frame_depth, base, options, bounds, photo.assumed),
    }


def _check_any(depth_m, options) -> None:
    """Refuse a map without a single depth: files of nothing would look like a result."""
    import numpy as np

    if not np.isfinite(depth_m).any():
        raise StatusError(
            Code.NO_DEPTH,
            f"no pixel has a depth within {options.min_range:g} to {options.max_range:g} m: is "
            "the focal length that of this very picture?",
        )


def _map_by_points(model, frame, options) -> tuple:
    """Return (map, bounds of its interval, all asked?) of a model that answers point by point.

    The first Ctrl-C ends the grid of questions with what there is.
    """
    import numpy as np

    from depthlm_ros.estimator import apply_range
    from depthlm_ros.geometry.depth_map import DepthMap
    from depthlm_ros.interval import UNKNOWN
    from depthlm_ros.models.point_grid import ask_grid

    rows, columns = options.grid
    note(f"{model.name} answers point by point: asking at {rows} x {columns} points (--grid)")

    def tell(share: float) -> None:
        note(f"{share:.0%} of the points")

    camera = frame.camera
    with stopped_by_interrupt() as stopped:
        grid = call_with_retry(
            model, lambda: ask_grid(model, frame.rgb, camera, rows, columns, tell, stopped)
        )
    if not grid.complete:
        note(f"stopped: what follows is the grid of every {grid.step}. row and column")

    def image(values=None):
        depth = apply_range(grid.to_image(camera, values), options.min_range, options.max_range)
        if frame.valid is not None:
            depth[~frame.valid] = np.nan
        return depth

    bounds = {"low": grid.low_m, "high": grid.high_m}
    known = {name: image(m) for name, m in bounds.items() if np.isfinite(m).any()}
    reach = -(-max(camera.height // rows, camera.width // columns) * grid.step // 2)
    depth_map = DepthMap(
        image(),
        camera,
        ratio_90=float(getattr(model, "ratio_90", float("nan"))),
        edge_radius_px=max(1, reach),
        interval=getattr(model, "interval", UNKNOWN) if known else UNKNOWN,
    )
    return depth_map, known, grid.complete


def _figures(depth_m) -> dict:
    """Return the depths that sum a map up, in metres."""
    import numpy as np

    known = np.isfinite(depth_m)
    low, median, high = (float(x) for x in np.percentile(depth_m[known], (2, 50, 98)))
    return {
        "depth_m": {"percentile_2": low, "median": median, "percentile_98": high},
        "share_known": float(known.mean()),
        "share_beyond_range": float((depth_m == np.inf).mean()),
    }


def _write(frame_depth, base: Path, options, bounds: dict, assumed: bool) -> dict:
    """Write the files of a FrameDepth; return their paths by kind, and the cloud's size.

    ``assumed``: the focal length is a guess; the coloured picture and the cloud say so.
    """
    from depthlm_ros.image_io import depth_files
    from depthlm_ros.visualization import colormap, scale_bar

    depth_map, files = frame_depth.depth_map, {}

    def path(kind: str, ending: str) -> Path:
        files[kind] = str(base.with_name(base.name + ending))
        return files[kind]

    depth_files.write_npy(path("npy", "_depth.npy"), depth_map.depth_m)
    for name, depth_m in bounds.items():
        depth_files.write_npy(path(name, f"_depth_{name}.npy"), depth_m)
    depth_files.write_png_mm(path("png_mm", "_depth_mm.png"), depth_map.depth_m)
    low, high = options.scale or colormap.range_of(depth_map.depth_m)
    coloured = colormap.colourise(depth_map.depth_m, low, high)
    legend = scale_bar.with_scale_bar(coloured, low, high)
    depth_files.write_png(path("colour", "_depth.png"), _flagged(legend, assumed))
    points = depth_files.write_ply(
        path("cloud", "_cloud.ply"),
        depth_map,
        frame_depth.frame.rgb,
        options.keep_edges,
        max_points=options.max_points,
        comment=ASSUMED if assumed else "",
    )
    if not frame_depth.rectifier.is_identity:
        depth_files.write_png(path("rectified", "_rectified.png"), frame_depth.frame.rgb)
    return {"cloud_points": points, "files": files}


def _flagged(rgb, assumed: bool):
    """Write on a picture that its focal length was only assumed."""
    import cv2
    import numpy as np

    if not assumed:
        return rgb
    strip = np.full((26, rgb.shape[1], 3), (120, 20, 20), np.uint8)
    scale = min(0.5, 0.5 * rgb.shape[1] / 460)
    place = (6, 18), cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(strip, ASSUMED, *place, scale, (255, 255, 255), 1, cv2.LINE_AA)
    return np.vstack([rgb, strip])


_MEANINGS = {
    "npy": "z-depth, float32, metres (NaN: none, inf: beyond range)",
    "low": "lower end of the 90 % interval, as the model puts it",
    "high": "upper end of the 90 % interval",
    "png_mm": "z-depth, 16 bit, millimetres (0: none)",
    "colour": "depth in colours with a scale in metres",
    "cloud": "{cloud_points} points with colours",
    "rectified": "the picture without lens distortion, which all files refer to",
}


def _print(record: dict) -> None:
    """Print a picture's result for people."""
    camera, depth = record["camera"], record["depth_m"]
    print(
        f"{record['image']}: {camera['width']} x {camera['height']} px, depth "
        f"{depth['percentile_2']:.2f} to {depth['percentile_98']:.2f} m, median "
        f"{depth['median']:.2f} m, known at {record['share_known']:.1%} of the pixels, "
        f"{record['seconds']:.2f} s"
    )
    if record["focal_length_assumed"]:
        print(f"  {ASSUMED}")
    width = max(len(path) for path in record["files"].values())
    for kind, path in record["files"].items():
        print(f"  {path:<{width}}  {_MEANINGS[kind].format(**record)}")
