"""The loss table: what becomes of a team's edit and of a template's fix, ours and Copier's."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.results import Result, none


def run() -> Result:
    """Print the table: ours may lose nothing, and has to say everything."""
    sys.path.append(str(Path(__file__).parents[1] / "tests"))
    from losses import CASES, by_copier, by_roadbed

    print(f"{'losses':<10} {'':<48} {'roadbed update':<18} copier update")
    table: dict[str, list[str]] = {}
    for case in CASES:
        fates = []
        for engine in (by_roadbed, by_copier):
            with TemporaryDirectory(prefix="bench-losses-") as folder:
                service = case.make(Path(folder))
                fates.append(case.fate(service, *engine(service)))
        print(f"{'':<10} {case.name:<48} {fates[0]:<18} {fates[1]}")
        table[case.name] = fates
    kept = {"merged", "conflict said", "fix left, said"}
    lost = [sum(fates[side] not in kept for fates in table.values()) for side in (0, 1)]
    print(f"{'':<10} ours lost {lost[0]}, Copier {lost[1]}")
    goal = none(f"edits or fixes that `roadbed update` loses in {len(table)} cases", lost[0])
    return Result("losses", goals=[goal], facts={"cases": table, "lost by Copier": lost[1]})
