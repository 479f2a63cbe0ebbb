"""The modules that a service has, as their files say, without running them."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadbed.errors import RoadbedError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Module:
    """A package below `modules/`.

    Attributes:
        folder: where it is.
        tables: its models' classes by their tables.
        routes: the file of its routes for each version that it has its own of.
    """

    folder: Path
    tables: dict[str, str]
    routes: dict[int, Path]

    @property
    def name(self) -> str:
        """What it is called: a plural."""
        return self.folder.name


def modules_folder(service: Path) -> Path:
    """The folder of a service's modules.

    Raises:
        RoadbedError: there is none, or more than one.
    """
    found = sorted(service.glob("src/*/modules/__init__.py"))
    if len(found) != 1:
        raise RoadbedError(
            f"There is {'no' if not found else 'more than one'} package src/*/modules in {service}.",
            "Name the folder of a service that Roadbed made.",
        )
    return found[0].parent


def modules(folder: Path) -> dict[str, Module]:
    """The modules in the folder of all, by name.

    Raises:
        RoadbedError: a file of one is no Python.
    """
    found = {}
    for package in sorted(path.parent for path in folder.glob("*/__init__.py")):
        routes = {}
        for file in package.glob("routes*.py"):
            if number := re.fullmatch(r"routes(?:_v([1-9][0-9]*))?", file.stem):
                routes[int(number[1] or 1)] = file
        models = package / "models.py"
        tables = _tables(parsed(models)) if models.is_file() else {}
        found[package.name] = Module(package, tables, routes)
    return found


def parsed(file: Path) -> ast.Module:
    """The syntax tree of a file.

    Raises:
        RoadbedError: it can't be read, or is no Python.
    """
    try:
        return ast.parse(file.read_bytes(), str(file))
    except (OSError, SyntaxError, ValueError) as error:
        raise RoadbedError(f"{file} can't be read as Python: {error}.", "Mend it first.") from error


def parent(noun: str, present: dict[str, Module]) -> tuple[Module, str, str]:
    """The module that `noun:ref` refers to, its table and that table's model.

    Raises:
        RoadbedError: there is none, or its rows can't be found by their public ids.
    """
    plurals = (f"{noun}s", f"{noun}es", f"{noun[:-1]}ies")
    module = next((present[each] for each in plurals if each in present), None)
    if module is None:
        raise RoadbedError(
            f"“{noun}:ref” refers to nothing: there is no module {plurals[0]}.",
            f"Add it first, or name one of these in the singular: {', '.join(present)}.",
        )
    if module.name not in module.tables:
        raise RoadbedError(
            f"“{noun}:ref” refers to nothing: {module.folder / 'models.py'} has no table"
            f" “{module.name}”.",
            "Refer to a module that has a table of its name.",
        )
    service = module.folder / "service.py"
    functions = parsed(service).body if service.is_file() else []
    if not any(isinstance(each, ast.AsyncFunctionDef) and each.name == "get" for each in functions):
        raise RoadbedError(
            f"“{noun}:ref” needs a way to find a {noun}: {service} has no `async def get`.",
            "Give it one, as the first module has it.",
        )
    return module, module.name, module.tables[module.name]


def _tables(tree: ast.Module) -> dict[str, str]:
    found = {}
    for each in tree.body:
        for line in each.body if isinstance(each, ast.ClassDef) else ():
            match line:
                case ast.Assign(
                    targets=[ast.Name(id="__tablename__")], value=ast.Constant(value=str(table))
                ) if isinstance(each, ast.ClassDef):
                    found[table] = each.name
    return found
