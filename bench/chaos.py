"""Workers killed at random, long: the service's keys, and those of other libraries, side by side."""

from __future__ import annotations

from pathlib import Path
from subprocess import CalledProcessError
from tempfile import TemporaryDirectory

from bench.idempotency import PEERS
from bench.peers import beside, last_words
from bench.results import Result, none
from bench.services import Service

KILLS = 200
CONTENDERS = ("ours", "asgi_idempotency_header", "fastidempotent_redis")
COLUMNS = ("keys", "doubled", "lost", "overcharged", "changed", "stuck", "replayed", "in_progress")


def run() -> Result:
    """Run all of them, and report."""
    with TemporaryDirectory(prefix="bench-chaos-") as scratch:
        service = Service(Path(scratch))
        peers, failed = beside(service.folder, PEERS)
        results = {}
        for name in CONTENDERS:
            arguments = (f"--peers={peers}", f"--name={name}", f"--kills={KILLS}")
            try:
                results[name] = service.measure("siege", "--key={key}", *arguments)
            except CalledProcessError as error:
                if name == "ours":
                    raise
                failed[name] = last_words(error)
    print(f"chaos       {KILLS} kills of two workers".ljust(40), *COLUMNS, sep="  ")
    for name, result in results.items():
        counts = (f"{result[column]:>{len(column)}}" for column in COLUMNS)
        print(f"            {name}".ljust(40), *counts, sep="  ")
    wrong = results["ours"]["wrong"]
    print(f"{'':<12}{wrong or 'everything was done once'}")
    claim = f"of what {KILLS} kills of a worker interrupt, done twice, lost or replayed otherwise:"
    return Result("chaos", goals=[none(claim, len(wrong))], facts=results, failed=failed)
