"""How things are measured: whole runs, warmed up, the contenders taking turns (A B A B …)."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

RESULTS = Path(__file__).with_name("results")
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
        median: of them, in seconds.
        spread: from the fastest to the slowest, in seconds.
    """

    name: str
    seconds: list[float]
    median: float
    spread: tuple[float, float]


def measure(contenders: list[Contender], *, rounds: int) -> list[Measurement]:
    """Run the contenders in turns, `rounds` times each after warming up.

    Taking turns gives each the same share of whatever else the machine does.
    """
    seconds: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for number in range(-WARM_UP, rounds):
        for contender in contenders:
            with TemporaryDirectory(prefix="bench-") as folder:
                began = time.perf_counter()
                contender.run(Path(folder))
                if number >= 0:
                    seconds[contender.name].append(time.perf_counter() - began)
    return [
        Measurement(name, runs, statistics.median(runs), (min(runs), max(runs)))
        for name, runs in seconds.items()
    ]


def report(benchmark: str, measurements: list[Measurement], **facts: object) -> None:
    """Print a table, with each median as a multiple of the last contender's, and write JSON."""
    rival = measurements[-1]
    for each in measurements:
        low, high = each.spread
        print(
            f"{benchmark:<10} {each.name:<14} median {each.median:6.2f} s"
            f"  ({low:.2f} to {high:.2f}, {len(each.seconds)} runs)"
            + (f"  {each.median / rival.median:.2f} x {rival.name}" if each is not rival else "")
        )
    RESULTS.mkdir(exist_ok=True)
    machine = {
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "python": sys.version.split()[0],
        "system": platform.platform(),
    }
    result = {"measurements": [asdict(each) for each in measurements], "machine": machine, **facts}
    (RESULTS / f"{benchmark}.json").write_text(json.dumps(result, indent=2) + "\n")
