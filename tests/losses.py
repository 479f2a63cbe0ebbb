"""The cases in which updates lose work: ours and `copier update` on the same template and edits.

The user's edit says MINE, the template's says FIX. The tests assert what each engine does, and
`make bench` prints it.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from copier._cli import CopierApp
from histories import change, git, git_save, made, released
from typer.testing import CliRunner

from roadbed.cli import app

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CRASH = 70  # what a traceback counts as

Content = dict[str, str | bytes | None]


def lines(**changed: str) -> str:
    """Forty lines; `at7="x"` makes the seventh another."""
    return "".join(changed.get(f"at{number}", f"line {number}") + "\n" for number in range(1, 41))


def _replace(path: str, old: str | bytes, new: str | bytes) -> Callable[[Path], None]:
    def edit(service: Path) -> None:
        file = service / path
        before, after = (t.encode() if isinstance(t, str) else t for t in (old, new))
        assert before in file.read_bytes()
        file.write_bytes(file.read_bytes().replace(before, after, 1))

    return edit


def _move(old: str, new: str) -> Callable[[Path], None]:
    def edit(service: Path) -> None:
        (service / new).parent.mkdir(parents=True, exist_ok=True)
        (service / old).rename(service / new)

    return edit


def _write(path: str, content: str) -> Callable[[Path], None]:
    def edit(service: Path) -> None:
        (service / path).write_text(content)

    return edit


def _delete(path: str) -> Callable[[Path], None]:
    def edit(service: Path) -> None:
        (service / path).unlink()

    return edit


def _link(path: str, target: str) -> Callable[[Path], None]:
    def edit(service: Path) -> None:
        (service / path).unlink()
        (service / path).symlink_to(target)

    return edit


def _hooks(edit: Callable[[Path], None]) -> Callable[[Path], None]:
    def with_hooks(service: Path) -> None:
        edit(service)
        for name in ("pre-commit", "prepare-commit-msg", "commit-msg", "pre-merge-commit"):
            hook = service / ".git/hooks" / name
            hook.parent.mkdir(exist_ok=True)
            hook.write_text("#!/bin/sh\nexit 1\n")
            hook.chmod(0o755)

    return with_hooks


def _contains(path: str, text: str | bytes) -> Callable[[Path], bool]:
    wanted = text.encode() if isinstance(text, str) else text
    return lambda service: (service / path).is_file() and wanted in (service / path).read_bytes()


def _points(target: str) -> Callable[[Path], bool]:
    def looks(service: Path) -> bool:
        link = service / "link"
        return link.is_symlink() and str(link.readlink()) == target

    return looks


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        name: what the user and the template do.
        old, new: the template's files below `template/`, and what its next version changes.
        edit: what the user does.
        ours, theirs: the fate of it, as `roadbed update` and as `copier update` have it.
        mine, fix: whether the user's edit and the template's are where they belong.
        settings: further lines of `copier.yml`.
        below: the service's folder in a larger repository.
    """

    name: str
    old: Content
    new: Content
    edit: Callable[[Path], None]
    ours: str
    theirs: str
    mine: Callable[[Path], bool]
    fix: Callable[[Path], bool]
    settings: str = ""
    below: str = ""
    links: dict[str, tuple[str, str]] = field(default_factory=dict)
    executable: str = ""

    def make(self, folder: Path) -> Path:
        """The template's two versions, and the service with the user's edit committed."""
        template = folder / "template"
        settings = "_subdirectory: template\nservice_name: {type: str}\n" + self.settings
        old = {f"template/{path}": content for path, content in self.old.items()}
        new = {f"template/{path}": content for path, content in self.new.items()}
        for path, (first, _) in self.links.items():
            (template / "template").mkdir(parents=True)
            (template / "template" / path).symlink_to(first)
        released(template, {"copier.yml": settings, **old})
        for path, (_, second) in self.links.items():
            (template / "template" / path).unlink()
            (template / "template" / path).symlink_to(second)
        change(template, new)
        if self.executable:
            (template / "template" / self.executable).chmod(0o755)
        git_save(template, tag="v2.0.0")
        around = folder / "mono" if self.below else folder / "orders"
        if self.below:
            (around / "other").mkdir(parents=True)
            (around / "other/file").write_text("theirs\n")
            git_save(around)
        service = made(template, around / self.below)
        if self.below:
            git_save(around, "The service")
        self.edit(service)
        git(around, "add", "--all")
        git(
            around,
            "-c",
            f"core.hooksPath={os.devnull}",
            "commit",
            "--quiet",
            "-m",
            "Mine",
            "--allow-empty",
        )
        return service

    def fate(self, service: Path, code: int, said: str) -> str:
        """What became of both edits, in a word or two."""
        marked = subprocess.run(
            ["git", "diff", "--name-only", "--diff-filter=U"],
            cwd=service,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        if code == 0 and marked:
            return "conflict unsaid"
        mine, fix = self.mine(service), self.fix(service)
        if code == 1 and marked and said:
            return "conflict said"
        if code:
            return "crashes half-way" if code == CRASH else f"exit {code}"
        if mine and fix:
            return "merged"
        if mine:
            return "fix left, said" if said else "FIX LOST"
        return "EDIT LOST" if fix else "BOTH LOST"


def by_roadbed(service: Path) -> tuple[int, str]:
    """`roadbed update`: its exit code, and what it says about single files."""
    result = CliRunner().invoke(app, ["update", str(service), "--no-verify", "--json"])
    assert result.exit_code in {0, 1}, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return result.exit_code, " ".join(f["path"] for f in document["conflicts"] + document["left"])


def by_copier(service: Path) -> tuple[int, str]:
    """`copier update`: its exit code; it says nothing about single files on its standard output."""
    arguments = ["copier", "update", "--defaults", "--quiet", str(service)]
    try:
        _, code = CopierApp.run(arguments, exit=False)
    except OSError:
        code = CRASH
    return int(code or 0), ""


_STANZA = "[{}]\nx = 1\nx = 2\nx = 3\ny = 0\nz = 1\nz = 2\nz = 3\n"
_STANZAS = "".join(map(_STANZA.format, "abcd"))


def _third_stanza(service: Path) -> bool:
    text = (service / "a.toml").read_text()
    return "y = 'MINE'" in text.partition("[c]")[2].partition("[d]")[0]


CASES = [
    Case(
        "user moves a file, template fixes it",
        {"a.txt": lines()},
        {"a.txt": lines(at20="FIX")},
        _move("a.txt", "mine/a.txt"),
        ours="merged",
        theirs="FIX LOST",
        mine=_contains("mine/a.txt", "line 1\n"),
        fix=_contains("mine/a.txt", "FIX"),
    ),
    Case(
        "template moves a file, user edited it",
        {"a.txt": lines()},
        {"a.txt": None, "new/a.txt": lines()},
        _replace("a.txt", "line 7\n", "MINE\n"),
        ours="merged",
        theirs="EDIT LOST",
        mine=_contains("new/a.txt", "MINE"),
        fix=_contains("new/a.txt", "line 1\n"),
    ),
    Case(
        "template deletes a file, user edited it",
        {"a.txt": lines()},
        {"a.txt": None},
        _replace("a.txt", "line 7\n", "MINE\n"),
        ours="conflict said",
        theirs="EDIT LOST",
        mine=_contains("a.txt", "MINE"),
        fix=lambda service: not (service / "a.txt").exists(),
    ),
    Case(
        "user deletes a file, template fixes it",
        {"a.txt": lines()},
        {"a.txt": lines(at20="FIX")},
        _delete("a.txt"),
        ours="fix left, said",
        theirs="FIX LOST",
        mine=lambda service: not (service / "a.txt").exists(),
        fix=_contains("a.txt", "FIX"),
    ),
    Case(
        "user deletes a file, template moves it",
        {"a.txt": lines()},
        {"a.txt": None, "b.txt": lines()},
        _delete("a.txt"),
        ours="fix left, said",
        theirs="EDIT LOST",
        mine=lambda service: not (service / "b.txt").exists(),
        fix=_contains("b.txt", "line 1\n"),
    ),
    Case(
        "one of several identical stanzas",
        {"a.toml": _STANZAS},
        {"a.toml": _STANZA.format("FIX") + _STANZAS},
        _write(
            "a.toml",
            "y = 'MINE'".join(_STANZAS.rsplit("y = 0", 2)[:2])
            + "y = 0"
            + _STANZAS.rsplit("y = 0", 1)[1],
        ),
        ours="merged",
        theirs="EDIT LOST",
        mine=_third_stanza,
        fix=_contains("a.toml", "[FIX]"),
    ),
    Case(
        "the same line",
        {"a.txt": lines()},
        {"a.txt": lines(at20="FIX")},
        _replace("a.txt", "line 20\n", "MINE\n"),
        ours="conflict said",
        theirs="conflict unsaid",
        mine=_contains("a.txt", "MINE"),
        fix=_contains("a.txt", "FIX"),
    ),
    Case(
        "adjacent lines",
        {"a.txt": lines()},
        {"a.txt": lines(at20="FIX")},
        _replace("a.txt", "line 21\n", "MINE\n"),
        ours="conflict said",
        theirs="conflict unsaid",
        mine=_contains("a.txt", "MINE"),
        fix=_contains("a.txt", "FIX"),
    ),
    Case(
        "both add the same file",
        {"a.txt": lines()},
        {"b.txt": "FIX\n"},
        _write("b.txt", "MINE\n"),
        ours="conflict said",
        theirs="conflict unsaid",
        mine=_contains("b.txt", "MINE"),
        fix=_contains("b.txt", "FIX"),
    ),
    Case(
        "a binary file, both change it",
        {"a.bin": b"\0" + bytes(range(256))},
        {"a.bin": b"\0FIX" + bytes(range(256))},
        _replace("a.bin", b"\0", b"\0MINE"),
        ours="conflict said",
        theirs="EDIT LOST",
        mine=_contains("a.bin", "MINE"),
        fix=_contains("a.bin", "FIX"),
    ),
    Case(
        "CRLF line ends",
        {"a.txt": lines().replace("\n", "\r\n")},
        {"a.txt": lines(at20="FIX").replace("\n", "\r\n")},
        _replace("a.txt", "line 7\r\n", "MINE\r\n"),
        ours="merged",
        theirs="merged",
        mine=_contains("a.txt", "line 6\r\nMINE\r\nline 8\r\n"),
        fix=_contains("a.txt", "line 19\r\nFIX\r\nline 21\r\n"),
    ),
    Case(
        "template makes a file executable, user edited it",
        {"run": lines()},
        {},
        _replace("run", "line 7\n", "MINE\n"),
        ours="merged",
        theirs="merged",
        mine=_contains("run", "MINE"),
        fix=lambda service: bool((service / "run").stat().st_mode & 0o100),
        executable="run",
    ),
    Case(
        "a symlink, both change where it points",
        {},
        {},
        _link("link", "MINE"),
        ours="conflict said",
        theirs="crashes half-way",
        mine=_points("MINE"),
        fix=_points("FIX"),
        settings="_preserve_symlinks: true\n",
        links={"link": ("old", "FIX")},
    ),
    Case(
        "a file name with spaces and more",
        {"a ü — 表.txt": lines()},
        {"a ü — 表.txt": lines(at20="FIX")},
        _replace("a ü — 表.txt", "line 7\n", "MINE\n"),
        ours="merged",
        theirs="merged",
        mine=_contains("a ü — 表.txt", "MINE"),
        fix=_contains("a ü — 表.txt", "FIX"),
    ),
    Case(
        "a file that git ignores, both change it",
        {".gitignore.jinja": "/local.env\n", "local.env": lines()},
        {"local.env": lines(at20="FIX")},
        _replace("local.env", "line 7\n", "MINE\n"),
        ours="fix left, said",
        theirs="EDIT LOST",
        mine=_contains("local.env", "MINE"),
        fix=_contains("local.env", "FIX"),
    ),
    Case(
        "a service in a larger repository",
        {"a.txt": lines()},
        {"a.txt": lines(at20="FIX")},
        _replace("a.txt", "line 7\n", "MINE\n"),
        ours="merged",
        theirs="merged",
        mine=_contains("a.txt", "MINE"),
        fix=_contains("a.txt", "FIX"),
        below="services/orders",
    ),
    Case(
        "hooks that fail",
        {"a.txt": lines()},
        {"a.txt": lines(at20="FIX")},
        _hooks(_replace("a.txt", "line 7\n", "MINE\n")),
        ours="merged",
        theirs="merged",
        mine=_contains("a.txt", "MINE"),
        fix=_contains("a.txt", "FIX"),
    ),
]
