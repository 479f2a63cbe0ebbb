"""`python -m bench [NAME…]`: run the named benchmarks, or all. Exit code 1: a limit is broken."""

from __future__ import annotations

import sys

from bench import (
    add,
    chaos,
    check,
    fleet,
    fuzz,
    idempotency,
    incidents,
    kills,
    limits,
    losses,
    make_new,
    new,
    pages,
    public_ids,
    update,
)

BENCHMARKS = {
    "add": add.run,
    "check": check.run,
    "new": new.run,
    "make-new": make_new.run,
    "limits": limits.run,
    "pages": pages.run,
    "public-ids": public_ids.run,
    "idempotency": idempotency.run,
    "chaos": chaos.run,
    "fuzz": fuzz.run,
    "update": update.run,
    "losses": losses.run,
    "kills": kills.run,
    "fleet": fleet.run,
    "incidents": incidents.run,
}


def main(names: list[str]) -> int:
    """Run the benchmarks and give the exit code."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"No benchmark {unknown[0]}: there are {', '.join(BENCHMARKS)}.", file=sys.stderr)
        return 2
    held = [run() for name, run in BENCHMARKS.items() if not names or name in names]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
