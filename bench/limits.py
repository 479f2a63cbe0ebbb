"""What the rate limits cost: the kit's middleware with and without them, and beside other limiters.

The same small route in every application, one worker each, on one machine with the client, taking
turns. Goals: the kit's whole stack, with limits in memory, against a FastAPI that has nothing.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.peers import PROFILER, beside
from bench.profiles import headed
from bench.results import Figure, Goal, Result
from bench.services import Service, cpu

GOAL = 1.4  # times the CPU of bare FastAPI…
CONNECTIONS = 16  # …at so many
UNIT = "µs CPU a request"
PEERS = ("slowapi==0.1.10", "fastapi-limiter==0.2.0")


def run() -> Result:
    """Measure and report."""
    with TemporaryDirectory(prefix="bench-limits-") as scratch:
        service = Service(Path(scratch))
        peers, failed = beside(service.folder, (*PEERS, PROFILER))
        measured = service.measure("limits", f"--peers={peers}")
        profile = service.profile(peers, "tests.idempotency.limiters:memory")
    table = [
        cpu(name, "bare", int(connections), turns)
        for connections, turns in measured["turns"].items()
        for name in turns
    ]
    for row in table:
        print(
            f"limits {row['connections']:>3} at once  {row['name']:<18}"
            f" {row['cpu_us']:5.0f} µs CPU, {row['ratio']:.2f} x bare"
            f" ({row['low']:.2f} to {row['high']:.2f})  {row['rate']:6.0f} requests/s"
        )
    print(f"{'':<7}a bucket in memory: {measured['bucket_us']}")
    (ours,) = (row for row in table if (row["name"], row["connections"]) == ("memory", CONNECTIONS))
    claim = (
        f"CPU of the kit's whole stack, limits in memory, of bare FastAPI, {CONNECTIONS} at once,"
    )
    goal = Goal(claim, ours["ratio"], ours["low"], ours["high"], GOAL)
    failed |= measured.pop("failed")
    facts = {"table": table, **measured}
    figures = _figures(table)
    profile = headed(UNIT, figures, profile, floor="bare")
    return Result("limits", UNIT, figures, [goal], facts, failed, profile)


def _figures(table: list[dict[str, Any]]) -> list[Figure]:
    bare = next(row["cpu_us"] for row in table if row["name"] == "bare")
    return [
        Figure(row["name"], row["cpu_us"], bare * row["low"], bare * row["high"])
        for row in table
        if row["connections"] == CONNECTIONS
    ]
