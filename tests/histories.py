"""Template histories in a few readable lines (after Copier's own tests)."""

from __future__ import annotations

import subprocess
from textwrap import dedent
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ANSWERS = "template/{{_copier_conf.answers_file}}.jinja"

# A service with the targets that `new` relies on; each leaves a trace of how it was called.
SMALL = {
    "copier.yml": """\
        _subdirectory: template
        service_name:
          type: str
          help: What is the service called?
          validator: "{% if not service_name.isidentifier() %}A name is a word.{% endif %}"
        team:
          type: str
          help: Which team owns it?
          default: ""
        paging:
          type: str
          default: ""
        deployment:
          type: str
          choices: [kubernetes, compose]
          default: kubernetes
        title:
          type: str
          default: "{{ service_name.title() }}"
          when: false
        """,
    ANSWERS: """\
        # Made by a template.
        {{ _copier_answers|to_nice_yaml -}}
        """,
    "template/README.md.jinja": "{{ title }} of {{ team }}\n",
    "template/src/{{service_name}}/__init__.py": "",
    "template/pyproject.toml.jinja": """\
        [project]
        name = "{{ service_name }}"
        version = "0"
        requires-python = ">=3.11"
        """,
    "template/.gitignore": "*.trace\n",
    "template/Makefile": (
        ".PHONY: install prepare contract documents migrate test setup\n"
        "setup install prepare contract documents migrate test:\n\t@env > $@.trace\n"
    ),
}


def build_file_tree(root: Path, files: Mapping[str, str]) -> None:
    """Write files below `root`, each from its (indented) text."""
    for path, text in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text), encoding="utf-8")


def git_save(root: Path, message: str = "Change the template", tag: str | None = None) -> None:
    """Commit all that `root` holds, as a repository, and tag it."""
    if not (root / ".git").exists():
        git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message", message)
    if tag:
        git(root, "tag", tag)


def git(root: Path, *arguments: str) -> str:
    """What git says in `root`."""
    return subprocess.check_output(["git", *arguments], cwd=root, text=True).strip()


def released(root: Path, *versions: Mapping[str, str | bytes | None]) -> Path:
    """A template at `root`, released as v1.0.0, v2.0.0 and so on.

    Each version is what it changes of the one before: a file's content, None for one that goes.
    Every version has the question `service_name` and an answers file.
    """
    base = {
        "copier.yml": "_subdirectory: template\nservice_name: {type: str}\nteam: {type: str, default: ''}\n",
        ANSWERS: "# Made by a template.\n{{ _copier_answers|to_nice_yaml -}}\n",
    }
    for number, files in enumerate(versions, 1):
        change(root, {**base, **files} if number == 1 else files)
        git_save(root, tag=f"v{number}.0.0")
    return root


def change(root: Path, files: Mapping[str, str | bytes | None]) -> None:
    """Write, or with None delete, files below `root`."""
    for path, content in files.items():
        file = root / path
        if content is None:
            file.unlink()
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)


def made(template: Path, folder: Path, ref: str | None = "v1.0.0", **answers: str) -> Path:
    """The service of a version of a template, in a repository of its own or the one around it."""
    from roadbed.creation import Request, create

    left_out = dict.fromkeys(("lock", "install", "prepare", "test"), "for speed")
    create(Request(folder.name, folder, answers, str(template), ref, left_out=left_out))
    return folder
