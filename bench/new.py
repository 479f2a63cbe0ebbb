"""Render and commit a service: `roadbed new --no-install` against bare `copier copy`.

Whole processes, the same template at the same version, the same answers. Ours also makes the
repository and the first commit; Copier's does not.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import harness
from bench.harness import Contender, measure, report

CHECKOUT = Path(__file__).parents[1]
ROUNDS = 7


def run() -> bool:
    """Measure, and report; there is no limit to hold."""
    with TemporaryDirectory(prefix="bench-template-") as scratch:
        template = str(Path(scratch, "template"))
        harness.run("git", "clone", "--quiet", str(CHECKOUT), template, at=CHECKOUT)
        ours = ["roadbed", "new", "orders", "--no-install", f"--template={template}", "--ref=HEAD"]
        theirs = ["copier", "copy", "--data=service_name=orders", "--vcs-ref=HEAD"]
        silent = ["--defaults", "--quiet"]

        def roadbed(folder: Path) -> None:
            harness.run(sys.executable, "-m", *ours, *silent, at=folder)

        def copier(folder: Path) -> None:
            harness.run(sys.executable, "-m", *theirs, *silent, template, "orders", at=folder)

        contenders = [Contender("roadbed new", roadbed), Contender("copier copy", copier)]
        report("new", measure(contenders, rounds=ROUNDS))
    return True
