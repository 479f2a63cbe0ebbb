"""What a key costs: the POST with one against the same POST without, and against other libraries.

One worker each, on one machine with the client: a small load generator of our own (`inside/load.py`),
taking turns. A ratio is of two neighbouring turns; its spread is the middle half of all of them.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.harness import RESULTS
from bench.services import Service

GOAL = 0.85  # of the POST without a key…
CONNECTIONS = 16  # …at so many


def run() -> bool:
    """Measure, report, and say whether the goal is met within the spread."""
    with TemporaryDirectory(prefix="bench-idempotency-") as scratch:
        service = Service(Path(scratch))
        peers = service.install_peers()
        measured = service.measure("throughput", "--key={key}", f"--peers={peers}")
    table = [
        _row(name, int(connections), turns, measured["round_trips"][name])
        for connections, turns in measured["turns"].items()
        for name in turns
    ]
    for row in table:
        print(
            f"idempotency {row['connections']:>3} at once  {row['name']:<24}"
            f" {row['median']:6.0f} requests/s  {row['ratio']:.2f} of bare"
            f" ({row['low']:.2f} to {row['high']:.2f})  {row['cpu_ms']:5.2f} ms CPU"
            f"  {row['round_trips']:.1f} round trips"
        )
    RESULTS.mkdir(exist_ok=True)
    result = {"goal": GOAL, "table": table, **measured}
    (RESULTS / "idempotency.json").write_text(json.dumps(result, indent=2) + "\n")
    (ours,) = (row for row in table if row["name"] == "keyed" and row["connections"] == CONNECTIONS)
    held = bool(ours["high"] >= GOAL)
    print(
        f"{'':<12}the goal of {GOAL} at {CONNECTIONS} connections {'holds' if held else 'is MISSED'}"
    )
    return held


def _row(name: str, connections: int, turns: dict[str, Any], trips: float) -> dict[str, Any]:
    pairs = zip(turns[name], turns["bare"], strict=True)
    ratios = [each["rate"] / bare["rate"] for each, bare in pairs]
    low, _, high = statistics.quantiles(ratios, n=4)
    return {
        "name": name,
        "connections": connections,
        "median": statistics.median(each["rate"] for each in turns[name]),
        "cpu_ms": statistics.median(each["cpu_ms"] for each in turns[name]),
        "ratio": statistics.median(ratios),
        "low": low,
        "high": high,
        "round_trips": trips,
    }
