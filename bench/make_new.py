"""The whole of `make new` on a warm cache: lock, commit, installation, migrations, tests."""

from __future__ import annotations

from pathlib import Path

from bench import harness
from bench.harness import Contender, measure, report

CHECKOUT = Path(__file__).parents[1]
ROUNDS = 3
LIMIT = 25.0  # seconds, the median, on two cores


def run() -> bool:
    """Measure, report, and say whether the median is within the limit."""

    def make_new(folder: Path) -> None:
        arguments = ["name=orders", f"dest={folder}/orders", "args=--defaults -q"]
        harness.run("make", "--silent", "new", *arguments, at=CHECKOUT)

    (measurement,) = measure([Contender("make new", make_new)], rounds=ROUNDS)
    report("make-new", [measurement], limit=LIMIT)
    held = measurement.median <= LIMIT
    print(f"{'':<10} the limit of {LIMIT:.0f} s {'holds' if held else 'is BROKEN'}")
    return held
