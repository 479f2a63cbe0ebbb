"""Render and commit a service: `roadbed new --no-install` against bare `copier copy` and cookiecutter.

Whole processes out of a git repository, the same answers; ours also makes the service's repository
and its first commit, the others don't. Copier has the same template at the same version. Cookiecutter
can't read it, so it gets one that was made of what ours renders: the same files, byte for byte, with
the service's name as a variable in paths and contents, and none of our template's conditions.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import harness
from bench.harness import Contender, measure, report
from bench.peers import environment, install
from bench.results import Result, times

CHECKOUT = Path(__file__).parents[1]
GOAL = 1.3  # times bare `copier copy`, at most
ROUNDS = 7
COOKIECUTTER = "cookiecutter==2.7.1"
NAME = "orders"
_VARIABLE = "{{ cookiecutter.name }}"


def run() -> Result:
    """Measure and report."""
    with TemporaryDirectory(prefix="bench-template-") as folder:
        scratch = Path(folder)
        template = str(scratch / "template")
        harness.run("git", "clone", "--quiet", str(CHECKOUT), template, at=CHECKOUT)
        ours = ["roadbed", "new", NAME, "--no-install", f"--template={template}", "--ref=HEAD"]
        theirs = ["copier", "copy", f"--data=service_name={NAME}", "--vcs-ref=HEAD"]
        silent = ["--defaults", "--quiet"]

        def roadbed(folder: Path) -> None:
            harness.run(sys.executable, "-m", *ours, *silent, at=folder)

        def copier(folder: Path) -> None:
            harness.run(sys.executable, "-m", *theirs, *silent, template, NAME, at=folder)

        contenders = [Contender("roadbed new", roadbed), Contender("copier copy", copier)]
        copier(scratch)
        python = environment(scratch / "peers")
        failed = install(python, [COOKIECUTTER])
        if not failed:
            contenders.insert(1, _cookiecutter(python, scratch))
        measured = measure(contenders, rounds=ROUNDS)
    claim = "`roadbed new --no-install` takes, of `copier copy`,"
    goal = times(claim, measured[0].seconds, measured[-1].seconds, GOAL)
    return Result("new", "s", report("new", measured), [goal], failed=failed)


def _cookiecutter(python: Path, scratch: Path) -> Contender:
    """Cookiecutter, with a repository that renders what lies in `scratch/orders`."""
    rendered, repository = scratch / NAME, scratch / "cookiecutter"
    for path, content in _files(rendered).items():
        there = repository / _VARIABLE / path.replace(NAME, _VARIABLE)
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_bytes(templated(content))
        there.chmod((rendered / path).stat().st_mode)
    (repository / "cookiecutter.json").write_text(json.dumps({"name": NAME}), "utf-8")
    for command in (
        ["init", "--quiet"],
        ["add", "--all", "--force"],
        ["commit", "--quiet", "--message", "A template"],
    ):
        harness.run("git", *command, at=repository)

    def call(folder: Path) -> None:
        # Its clones and answers belong there, and not into a home.
        config = folder / "config.yaml"
        folders = (f"{name}: {folder / name}\n" for name in ("cookiecutters_dir", "replay_dir"))
        config.write_text("".join(folders), "utf-8")
        options = ["--no-input", f"--config-file={config}", f"git+{repository.as_uri()}"]
        harness.run(str(python), "-m", "cookiecutter", *options, at=folder)

    with TemporaryDirectory(prefix="bench-cookiecutter-") as folder:
        call(Path(folder))
        if _files(Path(folder, NAME)) != _files(rendered):
            raise SystemExit("cookiecutter rendered something else")
    return Contender("cookiecutter", call)


def _files(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def templated(content: bytes) -> bytes:
    """A file's text as a template of itself: the name is a variable, other braces are text."""
    if b"\0" in content:
        return content
    parts = content.decode().split(NAME)
    return _VARIABLE.join(
        f"{{% raw %}}{part}{{% endraw %}}" if re.search(r"{[{%#]", part) else part for part in parts
    ).encode()
