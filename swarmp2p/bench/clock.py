"""CPU seconds of a piece of work beside those of a memcpy."""

import statistics
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass

Work = Callable[[], object]

_NAIVE_SECONDS = 1.0  # a slow baseline is timed until this has passed, at least once


@dataclass(frozen=True, slots=True)
class Timing:
    """Medians, in milliseconds."""

    cpu_ms: float
    wall_ms: float
    memcpy_ms: float

    @property
    def ratio(self) -> float:
        """CPU time as a multiple of the memcpy's."""
        return self.cpu_ms / self.memcpy_ms

    def scaled(self, factor: float) -> "Timing":
        """What `factor` times as much work would take; the memcpy is the same."""
        return Timing(self.cpu_ms * factor, self.wall_ms * factor, self.memcpy_ms)


def beside(work: Work, memcpy: Work, repeat: int) -> Timing:
    """Time `work` and `memcpy` in turns, so that a busy machine slows both."""
    work()
    memcpy()
    copies, runs = [], []
    for _ in range(repeat):
        copies.append(_once(memcpy)[0])
        runs.append(_once(work))
    cpu = statistics.median(run[0] for run in runs)
    wall = statistics.median(run[1] for run in runs)
    # a copy of a small vector can be shorter than the clock's step
    return Timing(cpu * 1e3, wall * 1e3, max(statistics.median(copies), 1e-6) * 1e3)


def baseline(work: Work, repeat: int) -> float:
    """Median CPU milliseconds of up to `repeat` runs that fit into a second, the first included."""
    runs: list[float] = []
    while not runs or (len(runs) < repeat and sum(runs) < _NAIVE_SECONDS):
        runs.append(_once(work)[0])
    return statistics.median(runs) * 1e3


def peak_mb(work: Work) -> float:
    """Megabytes that `work` has in use beyond what was there before, at most."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def _once(work: Work) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall
