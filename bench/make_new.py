"""The whole of `make new` on a warm cache: lock, commit, installation, migrations, tests."""

from __future__ import annotations

import subprocess
from pathlib import Path

from bench.harness import Contender, measure, report

CHECKOUT = Path(__file__).parents[1]
ROUNDS = 3
LIMIT = 25.0  # seconds, the median, on two cores


def run() -> bool:
    """Measure, report, and say whether the median is within the limit."""

    def make_new(folder: Path) -> None:
        subprocess.run(
            [
                "make",
                "--silent",
                "new",
                "name=orders",
                f"dest={folder}/orders",
                "args=--defaults -q",
            ],
            cwd=CHECKOUT,
            check=True,
        )

    (measurement,) = measure([Contender("make new", make_new)], rounds=ROUNDS)
    report("make-new", [measurement], limit=LIMIT)
    held = measurement.median <= LIMIT
    print(f"{'':<10} the limit of {LIMIT:.0f} s {'holds' if held else 'is BROKEN'}")
    return held
