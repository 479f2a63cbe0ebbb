"""Bring a service of sixty files to the next version: `roadbed update` against `copier update`.

The same template, service and edit, taking turns; as whole programs and inside one process. What
can't be had for less is printed beside it: importing Copier, and rendering once where the service's
repository keeps the old rendering, else twice.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from bench import harness, profiles
from bench.harness import Contender, Measurement, measure, report
from bench.results import Goal, Result, times

if TYPE_CHECKING:
    from collections.abc import Callable

FILES = 60
ROUNDS = 7
WHOLE, INSIDE = 2.0, 3.0  # how many times as fast as `copier update` it has to be
_OURS = ("roadbed", "update", "--no-verify", "--quiet")
_FLOOR = """
import sys
from pathlib import Path
from roadbed.rendering import render
from roadbed.template import Version
for number in range(int(sys.argv[2])):
    answers = {"service_name": "orders"}
    render(Path(sys.argv[1]), Path(str(number)), answers, version=Version("2", "2"), source="")
"""


def run() -> Result:
    """Measure and report."""
    with TemporaryDirectory(prefix="bench-update-") as scratch:
        ground = Path(scratch)
        template, first, kept = services(ground, FILES)
        whole = measure(_programs(template, first, kept), rounds=ROUNDS)
        inside = measure(_calls(first, kept), rounds=ROUNDS)
        copy = Path(shutil.copytree(kept, ground / "profiled/orders", symlinks=True))
        profile = profiles.program("-m", *_OURS, at=copy)
    figures = report("update", whole)
    inner = [replace(each, name=f"{each.name}, inside") for each in report("update-in", inside)]
    goals = [
        _faster("as a whole process", whole[2], whole[-1], WHOLE),
        _faster("inside one process", inside[1], inside[-1], INSIDE),
    ]
    profile = profiles.headed("s", figures, profile, floor="floor")
    return Result("update", "s", [*figures, *inner], goals, profile=profile)


def _faster(where: str, ours: Measurement, theirs: Measurement, bound: float) -> Goal:
    claim = f"`copier update` takes, of `roadbed update --no-verify` {where},"
    return times(claim, theirs.seconds, ours.seconds, bound, at_most=False)


def services(ground: Path, files: int) -> tuple[Path, Path, Path]:
    """The template, a service of its first version, and one whose repository keeps its rendering."""
    sys.path.append(str(Path(__file__).parents[1] / "tests"))
    from histories import git, made, released
    from losses import lines

    from roadbed.service import found
    from roadbed.update.engine import rendered_before
    from roadbed.update.origins import Origins
    from roadbed.update.pristine import remember

    old: dict[str, str | bytes | None] = {
        f"template/part{number % 6}/file{number}.txt{'.jinja' * (number % 2)}": (
            lines(at3="{{ service_name }}") if number % 2 else lines()
        )
        for number in range(files)
    }
    new = {
        path: str(content).replace("line 20\n", "mended\n")
        for path, content in list(old.items())[: files // 3]
    }
    template = released(ground / "template", old, new)
    first = made(template, ground / "first/orders")
    edited = first / "part0/file0.txt"
    edited.write_text(lines(at35="the team's"))
    git(first, "commit", "--quiet", "--all", "--message", "An edit")
    kept = ground / "kept/orders"
    shutil.copytree(first, kept)
    service = found(kept)
    with Origins() as origins:
        remember(service.repository, rendered_before(service, origins.of(service)))
    plain = ground / "plain"
    shutil.copytree(template, plain, ignore=shutil.ignore_patterns(".git"))
    return plain, first, kept


def _programs(plain: Path, first: Path, kept: Path) -> list[Contender]:
    def floor(renders: int) -> Callable[[Path], None]:
        return lambda folder: harness.run(
            sys.executable, "-c", _FLOOR, str(plain), str(renders), at=folder
        )

    def program(service: Path, *command: str) -> Callable[[Path], None]:
        def call(folder: Path) -> None:
            copy = shutil.copytree(service, folder / "orders", symlinks=True)
            harness.run(sys.executable, "-m", *command, at=Path(copy))

        return call

    return [
        Contender("floor", floor(1)),
        Contender("floor, first", floor(2)),
        Contender("roadbed", program(kept, *_OURS)),
        Contender("roadbed, first", program(first, *_OURS)),
        Contender("copier update", program(kept, "copier", "update", "--defaults", "--quiet")),
    ]


def _calls(first: Path, kept: Path) -> list[Contender]:
    import copier

    from roadbed.update.engine import Request, update

    def ours(service: Path) -> Callable[[Path], None]:
        def call(folder: Path) -> None:
            copy = shutil.copytree(service, folder / "orders", symlinks=True)
            update(Request(Path(copy), verify=False))

        return call

    def theirs(folder: Path) -> None:
        copy = shutil.copytree(kept, folder / "orders", symlinks=True)
        copier.run_update(copy, defaults=True, overwrite=True, quiet=True)

    return [
        Contender("roadbed, first", ours(first)),
        Contender("roadbed", ours(kept)),
        Contender("copier update", theirs),
    ]
