"""What the kit costs a service: its requests against the same on bare FastAPI and SQLAlchemy.

The rival sends the same statements, the look-up of the key included; the floor is the driver alone,
without FastAPI and SQLAlchemy. Then a route that does nothing: in the service, with all of its
middleware, and on bare FastAPI, with nothing and with each part alone. One worker each, on one
machine with the client, taking turns; a ratio is of two neighbouring turns' CPU, its spread the
middle half of all.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from bench.peers import PROFILER, beside
from bench.profiles import headed
from bench.results import Figure, Goal, Result
from bench.services import Service, cpu

CONNECTIONS = 16
UNIT = "µs CPU a request"
SPREAD = ("ratio", "low", "high")
GOALS = {
    "get": (f"CPU of GET by id, of bare FastAPI and SQLAlchemy's, {CONNECTIONS} at once,", 1.25),
    "all of them": (
        f"CPU with all middleware, limits in memory, of bare FastAPI, {CONNECTIONS} at once,",
        1.4,
    ),
}


def run() -> Result:
    """Measure and report."""
    with TemporaryDirectory(prefix="bench-overhead-") as scratch:
        service = Service(Path(scratch))
        measured = service.measure("overhead", "--key={key}")
        profiler, _ = beside(service.folder, [PROFILER])
        path = ("--method=GET", f"--path={measured['path']}", "--key={key}")
        profile = service.profile(profiler, "orders.main:create_app", *path)
    table = [
        cpu(name, measured["rivals"].get(name, name), int(connections), turns)
        for connections, turns in measured["turns"].items()
        for name in turns
    ]
    for row in table:
        print(
            f"overhead {row['connections']:>3} at once  {row['name']:<26}"
            f" {row['cpu_us']:5.0f} µs CPU, {row['ratio']:.2f} x bare"
            f" ({row['low']:.2f} to {row['high']:.2f})  {row['rate']:6.0f} requests/s"
        )
    at_once = [row for row in table if row["connections"] == CONNECTIONS]
    goals = [
        Goal(claim, row["ratio"], row["low"], row["high"], bound)
        for row in at_once
        for claim, bound in (GOALS[name] for name in GOALS if name == row["name"])
    ]
    figures = [
        Figure(row["name"], *(row["cpu_us"] * row[each] / row["ratio"] for each in SPREAD))
        for row in at_once
    ]
    facts = {"table": table, **measured}
    gets = [each for each in figures if each.name.endswith("get")]
    profile = headed(UNIT, gets, profile, floor="floor get")
    return Result("overhead", UNIT, figures, goals, facts, profile=profile)
