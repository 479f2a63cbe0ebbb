"""schemathesis with all its checks on a generated service with two callers, for ten minutes.

BENCH_SECONDS sets another time. There is a limit, and it is nothing: no check of any answer fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from bench.generated import installed

CASES = Path(__file__).parents[1] / "tests" / "generated" / "fuzz"
SECONDS = os.environ.get("BENCH_SECONDS", "600")


def run() -> bool:
    """Try it, with schemathesis's own report; whether it found nothing."""
    with installed() as folder:
        cases = folder / "tests" / CASES.name
        shutil.copytree(CASES, cases, ignore=shutil.ignore_patterns("__pycache__"))
        siege = [".venv/bin/python", "-m", "tests.fuzz.siege", f"--max-time={SECONDS}"]
        try:
            return subprocess.run(siege, cwd=folder, check=False).returncode == 0
        finally:
            shutil.rmtree(cases)
