"""``depthlm models --options``: what ``--option`` and the node's ``model_options`` take."""

from depthlm_ros.commands.columns import columns
from depthlm_ros.commands.console import print_json


def list_options(options) -> int:
    """Print every option of the models with default, values and what it does."""
    from depthlm_ros.models.options import shown

    if options.json:
        print_json({"options": [_record(option) for option in shown()]})
    else:
        _print(shown())
    return 0


def _record(option) -> dict:
    return {
        "name": option.name,
        "of": list(option.of),
        "default": option.text_of(option.default),
        "values": option.values,
        "says": option.says,
    }


def _print(options: list) -> None:
    rows = [(o.name, ", ".join(o.of), o.text_of(o.default), o.values) for o in options]
    head, *lines = columns([("option", "of", "default", "values"), *rows])
    print(head)
    for line, option in zip(lines, options, strict=True):
        print(f"{line}\n    {option.says}")
    print(
        "\nOn the command line --option NAME=VALUE, again for more; in the node the parameter"
        "\nmodel_options, a list of such texts; in Python registry.load(..., NAME=VALUE)."
    )
