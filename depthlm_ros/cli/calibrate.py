"""``depthlm calibrate``: the factor of a model's 90 % interval, from labelled pictures."""

from dataclasses import asdict
from pathlib import Path

from depthlm_ros.cli.console import note, print_json
from depthlm_ros.cli.inference import load_model


def run(options) -> int:
    """Read the labelled pictures, find the factor, check it, and write it; 0 when written."""
    from depthlm_ros.evaluation.accuracy import photographs
    from depthlm_ros.evaluation.interval_calibration import calibrate, scores_of
    from depthlm_ros.models import registry
    from depthlm_ros.models.weights import calibration_file

    opened = registry.locate(options.model, options.revision)
    path = Path(options.output) if options.output else opened.folder / calibration_file.FILE
    model = load_model(options, calibrated=False)
    data = Path(options.data)
    scores = scores_of(model, photographs(data, options.labels))
    found = calibrate(scores, options.held_out, options.seed)
    result = calibration_file.Calibration(
        data=f"{data.parent.name}/{data.name}",
        quantize=options.quantize,
        weights=calibration_file.fingerprint(opened.files.values()),
        **asdict(found),
    )
    calibration_file.write(result, path)
    _tell(result, path, options)
    return 0


def _tell(result, path: Path, options) -> None:
    if options.json:
        print_json({"ok": True, "file": str(path), **asdict(result)})
        return
    print(
        f"90 % of the true depths lie within a factor of {result.ratio_90:.3f} of the reading: "
        f"{result.readings} readings of {result.pictures} pictures"
    )
    print(
        f"held-out check: {result.coverage:.1%} of {result.held_out_readings} readings of "
        f"{result.held_out_pictures} other pictures"
    )
    note(f"wrote {path}")
