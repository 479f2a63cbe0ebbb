"""How long `roadbed` takes to start: `--version`, two helps and a log of one incident.

Whole processes, beside a bare Typer program, which is the floor: what the interpreter and Typer
take anyway. The facts hold each one's ratio, of processor time, which a busy machine blurs less; the
one goal for a start is that of `incidents`.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import harness, profiles
from bench.harness import Contender, measure, report
from bench.incidents import BARE, CORPUS, runbook
from bench.results import Result, of_runs

ROUNDS = 15
COMMANDS = {
    "incident list": ["incident", "list"],
    "new --help": ["new", "--help"],
    "--help": ["--help"],
    "--version": ["--version"],
}


def run() -> Result:
    """Measure and report."""
    with TemporaryDirectory(prefix="bench-start-") as scratch:
        service = Path(scratch)
        (service / "RUNBOOK.md").write_text(runbook(CORPUS, 1), encoding="utf-8")
        (service / "bare.py").write_text(BARE, encoding="utf-8")

        def program(name: str, *words: str) -> Contender:
            command = [sys.executable, *words]
            return Contender(name, lambda _: harness.run(*command, at=service, silent=True))

        ours = [program(name, "-m", "roadbed", *words) for name, words in COMMANDS.items()]
        measured = measure([*ours, program("bare Typer", "bare.py")], rounds=ROUNDS)
        profile = profiles.program("-m", "roadbed", *COMMANDS["incident list"], at=service)
    floor = measured[-1].cpu
    facts = {
        each.name: asdict(
            of_runs("x bare Typer", [own / bare for own, bare in zip(each.cpu, floor, strict=True)])
        )
        for each in measured[:-1]
    }
    figures = report("start", measured)
    profile = profiles.headed("s", figures, profile, floor="bare Typer")
    return Result("start", "s", figures, facts=facts, profile=profile)
