"""``depthlm fetch`` against a hub: see ``test/models/weights/hub_server.py``.

Each command is a process of its own.
"""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.models import registry
from depthlm_ros.models.depthvlm.tiny import tiny_config
from depthlm_ros.models.weights import files as files_module
from depthlm_ros.models.weights import hub as names
from depthlm_ros.models.weights.checkpoint import Checkpoint, write

_spec = importlib.util.spec_from_file_location(
    "hub_server", Path(__file__).with_name("hub_server.py")
)
server = importlib.util.module_from_spec(_spec)
sys.modules["hub_server"] = server
_spec.loader.exec_module(server)

NAME = "JonnyYu828/DepthVLM-4B"  # so that `depthlm models` knows it
FIRST, SECOND = (f"model-0000{n}-of-00002.safetensors" for n in (1, 2))
NEVER = {
    "pytorch_model.bin": b"\x80",
    "modeling_depthvlm.py": b"raise SystemExit",
    "consolidated.safetensors": b"the same weights once more",
    "old/config.json": b"{}",
}
BROKEN_AT = 3 * 2**20  # bytes; a multiple of what the hub sends at once
RUN = """
import sys, time
time.sleep = lambda _: None  # the pauses between attempts
{before}
from depthlm_ros.cli.main import main
sys.exit(main())
"""


@pytest.fixture(scope="module")
def checkpoint_files(tiny_module, tmp_path_factory):
    """Return a sharded checkpoint as the hub holds one: file -> bytes."""
    module, tokenizer = tiny_module
    folder, state = tmp_path_factory.mktemp("checkpoint"), module.published_state_dict()
    write(folder / "whole", tiny_config(), state, tokenizer)
    files = {file.name: file.read_bytes() for file in (folder / "whole").iterdir()}
    del files["model.safetensors"]
    half = {
        name: FIRST if number < len(state) / 2 else SECOND
        for number, name in enumerate(sorted(state))
    }
    for shard in (FIRST, SECOND):
        files[shard] = save({name: state[name] for name in state if half[name] == shard})
    files[files_module.INDEX] = json.dumps({"metadata": {}, "weight_map": half}).encode()
    return {**files, **NEVER}


@pytest.fixture
def hub(checkpoint_files):
    with server.Hub({NAME: {"main": checkpoint_files}}) as running:
        yield running


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "hub"


