"""`python -m bench [NAME…]`: run the named benchmarks, or all. Exit code 1: a goal is missed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from bench import (
    add,
    capacity,
    chaos,
    check,
    first_green,
    fleet,
    fuzz,
    growth,
    idempotency,
    incidents,
    kills,
    limits,
    losses,
    make_new,
    new,
    overhead,
    pages,
    public_ids,
    readme,
    results,
    rolling,
    start,
    timeouts,
    update,
)

BENCHMARKS = {
    "new": new.run,
    "first-green": first_green.run,
    "make-new": make_new.run,
    "add": add.run,
    "update": update.run,
    "losses": losses.run,
    "kills": kills.run,
    "fleet": fleet.run,
    "start": start.run,
    "incidents": incidents.run,
    "check": check.run,
    "timeouts": timeouts.run,
    "overhead": overhead.run,
    "idempotency": idempotency.run,
    "chaos": chaos.run,
    "rolling": rolling.run,
    "limits": limits.run,
    "capacity": capacity.run,
    "pages": pages.run,
    "public-ids": public_ids.run,
    "growth": growth.run,
    "fuzz": fuzz.run,
}

# Services are repositories: on a machine that knows nobody, somebody commits to them all the same.
_IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Ada"), ("EMAIL", "ada@example.com"))
}


def main(names: list[str]) -> int:
    """Run the benchmarks and give the exit code."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"No benchmark {unknown[0]}: there are {', '.join(BENCHMARKS)}.", file=sys.stderr)
        return 2
    os.environ |= _IDENTITY
    found, machine, commit = [], results.machine(), _commit()
    for name, run in BENCHMARKS.items():
        if not names or name in names:
            result = run()
            found.append(result)
            # One at a time: whoever stops the rest keeps these.
            file = results.save([result], machine=machine, commit=commit)
    readme.write()
    print(f"\n{results.table(found)}\n\n{file}")
    return 0 if all(goal.holds for result in found for goal in result.goals) else 1


def _commit() -> str:
    """What is measured: a commit of this repository, marked if there are changes on top."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    here = Path(__file__).parent
    return subprocess.run(
        command, cwd=here, check=True, capture_output=True, text=True
    ).stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
