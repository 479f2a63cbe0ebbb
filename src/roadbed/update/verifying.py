"""A merged tree is tried before it counts: locked, installed, and asked whether it still works.

All of it happens in a temporary work tree, which holds what is committed and nothing else: as in
a build on a server, no file of this machine helps or hurts.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from roadbed import commands
from roadbed.commands import CommandFailed
from roadbed.steps import NotHere, Report, State, Step, timed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from roadbed.service import Service

STEPS = ("lock", "install", "format", "test")
_LOCK = "uv.lock"


@dataclass(frozen=True)
class Verdict:
    """What came of it.

    Attributes:
        tree: of the repository, with the lock renewed if it had to be.
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
    with _written(service, tree) as folder:
        ruff = folder / ".venv/bin/ruff"
        actions: dict[str, tuple[str, Callable[[], None]]] = {
            "lock": (
                _no_lock(service, tree, files),
                lambda: commands.run(commands.uv(), "lock", at=folder),
            ),
            "install": ("", lambda: commands.run("make", "install", at=folder)),
            "format": ("", lambda: _format(ruff, folder)),
            "test": ("", lambda: commands.run("make", "test", at=folder)),
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
                return Verdict(tree, str(red))
            if name == "lock":
                tree = _with_lock(service, tree, folder / _LOCK)
    return Verdict(tree)


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


def _with_lock(service: Service, tree: str, lock: Path) -> str:
    repository, prefix = service.repository, service.prefix
    content = repository.run("hash-object", "-w", f"--path={prefix}{_LOCK}", str(lock))
    inside = repository.run("ls-tree", "-z", f"{tree}:{prefix}").split("\0")[:-1]
    kept = [line for line in inside if line.split("\t", 1)[1] != _LOCK]
    lines = [*kept, f"100644 blob {content}\t{_LOCK}"]
    made = repository.run("mktree", "-z", stdin="".join(f"{line}\0" for line in lines))
    return repository.grafted(made, prefix, tree)


@contextmanager
def _written(service: Service, tree: str) -> Iterator[Path]:
    """The files of a tree in a folder of their own; gives the service's."""
    with TemporaryDirectory(prefix="roadbed-verify-", ignore_cleanup_errors=True) as scratch:
        if os.geteuid() == 0:
            Path(scratch).chmod(0o711)  # for root PostgreSQL runs as a user of its own
        root = Path(scratch, service.repository.root.name)
        root.mkdir()
        env = {"GIT_WORK_TREE": str(root), "GIT_INDEX_FILE": str(Path(scratch, "index"))}
        env["GIT_DIR"] = str(service.repository.git_dir)
        service.repository.run("read-tree", "--reset", "-u", tree, env=env)
        yield root / service.prefix
