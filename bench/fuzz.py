"""schemathesis with all its checks on a generated service with two callers, for ten minutes.

BENCH_SECONDS sets another time. There is a limit, and it is nothing: no check of any answer fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from bench.generated import installed
from bench.results import Result, none

CASES = Path(__file__).parents[1] / "tests" / "generated" / "fuzz"
SECONDS = os.environ.get("BENCH_SECONDS", "600")


def run() -> Result:
    """Try it, with schemathesis's own report."""
    with installed() as folder:
        cases = folder / "tests" / CASES.name
        shutil.copytree(CASES, cases, ignore=shutil.ignore_patterns("__pycache__"))
        siege = [".venv/bin/python", "-m", "tests.fuzz.siege", f"--max-time={SECONDS}"]
        try:
            failed = subprocess.run(siege, cwd=folder, check=False).returncode != 0
        finally:
            shutil.rmtree(cases)
    goal = none(f"runs of schemathesis, {SECONDS} s long, that find something:", int(failed))
    return Result("fuzz", goals=[goal])
