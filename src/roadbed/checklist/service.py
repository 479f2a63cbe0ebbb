"""A service as the rules see it: its files, and the facts in them, each read when first asked for."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

from roadbed.checklist.facts import alerts, deployment, documents, openapi, python, sql
from roadbed.checklist.tree import Tree

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from roadbed.checklist.configuration import Configuration
    from roadbed.checklist.facts.documents import Document as Markdown
    from roadbed.checklist.facts.python import Facts

MIGRATIONS = re.compile(r"(^|/)(migrations?(\.py)?|alembic|versions)(/|$)")


class Service:
    """What is read from a service.

    Attributes:
        tree: its files.
        configuration: what it says about its check.
        today: the day of the check.
        imported_app: the document that `--import-app` gave.
    """

    def __init__(
        self,
        root: Path,
        configuration: Configuration,
        today: date,
        imported_app: openapi.Document | None = None,
    ) -> None:
        self.tree = Tree(root, configuration.exclude)
        self.configuration = configuration
        self.today = today
        self.imported_app = imported_app

    @cached_property
    def python(self) -> list[Facts]:
        """The facts of the Python files that run in production, migrations among them."""
        return python.read_all(self.tree, self.tree.production(".py"))

    @cached_property
    def code(self) -> list[Facts]:
        """Those of them that are no migrations."""
        return [each for each in self.python if not MIGRATIONS.search(each.path)]

    @cached_property
    def sql(self) -> list[sql.Sql]:
        """Every piece of SQL in strings and files."""
        found = [piece for facts in self.python for piece in facts.sql]
        for path in self.tree.production(".sql"):
            found += sql.from_file(path, self.tree.text(path))
        return found

    @cached_property
    def committed(self) -> list[openapi.Document]:
        """The OpenAPI documents among its files."""
        return openapi.find(self.tree, self.configuration.openapi)

    @cached_property
    def documents(self) -> list[openapi.Document]:
        """The documents to read its operations from: those committed, else the imported one."""
        return self.committed or ([self.imported_app] if self.imported_app else [])

    @cached_property
    def operations(self) -> list[openapi.Operation]:
        """Every operation of every document."""
        return [each for document in self.documents for each in document.operations]

    @cached_property
    def alerts(self) -> alerts.Alerts:
        """Its Prometheus rules."""
        return alerts.find(self.tree)

    @cached_property
    def deployment(self) -> deployment.Deployment:
        """What runs it."""
        return deployment.find(self.tree)

    @cached_property
    def imported(self) -> frozenset[str]:
        """The packages that its code imports."""
        return frozenset().union(*(facts.imported for facts in self.code))

    def document(self, name: str) -> Markdown | None:
        """README, ARCHITECTURE or RUNBOOK, at the top or in docs/, as Markdown."""
        path = self.document_path(name)
        return None if path is None else documents.parse(path, self.tree.text(path))

    def document_path(self, name: str) -> str | None:
        """Where such a document is."""
        folders = ("", "docs/", "doc/")
        endings = (".md", ".markdown", ".rst", ".txt", "")
        return self.tree.first(*(folder + name + end for folder in folders for end in endings))

    def locked(self, package: str) -> tuple[int, ...] | None:
        """The version of a package that the service's lock file pins."""
        name = re.escape(package)
        for path, pattern in {
            "uv.lock": rf'name = "{name}"\nversion = "([\d.]+)',
            "poetry.lock": rf'name = "{name}"\nversion = "([\d.]+)',
            "pdm.lock": rf'name = "{name}"\nversion = "([\d.]+)',
            "Pipfile.lock": rf'"{name}": {{[^}}]*?"version": "==([\d.]+)',
            "requirements.txt": rf"(?im)^{name}(?:\[[^\]]*\])?==([\d.]+)",
            "pyproject.toml": rf"(?im)^\s*[\"']{name}(?:\[[^\]]*\])?(?:==|>=|~=)([\d.]+)",
        }.items():
            found = re.search(pattern, self.tree.text(path)) if path in self.tree.files else None
            if found:
                return tuple(int(part) for part in found[1].strip(".").split(".") if part)
        return None
