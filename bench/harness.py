"""How things are measured: whole runs, warmed up, the contenders taking turns (A B A B …)."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from bench.results import Figure, figure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

WARM_UP = 1  # runs of each contender that do not count


@dataclass(frozen=True)
class Contender:
    """Something to measure.

    Attributes:
        name: what the report calls it.
        run: does the work once, in an empty folder that it is given.
    """

    name: str
    run: Callable[[Path], None]


@dataclass(frozen=True)
class Measurement:
    """One contender's runs.

    Attributes:
        seconds: wall time of each run, in the order of the runs.
        cpu: processor time of each run and all it started, which a busy machine blurs less.
    """

    name: str
    seconds: list[float]
    cpu: list[float]

    @property
    def median(self) -> float:
        """Of the wall times, in seconds."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> tuple[float, float]:
        """The shortest and the longest wall time, in seconds."""
        return min(self.seconds), max(self.seconds)


def run(*command: str, at: Path, env: Mapping[str, str] = os.environ, silent: bool = False) -> None:
    """Run a command in the folder `at`; it has to succeed. What a `silent` one prints is lost.

    Byte code is kept, as on most machines: else we would mostly measure Python's compiler.
    """
    kept = {key: value for key, value in env.items() if key != "PYTHONDONTWRITEBYTECODE"}
    out = subprocess.DEVNULL if silent else None
    subprocess.run(command, cwd=at, env=kept, check=True, stdout=out)


def measure(
    contenders: list[Contender], *, rounds: int, warm_up: int = WARM_UP
) -> list[Measurement]:
    """Run the contenders in turns, `rounds` times each after warming up.

    Taking turns gives each the same share of whatever else the machine does.
    """
    measurements = [Measurement(contender.name, [], []) for contender in contenders]
    for number in range(-warm_up, rounds):
        for contender, measurement in zip(contenders, measurements, strict=True):
            with TemporaryDirectory(prefix="bench-") as folder:
                began, used = time.perf_counter(), _cpu()
                contender.run(Path(folder))
                if number >= 0:
                    measurement.seconds.append(time.perf_counter() - began)
                    measurement.cpu.append(_cpu() - used)
    return measurements


def report(benchmark: str, measurements: list[Measurement]) -> list[Figure]:
    """Print a table, with each median as a multiple of the last contender's; give the figures."""
    rival = measurements[-1]
    for each in measurements:
        print(
            f"{benchmark:<10} {each.name:<14} median {each.median:6.2f} s"
            f"  ({min(each.seconds):.2f} to {max(each.seconds):.2f}, {len(each.seconds)} runs;"
            f" processor {statistics.median(each.cpu):.2f} s)"
            + (f"  {each.median / rival.median:.2f} x {rival.name}" if each is not rival else "")
        )
    return [figure(each) for each in measurements]


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
