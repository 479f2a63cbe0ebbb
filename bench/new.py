"""Render and commit a service: `roadbed new --no-install` against bare `copier copy`.

Whole processes, the same template at the same version, the same answers. Ours also makes the
repository and the first commit; Copier's does not.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.harness import Contender, measure, report

CHECKOUT = Path(__file__).parents[1]
ROUNDS = 7


def run() -> bool:
    """Measure, and report; there is no limit to hold."""
    with TemporaryDirectory(prefix="bench-template-") as scratch:
        template = str(Path(scratch, "template"))
        subprocess.run(["git", "clone", "--quiet", CHECKOUT, template], check=True)
        ours = ["roadbed", "new", "orders", "--no-install", "--defaults", "--quiet", "--ref=HEAD"]
        theirs = ["copier", "copy", "--defaults", "--quiet", "--data=service_name=orders"]

        def roadbed(folder: Path) -> None:
            _python(*ours, "--template", template, at=folder)

        def copier(folder: Path) -> None:
            _python(*theirs, "--vcs-ref=HEAD", template, "orders", at=folder)

        contenders = [Contender("roadbed new", roadbed), Contender("copier copy", copier)]
        report("new", measure(contenders, rounds=ROUNDS))
    return True


def _python(*module: str, at: Path) -> None:
    # Byte code is kept, as on most machines: else both would mostly measure the compiler.
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, "-m", *module], cwd=at, env=kept, check=True)
