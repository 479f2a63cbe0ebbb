"""Twenty services with different answers and lives of their own follow the template unattended.

Three versions, one of which changes the kit's schema; at the end each service's own formatter,
suite and contract and the checklist say whether it is well. A team that changed a line of the kit
which the template changed too gets a conflict, and that is reported.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from uv import find_uv_bin

from bench.results import Goal, Result, none

CHECKOUT = Path(__file__).parents[1]
_ENV = {**os.environ, "PATH": f"{Path(find_uv_bin()).parent}:{os.environ['PATH']}"}
SERVICES = 20
GOAL = 0.95  # of them update unattended
_MODULES = ("payment", "invoice", "category", "line_item", "fee")
_DEPLOYMENTS = ("kubernetes", "compose", "none")


def run() -> Result:
    """Print a line for each service."""
    sys.path.append(str(CHECKOUT / "tests"))
    import futures
    from histories import git

    dice, outcomes = Random(20), Counter[str]()  # noqa: S311
    with TemporaryDirectory(prefix="bench-fleet-") as scratch:
        Path(scratch).chmod(0o755)
        template = Path(scratch, "roadbed")
        git(Path(scratch), "clone", "--quiet", "--no-tags", str(CHECKOUT), str(template))
        git(template, "remote", "remove", "origin")
        futures.future(template)
        made_here = [_service(number, template, Path(scratch), dice) for number in range(SERVICES)]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for (service, done), (outcome, detail) in zip(
                made_here, pool.map(_fate, (service for service, _ in made_here)), strict=True
            ):
                outcomes[outcome] += 1
                lived = ", ".join(done)
                print(f"{'fleet':<10} {service.name} {outcome:<10} {lived}{detail}", flush=True)
    unattended, reported = outcomes["updated"], outcomes["conflicts"]
    print(f"{'':<10} {unattended} of {SERVICES} unattended, {reported} reported conflicts")
    share = unattended / SERVICES
    neither = SERVICES - unattended - reported
    claim = f"of {SERVICES} services with lives of their own, those that update unattended and stay green"
    goals = [
        Goal(claim, share, share, share, GOAL, at_most=False, unit=""),
        none("those that neither update nor report why:", neither),
    ]
    return Result("fleet", goals=goals, facts={"outcomes": dict(outcomes)})


def _service(number: int, template: Path, scratch: Path, dice: Random) -> tuple[Path, list[str]]:
    """One that was made at the first version, and what its team has done since."""
    import futures
    from histories import git, made

    answers = {
        "module": _MODULES[number % 5],
        "deployment": _DEPLOYMENTS[number % 3],
        "ownership": ("account", "shared")[number % 2],
        "public_ids": ("v4", "v7")[number // 2 % 2],
        "oidc": ("false", "true")[number // 3 % 2],
    }
    service = made(template, scratch / f"team-{number:02}", "1.0.0", **answers)
    done = futures.team(service, dice)
    if number % 6 == 1:
        futures.patch_kit_elsewhere(service)
        done.append("patch_kit_elsewhere")
    if number == SERVICES - 1:
        futures.patch_kit(service)
        done.append("patch_kit")
    git(service, "add", "--all")
    git(service, "commit", "--quiet", "--message", "The team's work")
    return service, done


def _fate(service: Path) -> tuple[str, str]:
    """What becomes of a service, and why."""
    import futures

    _promise(service)
    outcome, detail = _followed(service, futures.VERSIONS[1:])
    return _judged(service) if outcome == "updated" else (outcome, detail)


def _promise(service: Path) -> None:
    """Freeze what the service serves before any update."""
    for command in (["uv", "lock", "--quiet"], ["make", "contract", "accept=1"]):
        subprocess.run(command, cwd=service, check=True, capture_output=True, env=_ENV)
    for command in (["add", "--all"], ["commit", "--quiet", "--message", "What is promised"]):
        subprocess.run(["git", *command], cwd=service, check=True)


def _judged(service: Path) -> tuple[str, str]:
    """Whether the promise is kept, and what the checklist says but for what needs a person."""
    people = ["--ignore=nobody-to-page", "--ignore=unowned-module"]
    check = [sys.executable, "-m", "roadbed", "check", *people, "--fail-on=unknown", "."]
    env = {**_ENV, "PATH": f"{service / '.venv/bin'}:{_ENV['PATH']}"}
    for command in (["make", "contract"], check):
        done = subprocess.run(
            command, cwd=service, check=False, capture_output=True, text=True, env=env
        )
        if done.returncode:
            return "red", f" -> {' '.join(command[-4:])}: {(done.stdout + done.stderr)[-800:]}"
    return "updated", ""


def _followed(service: Path, versions: tuple[str, ...]) -> tuple[str, str]:
    """How far a service comes; tried at the last version."""
    outcome = ""
    for version in versions:
        last = ["--no-verify"] if version != versions[-1] else []
        command = [sys.executable, "-m", "roadbed", "update", "--to", version, "--json", *last]
        asked = subprocess.run(command, cwd=service, check=False, capture_output=True, text=True)
        told: dict[str, Any] = json.loads(asked.stdout) if asked.stdout else {}
        outcome = told.get("outcome", "error")
        if outcome != "updated":
            paths = [each["path"] for each in told.get("conflicts", [])]
            return outcome, f" -> {version}: {', '.join(paths) or asked.stderr[-2000:]}"
    return outcome, ""
