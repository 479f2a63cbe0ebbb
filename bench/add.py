"""`roadbed add resource`: how long it takes, and whether whatever is defined runs.

The time is of whole programs, against `copier copy` of the same template, of which a resource is a
part. Then random definitions (Hypothesis) are added to services, four to each, whose formatter, linter
and types, whose migrations up and down with rows in them, and whose tests say whether they are right.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from uv import find_uv_bin

from bench import harness
from bench.harness import Contender, Measurement, measure, report
from bench.results import Result, guard, none

CHECKOUT = Path(__file__).parents[1]
ROUNDS = 7
LIMIT = 2.0  # seconds
SERVICES, RESOURCES = 8, 4
_ENV = {**os.environ, "PATH": f"{Path(find_uv_bin()).parent}:{os.environ['PATH']}"}
_INVOICE = ("invoice", "payment:ref", "amount:int", "currency:str:3", "due_on:date?")


def run() -> Result:
    """Measure, and try."""
    sys.path.append(str(CHECKOUT / "tests"))
    from definitions import sampled
    from histories import git, made

    with TemporaryDirectory(prefix="bench-add-") as scratch:
        ground = Path(scratch)
        ground.chmod(0o755)
        template = ground / "roadbed"
        git(ground, "clone", "--quiet", "--no-tags", str(CHECKOUT), str(template))
        timed = _timed(made(template, ground / "timed/orders", "HEAD"), template)
        made_here: list[tuple[Path, list[str]]] = []
        for number, resources in enumerate(sampled(SERVICES, RESOURCES, anew=True)):
            ownership = ("account", "shared")[number % 2]
            service = made(template, ground / f"{number}/orders", "HEAD", ownership=ownership)
            words = [["add", "resource", each.noun, *each.words] for each in resources]
            for each in words:
                harness.run(sys.executable, "-m", "roadbed", *each, "--quiet", at=service)
            made_here.append((service, [shlex.join(each) for each in words]))
        wrong = 0
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            troubles = pool.map(_trouble, (service for service, _ in made_here))
            for number, ((_, told), trouble) in enumerate(zip(made_here, troubles, strict=True)):
                wrong += bool(trouble)
                print(f"{'add':<10} service {number}: {trouble or 'well'}", flush=True)
                if trouble:
                    print("\n".join(f"{'':<10} roadbed {line}" for line in told))
    print(f"{'':<10} {SERVICES - wrong} of {SERVICES} services with {RESOURCES} resources are well")
    added = SERVICES * RESOURCES
    goals = [
        guard("`roadbed add resource`", timed[0].seconds, LIMIT),
        none(f"services that {added} random resources leave unwell:", wrong),
    ]
    return Result("add", "s", report("add", timed), goals)


def _timed(service: Path, template: Path) -> list[Measurement]:
    add = [sys.executable, "-m", "roadbed", "add", "resource", *_INVOICE, f"--in={service}"]
    copier = [sys.executable, "-m", "copier", "copy", "--data=service_name=orders", "--defaults"]

    def ours(folder: Path) -> None:
        harness.run(*add, "--quiet", at=folder)
        subprocess.run(["git", "clean", "-fdq"], cwd=service, check=True)

    def theirs(folder: Path) -> None:
        harness.run(*copier, "--quiet", "--vcs-ref=HEAD", str(template), "orders", at=folder)

    return measure(
        [Contender("add resource", ours), Contender("copier copy", theirs)], rounds=ROUNDS
    )


def _trouble(service: Path) -> str:
    """What a service's own tools find; empty if nothing."""
    for words in (
        "make --silent install",
        ".venv/bin/ruff format --check --quiet",
        ".venv/bin/ruff check --quiet",
        ".venv/bin/mypy",
        "make --silent contract accept=1",
        "make --silent test",
    ):
        done = subprocess.run(
            words.split(), cwd=service, env=_ENV, capture_output=True, text=True, check=False
        )
        if done.returncode:
            return f"{words}: {done.stdout[-2000:]}{done.stderr[-500:]}"
    return ""
