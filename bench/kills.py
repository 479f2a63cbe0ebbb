"""Whole programs killed at random moments, with every git that they run: no byte may be lost.

Half of the updates are clean, half conflict; half of the kills come at any moment, and half while the
work tree is being changed, a tenth of the time. After each kill one command, `--continue` or
`--abort`, has to bring the tree to the old or the new commit, or to the conflict and from there back.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from bench.results import Result, none

KILLS = 100
JOURNAL = ".git/roadbed/move.json"  # there while files and index are changed…
MOVE = 0.012  # …which takes about so many seconds
_ROADBED = (sys.executable, "-m", "roadbed", "update")


def run() -> Result:
    """Kill, and look whether everything is there."""
    sys.path.append(str(Path(__file__).parents[1] / "tests"))
    from histories import change, git, made, released
    from losses import lines

    dice, ends, wrong = Random(9), dict.fromkeys(("old", "new"), 0), 0  # noqa: S311
    halfway = 0
    with TemporaryDirectory(prefix="bench-kills-") as scratch:
        ground = Path(scratch)
        old: dict[str, str | bytes | None] = {
            f"template/part{number % 6}/{number}.txt": lines() for number in range(60)
        }
        new = {path: lines(at20="mended") for path in old}
        template = released(ground / "template", old, new)
        for torn in (False, True):
            before = made(template, ground / f"before-{torn}/orders")
            change(before, {"part0/0.txt": lines(at20="mine")} if torn else {"mine.txt": "mine\n"})
            git(before, "add", "--all")
            git(before, "commit", "--quiet", "--message", "Mine")
            change(before, {"untracked.txt": "untracked\n"})
            after = Path(shutil.copytree(before, ground / f"after-{torn}/orders"))
            began = time.monotonic()
            subprocess.run(
                [*_ROADBED, "--no-verify", "-q"], cwd=after, check=False, capture_output=True
            )
            seconds = time.monotonic() - began
            for number in range(KILLS // 2):
                service = Path(shutil.copytree(before, ground / "killed/orders"))
                moving = bool(number & 2)
                _killed(service, dice.uniform(0, MOVE if moving else seconds), moving=moving)
                halfway += (service / JOURNAL).exists()
                _ended(service, "--continue" if number % 2 else "--abort")
                if _files(service) == _files(before):
                    ends["old"] += 1
                elif not torn and _files(service) == _files(after):
                    ends["new"] += 1
                else:
                    wrong += 1
                wrong += bool(_locks(service))
                shutil.rmtree(service.parent)
    print(
        f"{'kills':<10} {KILLS} kills, {halfway} in the midst of the move:"
        f" {ends['old']} ended at the old commit, {ends['new']} at the new one, {wrong} elsewhere"
    )
    goal = none(f"of {KILLS} updates killed with kill -9, those that lost a byte:", wrong)
    return Result("kills", goals=[goal], facts={"ended at": ends, "halfway": halfway})


def _killed(service: Path, after: float, *, moving: bool) -> None:
    """Kill an update some seconds after it began, or after it began to change the work tree."""
    child = subprocess.Popen(
        [*_ROADBED, "--no-verify", "-q"],
        cwd=service,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=os.environ | {"TMPDIR": str(service.parent)},  # a kill leaves its scratch folders
    )
    while moving and child.poll() is None and not (service / JOURNAL).exists():
        time.sleep(0.001)
    time.sleep(after)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _ended(service: Path, way: str) -> None:
    """One command; a second one where the first one leads to the conflict."""
    subprocess.run([*_ROADBED, way, "--no-verify"], cwd=service, check=False, capture_output=True)
    if (service / ".git/CHERRY_PICK_HEAD").exists():
        subprocess.run([*_ROADBED, "--abort"], cwd=service, check=True, capture_output=True)


def _locks(service: Path) -> list[Path]:
    """What git would stumble over the next time."""
    repository = service / ".git"
    left = (lock.relative_to(repository) for lock in repository.rglob("*.lock"))
    return [lock for lock in left if lock.parts[0] != "roadbed"]


def _files(service: Path) -> dict[str, bytes]:
    """The work tree's files, and what git thinks of them."""
    said = subprocess.check_output(["git", "status", "--porcelain"], cwd=service)
    return {"": said} | {
        str(path.relative_to(service)): path.read_bytes()
        for path in service.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(service).parts
    }
