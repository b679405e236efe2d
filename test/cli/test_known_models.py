"""``depthlm models`` and ``fetch`` without a network."""

import json

import pytest
from command_line import run

# -- models, fetch ----------------------------------------------------------------------------


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """Return a hub cache with nothing in it, and no network."""
    import socket

    def connect(*_):
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_models_lists_what_is_known(empty_cache, capsys):
    code, out, _ = run(capsys, "models", "--json")
    models = {model["name"]: model for model in json.loads(out)["models"]}
    assert code == 0
    assert models["depthvlm-4b"]["licence"] == "Apache-2.0"
    assert models["depthlm-12b"]["licence"] == "FAIR Noncommercial Research"
    assert models["depthlm-12b"]["on_this_machine"] == "no"
    code, out, _ = run(capsys, "models")
    assert code == 0 and "JonnyYu828/DepthVLM-4B" in out and "24.8 GB" in out


def cached(cache, files):
    """Lay a snapshot of DepthVLM-4B into a hub cache as the hub's client does."""
    repo = cache / "models--JonnyYu828--DepthVLM-4B"
    folder = repo / "snapshots" / ("0" * 40)
    folder.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("0" * 40)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    "files, state",
    [
        ({"config.json": "{}"}, "incomplete"),
        ({"config.json": "{}", "model.safetensors": ""}, "yes"),
        ({"config.json": "{}", "model.safetensors.index.json": "{"}, "incomplete"),
        (
            {
                "config.json": "{}",
                "model.safetensors.index.json": '{"weight_map": {"a": "1.safetensors"}}',
            },
            "incomplete",
        ),
    ],
)
def test_models_tells_whether_a_download_is_whole(empty_cache, capsys, files, state):
    folder = cached(empty_cache, files)
    _, out, _ = run(capsys, "models", "--json")
    (model,) = [m for m in json.loads(out)["models"] if m["name"] == "depthvlm-4b"]
    assert (model["on_this_machine"], model["folder"]) == (state, str(folder))


def test_fetch_without_a_network_says_what_to_do(empty_cache, capsys):
    code, out, err = run(capsys, "fetch", "someone/some-model", "--revision", "v2")
    assert code == 1 and out == ""
    assert "`depthlm fetch someone/some-model --revision v2`; it resumes" in err
    assert "Traceback" not in err


def test_fetch_of_nonsense(capsys):
    code, _, err = run(capsys, "fetch", "not a name")
    assert code == 1 and "owner/name" in err
