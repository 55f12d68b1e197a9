"""Runs independent jobs side by side: here, in processes, or on the machines of a Ray cluster."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import Any, TypeVar

from tmrl_common.errors import ConfigError

Job = TypeVar("Job")
Result = TypeVar("Result")


def fan_out(
    work: Callable[[Job], Result],
    jobs: Sequence[Job],
    workers: int,
    ray_address: str | None = None,
    on_tick: Callable[[], object] = lambda: None,
    tick_s: float = 1.0,
) -> Iterator[tuple[Job, Result]]:
    """Yields each job with its result as they finish.

    Args:
        work: Function at module level, called in another process.
        jobs: Its arguments; they and the results travel between processes.
        workers: Processes here; ignored with Ray, whose cluster decides.
        ray_address: Of a Ray cluster, e.g. "auto"; needs this package's extra `ray` on every
            machine, and a working folder that all of them share. A job whose machine or process
            dies is done again.
        on_tick: Called about every `tick_s` while waiting, for progress.
        tick_s: Seconds between ticks.

    Raises:
        ConfigError: Ray is wanted and not installed.
    """
    if ray_address is not None:
        yield from _on_ray(work, jobs, ray_address, on_tick, tick_s)
        return
    # A forked child would inherit torch's threads in an unknown state.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        pending: dict[Future[Result], Job] = {pool.submit(work, job): job for job in jobs}
        try:
            while pending:
                done, _ = wait(pending, timeout=tick_s, return_when=FIRST_COMPLETED)
                on_tick()
                for future in done:
                    yield pending.pop(future), future.result()
        finally:
            # Reached with jobs pending when one failed or the user interrupted.
            pool.shutdown(wait=False, cancel_futures=True)


def _on_ray(
    work: Callable[[Job], Result],
    jobs: Sequence[Job],
    address: str,
    on_tick: Callable[[], object],
    tick_s: float,
) -> Iterator[tuple[Job, Result]]:
    try:
        import ray  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ConfigError(
            "--ray needs the package ray, which is not installed: ./tmrl run python -m pip install "
            "ray, here and on every machine of the cluster; or leave --ray out and run here"
        ) from error
    cluster: Any = ray
    cluster.init(address=address)
    # Ray takes functions only, and `work` may be a partial one.
    remote = cluster.remote(num_cpus=1)(_call)
    pending = {remote.remote(work, job): job for job in jobs}
    while pending:
        done, _ = cluster.wait(list(pending), timeout=tick_s)
        on_tick()
        for reference in done:
            yield pending.pop(reference), cluster.get(reference)
    cluster.shutdown()


def _call(work: Callable[[Job], Result], job: Job) -> Result:
    return work(job)
