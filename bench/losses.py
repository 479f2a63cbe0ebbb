"""The loss table: what becomes of a team's edit and of a template's fix, ours and Copier's."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory


def run() -> bool:
    """Print the table, and say whether ours lost nothing and reported everything."""
    sys.path.append(str(Path(__file__).parents[1] / "tests"))
    from losses import CASES, by_copier, by_roadbed

    print(f"{'losses':<10} {'':<48} {'roadbed update':<18} copier update")
    held = True
    for case in CASES:
        fates = []
        for engine in (by_roadbed, by_copier):
            with TemporaryDirectory(prefix="bench-losses-") as folder:
                service = case.make(Path(folder))
                fates.append(case.fate(service, *engine(service)))
        print(f"{'':<10} {case.name:<48} {fates[0]:<18} {fates[1]}")
        held = held and fates[0] in {"merged", "conflict said", "fix left, said"}
    print(f"{'':<10} ours lost nothing" if held else f"{'':<10} ours LOST something")
    return held
