"""Two servers are replaced one after the other, under load, for a minute.

BENCH_SECONDS sets another time. There is a limit, and it is nothing: no request fails, and none is
done twice. It is the test of `tests/generated/signals/rolling.py`, for longer.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from bench.generated import installed
from bench.results import Result, none

CASES = Path(__file__).parents[1] / "tests" / "generated" / "signals"
FILES = {
    "__init__.py": "__init__.py",
    "fixtures.py": "conftest.py",
    "rolling.py": "test_rolling.py",
}
SECONDS = os.environ.get("BENCH_SECONDS", "60")


def run() -> Result:
    """Replace them, and say what became of the requests."""
    with installed() as folder:
        cases = folder / "tests" / "rolling"
        cases.mkdir()
        try:
            for file, name in FILES.items():
                shutil.copy(CASES / file, cases / name)
            done = subprocess.run(
                [".venv/bin/python", "-m", "pytest", "--quiet", "--capture=no", "tests/rolling"],
                cwd=folder,
                env=os.environ | {"ROLLING_SECONDS": SECONDS},
                stdout=subprocess.PIPE,
                text=True,
                check=False,
            )
        finally:
            shutil.rmtree(cases)
    print(f"rolling     {done.stdout.strip()}")
    counts = re.search(r"(\d+) requests, (\d+) failed, (\d+) doubled", done.stdout)
    if counts is None:
        raise SystemExit("rolling: the servers were not replaced")
    sent, failed, doubled = map(int, counts.groups())
    goals = [
        none(f"of {sent} requests in {SECONDS} s of a rolling restart, failed:", failed),
        none("of them, done twice:", doubled),
    ]
    return Result("rolling", goals=goals)
