"""Rendering a service the way the tests do it: pytest-copie, without its blind spots."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from pytest_copie.plugin import Copie

from .answers import questions


@dataclass(frozen=True)
class Service:
    """A rendered service, which tests read and never change: they share it."""

    folder: Path
    answers: Mapping[str, str]

    @property
    def package(self) -> str:
        """The name of its Python package."""
        return self.answers["service_name"].replace("-", "_")

    def files(self, *patterns: str) -> list[Path]:
        """Its files; with patterns (`*.md`), those that match one of them."""
        found = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return [path for path in found if not patterns or any(map(path.match, patterns))]

    def texts(self, *patterns: str) -> dict[str, str]:
        """The text of its files by their relative path."""
        return {
            path.relative_to(self.folder).as_posix(): path.read_bytes().decode()
            for path in self.files(*patterns)
        }


def render(copie: Copie, template: Path, answers: Mapping[str, str | bool]) -> Service:
    """Render a service into a folder of its own.

    pytest-copie ignores an answer that no question asks for, and catches every exception.
    """
    unknown = answers.keys() - questions(template).keys()
    assert not unknown, f"copier.yml does not ask for {unknown}"
    result = copie.copy(extra_answers=dict(answers), template_dir=template)
    assert result.exception is None, result.exception
    assert result.project_dir is not None
    service = Service(result.project_dir, result.answers)
    recorded = yaml.safe_load((service.folder / ".copier-answers.yml").read_text(encoding="utf-8"))
    for landed in (result.answers, recorded):
        assert landed == {**landed, **answers}
    return service


def keep(service: Service, folder: Path) -> None:
    """Keep a rendering in a folder, for `taken_from`."""
    shutil.copytree(service.folder, folder / "files")
    (folder / "answers.json").write_text(json.dumps(dict(service.answers)), encoding="utf-8")


def taken_from(folder: Path, target: Path) -> Service:
    """A rendering that was kept, in a folder whose new files are nobody else's.

    The rendered ones are the same files under a second name: tests read them and never change them.
    """
    name = target / "orders"
    shutil.copytree(folder / "files", name, copy_function=os.link)
    return Service(name, json.loads((folder / "answers.json").read_text(encoding="utf-8")))
