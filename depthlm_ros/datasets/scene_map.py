"""One map over scenes: in this process, in several, or on a Ray cluster by Ray Data.

Whatever runs it, the function is the same and writes its own file; what comes back is only told of
as progress. Ray is an optional package (the extra ``data``): it brings scheduling over machines,
retries of lost workers and a dashboard, which are not to be written again here.
"""

import logging
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial

from depthlm_ros.datasets.optional_packages import require
from depthlm_ros.status import Code, StatusError

LOCAL = "local"


def map_scenes(
    work: Callable, scenes: Sequence[str], workers: int = 1, ray_address: str = ""
) -> Iterator:
    """Yield ``work(scene)`` as they are done, in any order; what it raises is raised here.

    ``ray_address``: "" for processes of this machine (``workers`` of them), "local" for a Ray
    cluster made for it here, or the address of a running one ("auto", "ray://HOST:10001"), whose
    machines share ``root`` and ``out`` and have this package.
    """
    if ray_address:
        yield from _by_ray(work, scenes, workers, ray_address)
    elif workers <= 1:
        yield from map(work, scenes)
    else:
        # Not by fork: a process that has threads (torch, ROS) may never come back from it.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            yield from pool.map(work, scenes)


@contextmanager
def ray_cluster(address: str, workers: int):
    """Connect to a Ray cluster, or to one made here; one that is connected already stays so."""
    ray = require("ray", "curation on a cluster", "data")
    own = not ray.is_initialized()
    if own:
        cluster = {"num_cpus": workers} if address == LOCAL else {"address": address}
        ray.init(
            log_to_driver=False, include_dashboard=False, logging_level=logging.WARNING, **cluster
        )
    try:
        yield ray
    finally:
        if own:
            ray.shutdown()


def _by_ray(work: Callable, scenes: Sequence[str], workers: int, address: str) -> Iterator:
    with ray_cluster(address, workers):
        ray_data = require("ray.data", "curation on a cluster", "data")
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        ray_data.DataContext.get_current().enable_progress_bars = False
        rows = [{"scene": scene} for scene in scenes]
        blocks = ray_data.from_items(rows, override_num_blocks=len(rows))
        for row in blocks.map(partial(_one_row, work)).iter_rows():
            if row["refused"]:
                raise StatusError(Code(row["code"]), row["refused"])
            yield row["made"]


def _one_row(work: Callable, row: dict) -> dict:
    """Do one scene on a worker; a refusal travels as data, which Ray does not wrap."""
    try:
        return {"made": str(work(row["scene"])), "code": int(Code.OK), "refused": ""}
    except StatusError as refusal:
        return {"made": "", "code": int(refusal.code), "refused": refusal.text}
