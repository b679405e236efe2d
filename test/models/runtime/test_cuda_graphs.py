"""GraphCache, by a recorder that behaves as a CUDA graph does: it replays kernels, not Python."""

import gc
import weakref

import pytest
import torch

from depthlm_ros.models.runtime.cuda_graphs import CapturedInputs, GraphCache, difference


def test_from_the_third_time_on_nothing_of_python_runs(tape_recorder):
    graph_cache, calls = GraphCache(tape_recorder), []

    def double(x):
        calls.append(1)
        return (2 * x,)

    results = [graph_cache.run("double", double, torch.tensor([float(i), 1.0])) for i in range(2)]
    assert [out[0].tolist() for out in results] == [[0, 2], [2, 2]]
    assert len(graph_cache) == 1
    done = len(calls)
    for i in range(2, 5):
        (out,) = graph_cache.run("double", double, torch.tensor([float(i), -1.0]))
        assert out.tolist() == [2 * i, -2]
    # Twice itself, once to see what it reads, once to warm up, once to be recorded.
    assert len(calls) == done == 5


def test_without_a_recorder_it_is_a_plain_call():
    graph_cache, x = GraphCache.on(torch.device("cpu")), torch.ones(2)
    assert all(graph_cache.run("same", lambda x: (x,), x)[0] is x for _ in range(4))


def test_another_shape_type_or_key_is_another_recording(tape_recorder):
    graph_cache = GraphCache(tape_recorder)
    inputs = [torch.ones(2), torch.ones(3), torch.ones(2, dtype=torch.uint8)]
    for _ in range(2):
        for x in inputs:
            graph_cache.run("a", lambda x: (x + 1,), x)
    assert len(graph_cache) == 3
    for _ in range(3):  # the same shape, and another function
        (out,) = graph_cache.run("b", lambda x: (x + 5,), torch.zeros(2))
    assert out.tolist() == [5, 5] and len(graph_cache) == 4
    for _ in range(2):
        graph_cache.run("c", lambda x: (x + 7,), torch.zeros(2))
    assert len(graph_cache) == 4
    before = len(tape_recorder.tapes)
    graph_cache.run("a", lambda x: (x + 1,), torch.zeros(2))  # the oldest: gone, and made anew
    assert len(tape_recorder.tapes) == before + 1
    graph_cache.forget()
    assert len(graph_cache) == 0


def test_what_is_read_stays_alive_as_long_as_the_recording(tape_recorder):
    """A graph knows addresses: a table dropped from its cache must not be another's memory."""
    graph_cache, table = GraphCache(tape_recorder), torch.arange(3.0)
    alive = weakref.ref(table)
    tables = {"now": table}
    del table
    for _ in range(2):
        graph_cache.run("key", lambda x: (x + tables["now"].view(3),), torch.zeros(3))
    tables.clear()
    tape_recorder.tapes.clear()
    (held,) = graph_cache._held.values()
    assert held.constants and alive() is not None
    (out,) = graph_cache.run("key", None, torch.ones(3))
    assert out.tolist() == [1, 2, 3]
    del held
    graph_cache.forget()
    gc.collect()
    assert alive() is None


def test_a_table_made_in_the_call_before_the_recording_stays_alive_too(tape_recorder):
    graph_cache, tables = GraphCache(tape_recorder), {}

    def function(x):
        table = tables.setdefault("now", torch.arange(3.0))
        return (x + table,)

    for _ in range(2):
        tables.clear()  # as a cache that other sizes have emptied
        graph_cache.run("key", function, torch.zeros(3))
    alive = weakref.ref(tables.pop("now"))
    tape_recorder.tapes.clear()
    (held,) = graph_cache._held.values()
    assert len(held.constants) == 1 and alive() is held.constants[0]


def test_only_what_was_there_before_is_a_constant():
    weight, x = torch.ones(2, 2), torch.ones(2)
    with CapturedInputs((x,)) as reads:
        ((weight.T @ x).view(1, 2) + 1).add_(weight[0])
    assert [c.untyped_storage()._cdata for c in reads.constants.values()] == [
        weight.untyped_storage()._cdata
    ]


def test_a_function_that_reads_a_value_back_is_called_as_ever(tape_recorder, caplog):
    graph_cache = GraphCache(tape_recorder)
    for i in range(4):
        (out,) = graph_cache.run(
            "key", lambda x: (x * x.sum().item(),), torch.full((2,), float(i))
        )
        assert out.tolist() == [2 * i * i] * 2
    assert graph_cache.recorder is None and "not permitted when stream is capturing" in caplog.text


def test_a_replay_that_is_wrong_is_found_out(tape_recorder, caplog):
    """The function counts in Python, which a recording does not repeat."""
    graph_cache, count = GraphCache(tape_recorder), []

    def counted(x):
        count.append(1)
        return (x + len(count),)

    for _ in range(3):
        graph_cache.run("key", counted, torch.zeros(2))
    assert graph_cache.recorder is None and "a replay is off by" in caplog.text


def test_lack_of_memory_gives_recordings_up_and_nothing_else(caplog):
    class Full:
        def record(self, run):
            raise torch.OutOfMemoryError("CUDA out of memory")

    graph_cache = GraphCache(Full())
    for _ in range(3):
        assert graph_cache.run("key", lambda x: (x + 1,), torch.zeros(1))[0].item() == 1
    assert graph_cache.recorder is None and "memory does not suffice" in caplog.text


@pytest.mark.parametrize(
    "other, expected",
    [([1.0, 3.0], 0.0), ([1.1, 3.0], 0.1 / 4.1), ([float("nan"), 3.0], float("inf"))],
)
def test_difference_by_hand(other, expected):
    one = torch.tensor([1.0, 3.0])
    assert difference((one,), (torch.tensor(other),)) == pytest.approx(expected, rel=1e-5)
    nan = torch.full((2,), float("nan"))
    assert difference((nan,), (nan,)) == 0.0
