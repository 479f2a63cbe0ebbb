"""Calls that wait for ever: what `roadbed check` finds of them, and what ruff's S113 does.

The cases are those of this repository's own tests (`tests/checklist/test_calls.py`), by the hand that
wrote the rule: what counts is what one finds and the other does not, and the false alarms of both.
"""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from bench.results import Result, none

if TYPE_CHECKING:
    from collections.abc import Callable

TESTS = Path(__file__).parents[1] / "tests"
RUFF = Path(sys.executable).with_name("ruff")
RULES = "S113,ASYNC210"


def run() -> Result:
    """Count, and print."""
    sys.path += [str(TESTS), str(TESTS / "checklist")]
    from checked import state

    from roadbed.checklist.evidence import State

    cases = import_module("test_calls")
    waiting: dict[str, str] = cases.FOREVER
    ending: dict[str, str] = cases.LIMITED

    def ours(folder: Path, source: str) -> bool:
        files = {"pyproject.toml": "[project]\nname = 'x'\n", "src/x/calls.py": source}
        return state(folder, files, "call-without-timeout") is State.FAIL

    table = {
        name: {
            "found": {case for case, source in waiting.items() if _asked(judge, source)},
            "false alarms": {case for case, source in ending.items() if _asked(judge, source)},
        }
        for name, judge in (("roadbed check", ours), ("ruff", ruff))
    }
    for name, counts in table.items():
        print(
            f"{'timeouts':<10} {name:<14} {len(counts['found']):>3} of {len(waiting)} found,"
            f" {len(counts['false alarms'])} of {len(ending)} false alarms"
        )
    mine, theirs = table["roadbed check"], table["ruff"]
    missed, alarms = theirs["found"] - mine["found"], mine["false alarms"]
    goals = [
        none(f"calls without an end that ruff's {RULES} finds and `check` does not:", len(missed)),
        none(f"false alarms of `check` in {len(ending)} calls that do end:", len(alarms)),
    ]
    facts = {
        name: {kind: sorted(cases) for kind, cases in counts.items()}
        for name, counts in table.items()
    }
    return Result("timeouts", goals=goals, facts=facts)


def ruff(folder: Path, source: str) -> bool:
    """Whether ruff finds anything in it."""
    (folder / "calls.py").write_text(source, encoding="utf-8")
    command = [str(RUFF), "check", "--isolated", "--quiet", f"--select={RULES}", "calls.py"]
    return subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, check=False).returncode == 1


def _asked(judge: Callable[[Path, str], bool], source: str) -> bool:
    with TemporaryDirectory(prefix="bench-timeouts-") as folder:
        return judge(Path(folder), source)
