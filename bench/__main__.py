"""`python -m bench [NAME…]`: run the named benchmarks, or all.

Exit code 1: a goal is missed, or a benchmark came to no end.
"""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
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
    # The longest last.
    "fuzz": fuzz.run,
    "fleet": fleet.run,
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
    found, broken, machine, commit = [], [], results.machine(), _commit()
    for name in names or BENCHMARKS:
        try:
            result = BENCHMARKS[name]()
        except Exception:  # noqa: BLE001 (the others are measured all the same: all of them take an hour)
            traceback.print_exc()
            broken.append(name)
            continue
        found.append(result)
        # One at a time: whoever stops the rest keeps these.
        print(results.save([result], machine=machine, commit=commit))
    readme.write()
    print(f"\n{results.table(found)}")
    if broken:
        print(f"\nDid not come to an end: {', '.join(broken)}", file=sys.stderr)
    return int(bool(broken) or not all(goal.holds for each in found for goal in each.goals))


def _commit() -> str:
    """What is measured: a commit of this repository, marked if there are changes on top."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    here = Path(__file__).parent
    return subprocess.run(
        command, cwd=here, check=True, capture_output=True, text=True
    ).stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
