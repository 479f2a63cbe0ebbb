"""Ten times as much of everything: what of the cost grows, and that nothing grows faster than that.

Files of a service that is updated, incidents and services that are searched, lines that are checked,
and modules, each with its routes, of a service that starts; each beside a tenth of it, taking turns,
as whole processes. Rows, ten times as many and deeper ones, are the business of `pages`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from uv import find_uv_bin

from bench import harness, update
from bench.harness import Contender, measure, report
from bench.incidents import CORPUS, runbook
from bench.results import Result, times

if TYPE_CHECKING:
    from collections.abc import Callable, Container

CHECKOUT = Path(__file__).parents[1]
ROUNDS = 5
TIMES = 10
FILES, INCIDENTS, SERVICES, LINES, MODULES = 60, 200, 10, 8_000, 1
EACH = 20  # incidents of each service
_START = "from orders.main import create_app; create_app()"


def run() -> Result:
    """Measure and report."""
    figures, goals = [], []
    with TemporaryDirectory(prefix="bench-growth-") as scratch:
        Path(scratch).chmod(0o755)
        for name, unit, make in (
            ("update", f"{FILES} files", _updates),
            ("incident search", f"{INCIDENTS} incidents", _searches),
            ("incident search", f"{SERVICES} services", _services),
            ("check", f"{LINES:,} lines", _checks),
            ("start of a service", f"{MODULES} module", _starts),
        ):
            ground = Path(scratch, unit)
            ground.mkdir()
            small, large = make(ground)
            contenders = [Contender(f"{TIMES} x {unit}", large), Contender(unit, small)]
            many, few = measured = measure(contenders, rounds=ROUNDS)
            found = report(name, measured)
            figures += [replace(each, name=f"{name}, {each.name}") for each in found]
            claim = f"{name}: {TIMES} times {unit} take, of {unit},"
            goals.append(times(claim, many.seconds, few.seconds, TIMES))
    return Result("growth", "s", figures, goals)


def _roadbed(folder: Path, *arguments: str, answers: Container[int] = (0,)) -> None:
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-m", "roadbed", *arguments]
    done = subprocess.run(command, cwd=folder, env=kept, stdout=subprocess.DEVNULL, check=False)
    if done.returncode not in answers:
        raise subprocess.CalledProcessError(done.returncode, command)


def _updates(ground: Path) -> tuple[Callable[[Path], None], Callable[[Path], None]]:
    def updates(files: int) -> Callable[[Path], None]:
        _, _, service = update.services(ground / str(files), files)

        def call(folder: Path) -> None:
            copy = shutil.copytree(service, folder / "orders", symlinks=True)
            _roadbed(Path(copy), "update", "--no-verify", "--quiet")

        return call

    return updates(FILES), updates(TIMES * FILES)


def _searches(ground: Path) -> tuple[Callable[[Path], None], Callable[[Path], None]]:
    return _found(ground, 1, INCIDENTS), _found(ground, 1, TIMES * INCIDENTS)


def _services(ground: Path) -> tuple[Callable[[Path], None], Callable[[Path], None]]:
    return _found(ground, SERVICES, EACH), _found(ground, TIMES * SERVICES, EACH)


def _found(ground: Path, services: int, entries: int) -> Callable[[Path], None]:
    """A search in so many services, each with so many incidents."""
    folder = ground / f"{services} of {entries}"
    for number in range(services):
        service = folder / f"service{number}"
        service.mkdir(parents=True)
        (service / "RUNBOOK.md").write_text(runbook(CORPUS, entries), encoding="utf-8")
    command = ("incident", "search", "search", "slow", "--quiet", f"--in={folder}")
    return lambda _: _roadbed(folder, *command)


def _checks(ground: Path) -> tuple[Callable[[Path], None], Callable[[Path], None]]:
    """Of the standard library's own files, since every machine has them."""
    sources = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))

    def checks(wanted: int) -> Callable[[Path], None]:
        folder, lines = ground / str(wanted), 0
        (folder / "src/app").mkdir(parents=True)
        for number, source in enumerate(sources):
            if lines < wanted:
                text = source.read_bytes()
                (folder / f"src/app/m{number}.py").write_bytes(text)
                lines += text.count(b"\n")
        return lambda _: _roadbed(folder, "check", ".", "--quiet", answers={0, 1})

    return checks(LINES), checks(TIMES * LINES)


def _starts(ground: Path) -> tuple[Callable[[Path], None], Callable[[Path], None]]:
    sys.path.append(str(CHECKOUT / "tests"))
    from histories import git, made

    template = ground / "roadbed"
    git(ground, "clone", "--quiet", "--no-tags", str(CHECKOUT), str(template))
    one = made(template, ground / "one/orders", "HEAD")
    for verb in (["lock"], ["sync", "--frozen", "--compile-bytecode"]):
        subprocess.run([find_uv_bin(), *verb, "--quiet"], cwd=one, check=True)
    ten = made(template, ground / "ten/orders", "HEAD")
    for number in range(TIMES * MODULES - MODULES):
        noun = "fee" + "abcdefghijklmnopqrst"[number]
        _roadbed(ten, "add", "resource", noun, "amount:int", "note:text?", "--quiet")
    python = str(one / ".venv/bin/python")

    def starts(service: Path) -> Callable[[Path], None]:
        env = os.environ | {
            "PYTHONPATH": str(service / "src"),
            "DATABASE_URL": "postgresql://nobody@localhost/nothing",
            "ENVIRONMENT": "development",
        }
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        return lambda folder: harness.run(python, "-c", _START, at=folder, env=env)

    return starts(one), starts(ten)
