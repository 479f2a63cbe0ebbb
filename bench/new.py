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
from bench.results import Result, times

CHECKOUT = Path(__file__).parents[1]
GOAL = 1.3  # times bare `copier copy`, at most
ROUNDS = 7


def run() -> Result:
    """Measure and report."""
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
        ours_, theirs_ = measured = measure(contenders, rounds=ROUNDS)
    goal = times(
        "`roadbed new --no-install` takes, of `copier copy`,", ours_.seconds, theirs_.seconds, GOAL
    )
    return Result("new", "s", report("new", measured), [goal])
