"""What a worker does: a page of 20 rows and a POST with a key, beside a FastAPI that only answers.

One worker each, on one machine with the client and PostgreSQL, taking turns. The ratio of the
worker's own CPU time is what ARCHITECTURE of a service tells; the rest depends on the machine.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.results import Figure, Result
from bench.services import Service


def run() -> Result:
    """Measure and report."""
    with TemporaryDirectory(prefix="bench-capacity-") as scratch:
        measured = Service(Path(scratch)).measure("capacity")
    figures = []
    for name, turns in measured.items():
        pairs = zip(turns, measured["bare"], strict=True)
        low, ratio, high = statistics.quantiles(
            [each["cpu_ms"] / bare["cpu_ms"] for each, bare in pairs], n=4
        )
        figures.append(Figure(name, ratio, low, high))
        cpu = statistics.median(each["cpu_ms"] for each in turns)
        rate = statistics.median(each["rate"] for each in turns)
        print(
            f"capacity {name:<6} {1000 * cpu:5.0f} µs CPU, {ratio:.1f} x bare"
            f" ({low:.1f} to {high:.1f})  {rate:6.0f} requests/s"
        )
    return Result("capacity", "x CPU of bare FastAPI", figures, [], measured)
