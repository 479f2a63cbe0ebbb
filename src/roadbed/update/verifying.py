"""A merged tree is tried before it counts: locked, installed, and asked whether it still works.

What its own commands renew joins it: the lock, the promise to clients, which may only grow, and
what the documents say of the code.

All of it happens in a temporary work tree, which holds what is committed and nothing else: as in
a build on a server, no file of this machine helps or hurts.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from roadbed import commands
from roadbed.commands import CommandFailed
from roadbed.steps import NotHere, Report, State, Step, timed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from roadbed.repository import Repository
    from roadbed.service import Service

STEPS = ("lock", "install", "format", "test", "contract", "documents")
_LOCK = "uv.lock"
_PROMISES = "openapi"
_RENEWED = {
    "lock": {_LOCK},
    "contract": {_PROMISES},
    "documents": {"RUNBOOK.md", "ARCHITECTURE.md"},
}


@dataclass(frozen=True)
class Verdict:
    """What came of it.

    Attributes:
        tree: of the repository, with the lock, the API's contract and the documents renewed if
            they had to be.
        failure: the end of the output of the step that failed; None if all is well.
    """

    tree: str
    failure: str | None = None


def verify(service: Service, tree: str, steps: list[Step], report: Report) -> Verdict:
    """Try the service as `tree` (of the whole repository) has it.

    Args:
        service: the service, at the commit that the tree is to follow.
        tree: what is to be tried.
        steps: where what is done is noted.
        report: called when a step begins and when it ends.

    Raises:
        RoadbedError: there is no make or no uv here.
        KeyboardInterrupt: as it was.
    """
    repository, prefix = service.repository, service.prefix
    files = set(repository.run("ls-tree", "-z", "--name-only", f"{tree}:{prefix}").split("\0"))
    if "Makefile" not in files:
        steps.extend(Step(name, State.LEFT_OUT, detail="no Makefile") for name in STEPS)
        return Verdict(tree)
    commands.require("--no-verify")
    with _written(service, tree) as checkout:
        folder = checkout.root / prefix
        ruff = folder / ".venv/bin/ruff"
        actions: dict[str, tuple[str, Callable[[], None]]] = {
            "lock": (
                _no_lock(service, tree, files),
                lambda: commands.run(commands.uv(), "lock", at=folder),
            ),
            "install": ("", lambda: commands.run("make", "install", at=folder)),
            "format": ("", lambda: _format(ruff, folder)),
            "test": ("", lambda: commands.run("make", "test", at=folder)),
            "contract": (
                "" if _PROMISES in files else f"no {_PROMISES}/",
                lambda: commands.run("make", "contract", "accept=1", at=folder),
            ),
            "documents": (
                "" if commands.makes(folder, "documents") else "no such target",
                lambda: commands.run("make", "documents", at=folder),
            ),
        }
        for name, (reason, action) in actions.items():
            step = Step(name)
            steps.append(step)
            if reason:
                step.state, step.detail = State.LEFT_OUT, reason
                continue
            try:
                with timed(step, report):
                    action()
            except NotHere:
                continue
            except CommandFailed as red:
                return Verdict(checkout.run("write-tree"), str(red))
            for renewed in sorted(_RENEWED.get(name, set()) & files):
                checkout.run("add", "--force", "--", str(folder / renewed))
        return Verdict(checkout.run("write-tree"))


def _no_lock(service: Service, tree: str, files: set[str]) -> str:
    """Why nothing has to be locked; empty if it has to."""
    if _LOCK not in files:
        return f"no {_LOCK}"
    names = [f"{service.prefix}{name}" for name in ("pyproject.toml", _LOCK)]
    before, after = (
        service.repository.run("ls-tree", "-z", commit, "--", *names)
        for commit in (service.head, tree)
    )
    return "pyproject.toml is as it was" if before == after else ""


def _format(ruff: Path, folder: Path) -> None:
    if not ruff.exists():
        raise NotHere("no formatter installed")
    commands.run(str(ruff), "format", "--check", at=folder)


@contextmanager
def _scratch() -> Iterator[str]:
    """A temporary folder; what a suite leaves in it as another user stays there.

    `TemporaryDirectory` recurses without end over a folder that it may not read, errors ignored or not.
    """
    folder = mkdtemp(prefix="roadbed-verify-")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _written(service: Service, tree: str) -> Iterator[Repository]:
    """The service's repository with a work tree and an index of its own, which hold `tree`."""
    with _scratch() as scratch:
        if os.geteuid() == 0:
            Path(scratch).chmod(0o711)  # for root PostgreSQL runs as a user of its own
        root = Path(scratch, service.repository.root.name)
        root.mkdir()
        places = {"GIT_WORK_TREE": str(root), "GIT_INDEX_FILE": str(Path(scratch, "index"))}
        places["GIT_DIR"] = str(service.repository.git_dir)
        env = {**service.repository.env, **places}
        checkout = replace(service.repository, root=root, env=env)
        checkout.run("read-tree", "--reset", "-u", tree)
        yield checkout
