"""`add version`: a module's newest routes and bodies, once more, as the next version's own.

They are taken from the files as the team has them today, and not from the template: a version begins
as what it follows. Its bodies are subclasses under names of their own, so that nothing in the document
of an older version is called otherwise.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from roadbed.adding import formatting
from roadbed.adding.deprecating import deprecated
from roadbed.adding.modules import modules, modules_folder, parsed
from roadbed.adding.plan import Plan
from roadbed.adding.source import Edit, edited
from roadbed.adding.writing import Change, require_free
from roadbed.errors import RoadbedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date
    from pathlib import Path

    from roadbed.adding.modules import Module
    from roadbed.service import Service

_VERSION = re.compile(r"v([1-9][0-9]{0,2})")
_SUFFIX = re.compile(r"V[1-9][0-9]*$")


@dataclass(frozen=True)
class Request:
    """What to add.

    Attributes:
        version: `v2`, the one after the newest, or that.
        resources: the modules that get routes of their own; none for all that have some.
        since, sunset: the days from which the version before is deprecated and may be gone.
    """

    version: str
    resources: list[str] = field(default_factory=list)
    since: date | None = None
    sunset: date | None = None


def plan(request: Request, service: Service) -> Plan:
    """What adding a version comes to; nothing is written.

    Raises:
        RoadbedError: it can't be added.
    """
    folder = modules_folder(service.folder)
    present = modules(folder)
    served = sorted(set[int]().union(*(module.routes for module in present.values())))
    number = _number(request.version, served)
    chosen = [_chosen(name, present, number) for name in request.resources] or [
        module for module in present.values() if module.routes and number not in module.routes
    ]
    if not chosen:
        raise RoadbedError(
            f"Every resource has routes of its own in v{number} already.", f"Add v{number + 1}."
        )
    files: dict[str, str] = {}
    for module in dict.fromkeys(module.name for module in chosen):
        for file, text in _files(service.folder, present[module], number):
            files[file.relative_to(service.folder).as_posix()] = text
    before: dict[str, str] = {}
    if request.since is not None:
        settings = folder.parent / "settings.py"
        path = settings.relative_to(service.folder).as_posix()
        parsed(settings)
        before[path] = settings.read_bytes().decode()
        files[path] = deprecated(settings, f"v{number - 1}", request.since, request.sunset)
    elif request.sunset is not None:
        raise RoadbedError(
            "--sunset is the end of a deprecation.", "Say when that begins: --deprecate 2027-01-31."
        )
    changes = [
        Change(path, before.get(path), text)
        for path, text in sorted(formatting.formatted(service.folder, files).items())
    ]
    require_free(service.folder, changes)
    return Plan(service, changes, [])


def _number(version: str, served: list[int]) -> int:
    read = _VERSION.fullmatch(version)
    newest = max(served, default=0)
    if read is None:
        raise RoadbedError(f"“{version}” is no version.", f"Write it as v{newest + 1}.")
    number = int(read[1])
    if not newest:
        raise RoadbedError("This service serves nothing yet.", "Give a module a routes.py first.")
    if number == 1 or not newest <= number <= newest + 1:
        raise RoadbedError(
            f"{version} does not follow v{newest}, the newest that is served.",
            f"Add v{newest + 1}.",
        )
    return number


def _chosen(name: str, present: dict[str, Module], number: int) -> Module:
    module = present.get(name.replace("-", "_"))
    if module is None or not module.routes:
        known = ", ".join(each.name for each in present.values() if each.routes)
        raise RoadbedError(
            f"There is no resource “{name}” with routes.", f"Its resources are {known}."
        )
    if number in module.routes:
        raise RoadbedError(
            f"{module.name} has routes of its own in v{number}: {module.routes[number]}.",
            "Change them there.",
        )
    return module


def _files(service: Path, module: Module, number: int) -> Iterator[tuple[Path, str]]:
    """The files of a module in its new version."""
    before = max(each for each in module.routes if each < number)
    routes = module.routes[before]
    names = _bodies(module.folder)
    text = routes.read_bytes().decode()
    tree = parsed(routes)
    used, edits = _renamed(tree, names, number)
    moved = edited(text, [*edits, *_prefixes(tree, before, number)])
    yield module.folder / f"routes_v{number}.py", moved
    if used:
        yield module.folder / f"schemas_v{number}.py", _schemas(names, used, number)
    suffix = "" if before == 1 else f"_v{before}"
    tests = service / "tests" / "modules" / module.name / f"test_{module.name}{suffix}.py"
    if tests.is_file():
        tried = tests.read_bytes().decode().replace(f"/api/v{before}/", f"/api/v{number}/")
        yield tests.with_name(f"test_{module.name}_v{number}.py"), tried


def _bodies(folder: Path) -> dict[str, tuple[str, ast.ClassDef]]:
    """The classes of a module's bodies, and the module that each is in."""
    found = {}
    for file in sorted(folder.glob("schemas*.py")):
        if re.fullmatch(r"schemas(_v[1-9][0-9]*)?", file.stem):
            for each in parsed(file).body:
                if isinstance(each, ast.ClassDef):
                    found[each.name] = (file.stem, each)
    return found


