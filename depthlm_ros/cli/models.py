"""``depthlm models`` and ``depthlm fetch``: which weights there are, and getting them."""

import os

from depthlm_ros.cli.console import note, print_json
from depthlm_ros.cli.table import columns


def list_models(options) -> int:
    """Print the known models with size, licence and whether they are on this machine."""
    if options.options:
        from depthlm_ros.cli.model_options import list_options

        return list_options(options)
    from depthlm_ros.models.registry import KNOWN
    from depthlm_ros.models.weights.hub import presence

    rows = []
    for model in KNOWN.values():
        state, folder = presence(model.source)
        rows.append(
            {
                "name": model.name,
                "source": model.source or None,
                "reads": model.reads,
                "parameters_m": model.parameters_m,
                "weights_gb": model.weights_gb,
                "licence": model.licence,
                "on_this_machine": state,
                "folder": None if folder is None else str(folder),
                "remark": model.remark,
            }
        )
    if options.json:
        print_json({"models": rows})
    else:
        _print(rows)
    return 0


def _print(rows: list) -> None:
    heads = ("name", "source", "reads", "parameters", "weights", "licence", "here", "remark")
    lines = [heads]
    for row in rows:
        size = f"{row['parameters_m']:g} M", f"{row['weights_gb']:g} GB"
        texts = row["name"], row["source"] or "-", row["reads"], *size, row["licence"]
        lines.append((*texts, row["on_this_machine"], row["remark"]))
    print("\n".join(columns(lines)))
    print(
        "\nAny hub id 'owner/name', and any folder with config.json and *.safetensors, is a name."
        "\ndense: one pass gives the depth of every pixel; points: asked point by point."
    )


def fetch(options) -> int:
    """Download a model's weights, then check that they are whole and of a format served here."""
    from depthlm_ros.models import registry
    from depthlm_ros.models.external import is_external

    source = registry.source_of(options.name)
    if source == "embedded" or os.path.isdir(os.path.expanduser(source)):
        note(f"{options.name} needs no fetching: its folder is here, or comes with the package")
    else:
        note(f"fetching {source} from the hub")
        registry.fetch(options.name, options.revision)
    opened = registry.locate(options.name, options.revision)
    kind = "transformers" if is_external(options.name) else opened.format
    record = {
        "name": options.name,
        "source": source,
        "revision": options.revision,
        "folder": str(opened.folder),
        "format": kind,
        "parameters": opened.parameters,
    }
    if options.json:
        print_json(record)
    else:
        millions = opened.parameters / 1e6
        print(f"{options.name}: {kind}, {millions:.1f} M parameters, {opened.folder}")
    return 0
