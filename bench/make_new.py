"""The whole of `make new` on a warm cache: lock, commit, installation, migrations, tests."""

from __future__ import annotations

from pathlib import Path

from bench import harness
from bench.harness import Contender, measure, report
from bench.results import Result, guard

CHECKOUT = Path(__file__).parents[1]
ROUNDS = 3
LIMIT = 25.0  # seconds, the median, on two cores


def run() -> Result:
    """Measure and report."""

    def make_new(folder: Path) -> None:
        arguments = ["name=orders", f"dest={folder}/orders", "args=--defaults -q"]
        harness.run("make", "--silent", "new", *arguments, at=CHECKOUT)

    (measurement,) = measure([Contender("make new", make_new)], rounds=ROUNDS)
    goal = guard("`make new` on a warm cache, its suite included,", measurement.seconds, LIMIT)
    return Result("make-new", "s", report("make-new", [measurement]), [goal])
