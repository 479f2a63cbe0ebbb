"""Workers killed at random, long: the service's keys, and those of other libraries, side by side."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.harness import RESULTS
from bench.services import Service

KILLS = 200
CONTENDERS = ("ours", "asgi_idempotency_header", "fastidempotent_redis")
COLUMNS = ("keys", "doubled", "lost", "overcharged", "changed", "stuck", "replayed", "in_progress")


def run() -> bool:
    """Run all of them, report, and say whether ours did everything once."""
    with TemporaryDirectory(prefix="bench-chaos-") as scratch:
        service = Service(Path(scratch))
        peers = service.install_peers()
        results = {
            name: service.measure(
                "siege", "--key={key}", f"--peers={peers}", f"--name={name}", f"--kills={KILLS}"
            )
            for name in CONTENDERS
        }
    print(f"chaos       {KILLS} kills of two workers".ljust(40), *COLUMNS, sep="  ")
    for name, result in results.items():
        counts = (f"{result[column]:>{len(column)}}" for column in COLUMNS)
        print(f"            {name}".ljust(40), *counts, sep="  ")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "chaos.json").write_text(json.dumps(results, indent=2) + "\n")
    held = not results["ours"]["wrong"]
    print(f"{'':<12}{'everything was done once' if held else results['ours']['wrong']}")
    return held