def start(hub, cache, *arguments, before="", **environment):
    """Start the command line with a hub and a cache."""
    environment = {
        "HF_ENDPOINT": hub.url(),
        "HF_HUB_CACHE": str(cache),
        "OMP_NUM_THREADS": "1",
        "HF_HOME": str(cache.parent),
        **environment,
    }
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("HF_") and not key.lower().endswith("_proxy")
    }
    return subprocess.Popen(
        [sys.executable, "-c", RUN.format(before=before), *arguments],
        text=True,
        env={**kept, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def run(*arguments, **options):
    """Run it to its end; return (exit code, standard output, standard error)."""
    process = start(*arguments, **options)
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err
    return process.returncode, out, err


def refusal_of(hub, cache, *arguments, **options):
    """Return the one line that a refused fetch ends with."""
    code, out, err = run(hub, cache, "fetch", *arguments, **options)
    assert (code, out) == (1, "")
    (line,) = [line for line in err.splitlines() if line.startswith("depthlm: MODEL_")]
    assert err.splitlines()[-1] == line
    return line


def part_of(cache, content):
    """Return the file in which the first bytes of a cut download are kept."""
    digest = server.etag_of(FIRST, content)
    return cache / f"models--{NAME.replace('/', '--')}" / "blobs" / f"{digest}.incomplete"


@pytest.fixture
def offline(monkeypatch, cache):
    """Let this process see the cache and no network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def test_a_fetched_model_is_there_and_measures_offline(hub, cache, offline, checkpoint_files):
    code, out, err = run(hub, cache, "fetch", "depthvlm-4b", "--json", HF_TOKEN="hf_secret")
    assert code == 0, err
    told = json.loads(out)
    assert told["format"] == "depthvlm" and Path(told["folder"]).is_dir()
    assert f"{FIRST}: 100%" in err and f"{SECOND}: 100%" in err
    assert {
        file.name for file in Path(told["folder"]).iterdir()
    } == checkpoint_files.keys() - NEVER
    assert not [one for one in hub.requests if any(one.path.endswith(f"/{f}") for f in NEVER)]
    elsewhere = {"/content/" in one.path: one.token for one in hub.requests}
    assert elsewhere == {True: False, False: True}, "the token is for the hub's own host alone"

    before = len(hub.bodies(FIRST))
    code, again, err = run(hub, cache, "fetch", NAME)
    assert code == 0 and told["folder"] in again and err.count("\n") == 1
    assert len(hub.bodies(FIRST)) == before == 1

    assert names.presence(NAME) == ("yes", Path(told["folder"]))
    model = registry.load("depthvlm-4b", device="cpu")
    rgb = np.random.default_rng(4).integers(0, 256, (96, 128, 3), np.uint8)
    view = model.view_of(PinholeCamera(120.0, 120.0, 63.5, 47.5, 128, 96))
    assert np.isfinite(model.depth(rgb, view)).all()


def test_models_tells_of_it(hub, cache):
    assert run(hub, cache, "fetch", NAME)[0] == 0
    _, out, _ = run(hub, cache, "models", "--json", HF_HUB_OFFLINE="1")
    states = {model["name"]: model["on_this_machine"] for model in json.loads(out)["models"]}
    assert (states["depthvlm-4b"], states["depthlm-12b"]) == ("yes", "no")


def test_a_break_is_mended_at_once_where_the_hub_still_answers(hub, cache, checkpoint_files):
    hub.cut_once[FIRST] = BROKEN_AT
    code, _, err = run(hub, cache, "fetch", NAME)
    assert code == 0, err
    assert [one.start for one in hub.bodies(FIRST)] == [0, BROKEN_AT]
    assert sum(sum(one.sent) for one in hub.bodies(FIRST)) == len(checkpoint_files[FIRST])


def test_a_hub_that_sends_no_parts_sends_the_whole_again(hub, cache, checkpoint_files):
    hub.cut_once[FIRST], hub.ranges = BROKEN_AT, False
    assert run(hub, cache, "fetch", NAME)[0] == 0
    size = len(checkpoint_files[FIRST])
    assert [sum(one.sent) for one in hub.bodies(FIRST)] == [BROKEN_AT, size]


def test_a_broken_download_goes_on_where_it_stopped(hub, cache, offline, checkpoint_files):
    hub.cut[FIRST] = BROKEN_AT
    line = refusal_of(hub, cache, NAME)
    assert f"`depthlm fetch {NAME}`; it resumes" in line and "check the network" in line
    assert part_of(cache, checkpoint_files[FIRST]).stat().st_size == BROKEN_AT
    assert names.presence(NAME)[0] == "incomplete"
    with pytest.raises(names.StatusError, match=f"lacks {FIRST}, {SECOND} .*it resumes"):
        registry.locate(NAME)
    hub.cut.clear()
    hub.requests.clear()
    code, _, err = run(hub, cache, "fetch", NAME)
    assert code == 0, err
    (body,) = hub.bodies(FIRST)
    assert (body.start, sum(body.sent)) == (BROKEN_AT, len(checkpoint_files[FIRST]) - BROKEN_AT)
    assert names.presence(NAME)[0] == "yes"


@pytest.mark.parametrize("number, code", [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_a_download_that_was_stopped_goes_on(hub, cache, checkpoint_files, number, code):
    hub.hold[FIRST] = BROKEN_AT
    process = start(hub, cache, "fetch", NAME)
    assert hub.holding.wait(60.0)
    part, end = part_of(cache, checkpoint_files[FIRST]), time.monotonic() + 60.0
    while part.stat().st_size < BROKEN_AT:  # what was sent is not yet what was written
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == code
    kept = part.stat().st_size
    assert kept == BROKEN_AT
    hub.hold.clear()
    hub.released.set()
    hub.requests.clear()
    assert run(hub, cache, "fetch", NAME)[0] == 0
    assert [one.start for one in hub.bodies(FIRST)] == [kept]


def test_a_damaged_file_is_not_kept(hub, cache, checkpoint_files):
    hub.spoil.add(FIRST)
    assert "arrived damaged" in refusal_of(hub, cache, NAME)
    assert not part_of(cache, checkpoint_files[FIRST]).exists()


@pytest.mark.parametrize(
    "where, status, error, said",
    [
        ("/api/", 401, "", "is unknown, or private to others (401): check the name"),
        ("/resolve/", 401, "GatedRepo", "licence accepted first: do so on http://"),
        ("/resolve/", 403, "GatedRepo", "licence accepted first: do so on http://"),
        ("/api/", 403, "", "check what your token (HF_TOKEN) may read"),
        ("/api/", 429, "", "too many requests"),
        ("/api/", 503, "", "the hub is out of order (503): wait a while"),
        ("/content/", 500, "", "the hub is out of order (500): wait a while"),
        ("/tree/", 500, "", "the hub is out of order (500): wait a while"),
    ],
)
def test_refusals_of_the_hub(hub, cache, where, status, error, said):
    hub.errors[where] = (status, error)
    line = refusal_of(hub, cache, NAME)
    assert said in line and line.endswith(f"then repeat `depthlm fetch {NAME}`; it resumes")


def test_unknown_names_and_revisions(hub, cache):
    assert "someone/else is unknown, or private" in refusal_of(hub, cache, "someone/else")
    line = refusal_of(hub, cache, NAME, "--revision", "v9")
    assert "no revision 'v9'" in line and "branch, a tag or a whole commit" in line


def test_a_hub_that_is_not_there(hub, cache):
    line = refusal_of(hub, cache, NAME, HF_ENDPOINT="http://127.0.0.1:9")
    assert "ConnectError" in line and "check the network" in line
    assert "HF_HUB_OFFLINE is set: unset it" in refusal_of(hub, cache, NAME, HF_HUB_OFFLINE="1")
    assert not hub.requests


def test_a_copy_fetched_before_does_without_the_hub(hub, cache):
    assert run(hub, cache, "fetch", NAME)[0] == 0
    code, out, err = run(hub, cache, "fetch", NAME, HF_ENDPOINT="http://127.0.0.1:9")
    assert code == 0 and "models--JonnyYu828" in out
    assert "cannot be reached" in err and "is the copy fetched before" in err


def test_no_room_on_the_disk(hub, cache, checkpoint_files):
    free = "import shutil, types; shutil.disk_usage = lambda _: types.SimpleNamespace(free={})"
    size = sum(len(checkpoint_files[shard]) for shard in (FIRST, SECOND))
    line = refusal_of(hub, cache, NAME, before=free.format(size - 1))
    assert f"{size / 1e9:.2f} GB are missing" in line and "HF_HOME" in line
    assert not hub.bodies(FIRST)
    hub.cut[FIRST] = BROKEN_AT
    refusal_of(hub, cache, NAME)
    hub.cut.clear()
    rest = size - BROKEN_AT  # what is here already needs no room
    assert "are missing" in refusal_of(hub, cache, NAME, before=free.format(rest - 1))
    assert run(hub, cache, "fetch", NAME, before=free.format(rest))[0] == 0


def test_a_disk_that_fills_up_meanwhile(hub, cache):
    full = (
        "import errno, depthlm_ros.models.weights.hub_download as wire\n"
        "def append(*_): raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "wire._append = append"
    )
    line = refusal_of(hub, cache, NAME, before=full)
    assert "No space left on device" in line and "set HF_HOME" in line and "it resumes" in line


def test_a_cache_that_cannot_be_written(hub, tmp_path):
    (tmp_path / "file").write_text("")
    line = refusal_of(hub, tmp_path / "file" / "hub", NAME)
    assert f"{tmp_path / 'file'}" in line and "Not a directory" in line and "HF_HOME" in line


def test_repositories_of_no_use(hub, cache, checkpoint_files):
    hub.repositories["some/pickled"] = {"main": {"config.json": b"{}", "pytorch_model.bin": b"."}}
    assert "holds no *.safetensors" in refusal_of(hub, cache, "some/pickled")
    lacking = {name: checkpoint_files[name] for name in checkpoint_files if name != SECOND}
    hub.repositories["some/lacking"] = {"main": lacking}
    assert f"names {SECOND}, which is not there" in refusal_of(hub, cache, "some/lacking")
    assert not hub.bodies(FIRST)


def test_revisions_live_side_by_side(hub, cache, offline, checkpoint_files):
    config = json.dumps(tiny_config() | {"ratio_90": 2.5}).encode()
    hub.repositories[NAME]["v1"] = {**checkpoint_files, "config.json": config}
    for revision in ("v1", "main"):
        code, out, _ = run(hub, cache, "fetch", NAME, "--revision", revision)
        assert code == 0 and hub.commit(NAME, revision) in out
    old, new = names.find(NAME, "v1"), names.find(NAME)
    assert (old.name, new.name) == (hub.commit(NAME, "v1"), hub.commit(NAME, "main"))
    assert Checkpoint.open(old).config["ratio_90"] == 2.5
    assert "ratio_90" not in Checkpoint.open(new).config
    assert len(hub.bodies(FIRST)) == 1, "equal files are fetched and stored once"
    assert names.find(NAME, hub.commit(NAME, "v1")) == old