def _renamed(
    tree: ast.Module, names: dict[str, tuple[str, ast.ClassDef]], number: int
) -> tuple[list[str], list[Edit]]:
    """The bodies that routes use, and the edits that make them use those of the new version."""
    schemas = f"schemas_v{number}"
    edits, used, aliases = [], [], set()
    for each in tree.body:
        if isinstance(each, ast.ImportFrom) and each.level == 1 and each.module is None:
            aliases |= {name.asname or name.name for name in each.names if _is_schemas(name.name)}
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=alias), attr=name) if (
                alias in aliases and name in names
            ):
                used.append(name)
                edits.append(Edit.of(node, f"{schemas}.{_next(name, number)}"))
            case ast.ImportFrom(level=1, module=str(module)) if _is_schemas(module):
                own = [each for each in node.names if each.name in names]
                used += [each.name for each in own]
                rest = [ast.unparse(each) for each in node.names if each.name not in names]
                lines = [f"from .{module} import {', '.join(rest)}"] if rest else []
                new = ", ".join(_imported(each, number) for each in own)
                lines += [f"from .{schemas} import {new}"] if own else []
                edits.append(Edit.of(node, "\n".join(lines)))
            case _:
                continue
    used = [name for name in names if name in used]
    if used and aliases:
        first = next(
            node
            for node in tree.body
            if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module is None
        )
        edits.append(Edit.before(first, f"from . import {schemas}\n"))
    return used, edits


def _imported(name: ast.alias, number: int) -> str:
    """An imported body: under its old name here, so that nothing else in the file changes."""
    return f"{_next(name.name, number)} as {name.asname or name.name}"


def _is_schemas(module: str) -> bool:
    return re.fullmatch(r"schemas(_v[1-9][0-9]*)?", module) is not None


def _next(name: str, number: int) -> str:
    return f"{_SUFFIX.sub('', name)}V{number}"


def _prefixes(tree: ast.Module, before: int, number: int) -> Iterator[Edit]:
    """The docstring names the URL."""
    match tree.body:
        case [ast.Expr(value=ast.Constant(value=str(text)) as docstring), *_] if (
            f"/api/v{before}/" in text and "\n" not in text and '"' not in text
        ):
            new = text.replace(f"/api/v{before}/", f"/api/v{number}/")
            yield Edit.of(docstring, f'"""{new}"""')
        case _:
            return


def _schemas(names: dict[str, tuple[str, ast.ClassDef]], used: list[str], number: int) -> str:
    lines = [
        f'"""What clients of v{number} send and receive: as before, but for what stands here."""\n'
    ]
    lines += [f"from .{names[name][0]} import {name}" for name in used]
    for name in used:
        said = (ast.get_docstring(names[name][1]) or f"As {name}.").split("\n")[0]
        lines += [f"\n\nclass {_next(name, number)}({name}):", f'    """{said}"""']
    return "\n".join(lines) + "\n"
