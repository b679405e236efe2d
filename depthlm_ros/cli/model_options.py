"""``depthlm models --options``: what ``--option`` and the node's ``model_options`` take."""

from depthlm_ros.cli.console import print_json
from depthlm_ros.cli.table import columns


def list_options(options) -> int:
    """Print every option of the models with default, values and what it does."""
    from depthlm_ros.models.options import visible

    if options.json:
        print_json({"options": [_record(option) for option in visible()]})
    else:
        _print(visible())
    return 0


def _record(option) -> dict:
    return {
        "name": option.name,
        "of": list(option.families),
        "default": option.text_of(option.default),
        "values": option.values,
        "says": option.help,
    }


def _print(options: list) -> None:
    rows = [(o.name, ", ".join(o.families), o.text_of(o.default), o.values) for o in options]
    head, *lines = columns([("option", "of", "default", "values"), *rows])
    print(head)
    for line, option in zip(lines, options, strict=True):
        print(f"{line}\n    {option.help}")
    print(
        "\nOn the command line --option NAME=VALUE, again for more; in the node the parameter"
        "\nmodel_options, a list of such texts; in Python registry.load(..., NAME=VALUE)."
    )
