"""Services to update, of a small template with two versions."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from histories import git, made, released
from losses import lines
from typer.testing import CliRunner, Result

from roadbed.cli import app

if TYPE_CHECKING:
    from pathlib import Path

CHANGELOG = "# Changes\n\n## 2.0.0\n\n- Line 20 is mended.\n\n## 1.0.0\n\n- All of it.\n"


@dataclass(frozen=True)
class Home:
    """A service of version 1, and its template, which has version 2."""

    template: Path
    service: Path

    def roadbed(self, *arguments: str | Path) -> Result:
        """Call `roadbed` on it."""
        verb, *rest = arguments
        return CliRunner().invoke(app, [str(verb), str(self.service), *map(str, rest)])

    def update(self, *arguments: str) -> Result:
        """Call `roadbed update --no-verify` on it."""
        return self.roadbed("update", "--no-verify", *arguments)

    def commit(self, **files: str | bytes | None) -> str:
        """Commit changes of the user: `a_txt="…"` for `a.txt`."""
        for name, content in files.items():
            self.write(name.replace("_", "."), content)
        git(self.service, "add", "--all")
        git(self.service, "commit", "--quiet", "--message", "Mine")
        return git(self.service, "rev-parse", "HEAD")

    def write(self, path: str, content: str | bytes | None) -> None:
        """Write, or delete, one of its files."""
        file = self.service / path
        if content is None:
            file.unlink()
        else:
            file.write_bytes(content.encode() if isinstance(content, str) else content)

    def begin_a_cherry_pick(self) -> None:
        """Leave somebody else's cherry-pick in progress, with a conflict."""
        git(self.service, "switch", "--quiet", "--create", "other")
        self.commit(x_txt="theirs\n")
        git(self.service, "switch", "--quiet", "main")
        self.commit(x_txt="ours\n")
        pick = ["git", "cherry-pick", "other"]
        subprocess.run(pick, cwd=self.service, check=False, capture_output=True)

    def text(self, path: str) -> str:
        """What one of its files holds."""
        return (self.service / path).read_text()

    def status(self) -> str:
        """What git says that is changed."""
        return git(self.service, "status", "--porcelain")

    def everything(self) -> dict[str, bytes | str]:
        """Each file of the work tree, ignored ones too, and what git's refs and index say."""
        files: dict[str, bytes | str] = {
            str(path.relative_to(self.service)): path.read_bytes()
            for path in self.service.rglob("*")
            if path.is_file() and ".git" not in path.relative_to(self.service).parts
        }
        for name in (
            "for-each-ref",
            "status --porcelain=v2",
            "ls-files --stage",
            "log --format=%H",
        ):
            files[name] = git(self.service, *name.split())
        return files


def document(result: Result) -> dict[str, Any]:
    """The JSON document of a call."""
    loaded: dict[str, Any] = json.loads(result.stdout)
    return loaded


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """`a.txt` is fixed in version 2, `b.txt` moved, `c.txt` deleted, `d.txt` added."""
    template = released(
        tmp_path / "template",
        {
            "template/a.txt": lines(),
            "template/b.txt": lines(at1="b"),
            "template/c.txt": lines(at1="c"),
            "template/team.txt.jinja": "{{ team }}\n",
            "CHANGELOG.md": CHANGELOG.partition("## 2")[0] + "## 1.0.0\n\n- All of it.\n",
        },
        {
            "template/a.txt": lines(at20="FIX"),
            "template/b.txt": None,
            "template/new/b.txt": lines(at1="b"),
            "template/c.txt": None,
            "template/d.txt": "d\n",
            "CHANGELOG.md": CHANGELOG,
        },
    )
    return Home(template, made(template, tmp_path / "orders"))
