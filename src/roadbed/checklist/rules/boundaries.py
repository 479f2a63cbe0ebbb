"""RB6: who owns what, and what is promised between the parts."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

from roadbed.checklist import programs
from roadbed.checklist.evidence import Place, failed, irrelevant, passed, unknown, warned
from roadbed.checklist.rule import Item, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadbed.checklist.evidence import Evidence
    from roadbed.checklist.service import Service

# RB601 ----------------------------------------------------------------------------------------

_OWNER = re.compile(r"^(@[\w.-]+(/[\w.-]+)?|[\w.+-]+@[\w-]+\.[\w.-]+)$")
_CODEOWNERS = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS")


def unowned_module(service: Service) -> Iterator[Evidence]:
    """Every module has an owner."""
    modules = _modules(service)
    path = next((each for each in _CODEOWNERS if each in service.tree.files), None)
    if not modules:
        yield irrelevant("There is no Python package here")
        return
    if path is None:
        yield failed("There is no CODEOWNERS: nobody owns any module", subject="CODEOWNERS")
        return
    entries = list(_entries(service.tree.text(path)))
    for module in modules:
        # The last pattern that matches decides, as GitHub says.
        matching = [
            (line, pattern, owners)
            for line, pattern, owners in entries
            if _matches(pattern, module)
        ]
        line, pattern, owners = matching[-1] if matching else (0, "", [])
        real = [owner for owner in owners if _OWNER.match(owner)]
        if not real:
            why = (
                f"“{' '.join(owners)}” is no handle and no address"
                if owners
                else "no entry gives it one"
            )
            yield failed(f"{module} has no owner: {why}", Place(path, line), subject=module)
        elif pattern in {"*", "/", "**"} and len(modules) > 1:
            yield warned(
                f"{module} is owned by {real[0]} like everything else",
                Place(path, line),
                subject=module,
            )
        else:
            yield passed(f"{module} is owned by {real[0]}", Place(path, line), subject=module)


def _modules(service: Service) -> list[str]:
    """The parts that need an owner: the packages below `modules/`, else the top-level packages."""
    packages = {path.rpartition("/")[0] for path in service.tree.production("__init__.py")}
    parts = sorted(each for each in packages if re.fullmatch(r"(src/)?\w+/modules/\w+", each))
    if parts:
        return parts
    return sorted(
        each
        for each in packages
        if re.fullmatch(r"(src/)?\w+", each)
        and each != "src"
        and not re.search(r"(^|/)(migrations|alembic)$", each)
    )


def _entries(text: str) -> Iterator[tuple[int, str, list[str]]]:
    for number, line in enumerate(text.split("\n"), 1):
        words = re.sub(r"(^|\s)#.*", "", line).split()
        if words and not words[0].startswith("["):
            yield number, words[0], words[1:]


def _matches(pattern: str, module: str) -> bool:
    """Whether a pattern of CODEOWNERS covers a folder, and all in it."""
    plain = pattern.rstrip("/").removesuffix("/**").removesuffix("/*")
    if plain in {"*", "", "**"}:
        return True
    if "/" not in plain:
        return any(fnmatch(part, plain) for part in module.split("/"))
    plain = plain.removeprefix("/").removeprefix("**/")
    parts = module.split("/")
    return any(fnmatch("/".join(parts[:end]), plain) for end in range(1, len(parts) + 1))


# RB602 ----------------------------------------------------------------------------------------


def no_module_boundary(service: Service) -> Iterator[Evidence]:
    """A contract says which module may import which, and it holds."""
    if not _modules(service):
        yield irrelevant("There is no Python package here")
        return
    place, count = _import_contracts(service)
    if place is not None and count:
        yield passed(f"{count} import contracts are written down", place, subject="contracts")
        yield from _lint_imports(service, place)
    elif "tach.toml" in service.tree.files and "[[modules]]" in service.tree.text("tach.toml"):
        yield passed("tach's modules are written down", Place("tach.toml"), subject="contracts")
    elif place is not None:
        yield failed("import-linter is set up without a contract", place, subject="contracts")
    else:
        yield failed("No contract says which module may import which", subject="contracts")


def _import_contracts(service: Service) -> tuple[Place | None, int]:
    """Where import-linter's contracts stand, and how many there are."""
    files = service.tree.files
    if "pyproject.toml" in files:
        text = service.tree.text("pyproject.toml")
        try:
            linter: Any = tomllib.loads(text).get("tool", {}).get("importlinter")
        except (ValueError, RecursionError, AttributeError):
            linter = None
        if isinstance(linter, dict):
            line = text.count("\n", 0, max(text.find("[tool.importlinter"), 0)) + 1
            contracts = linter.get("contracts", [])
            return Place("pyproject.toml", line), len(contracts) if isinstance(
                contracts, list
            ) else 0
    for name in (".importlinter", "setup.cfg", "importlinter.ini"):
        text = service.tree.text(name) if name in files else ""
        if "[importlinter" in text:
            line = text.count("\n", 0, text.find("[importlinter")) + 1
            return Place(name, line), text.count("[importlinter:contract")
    return None, 0


def _lint_imports(service: Service, place: Place) -> Iterator[Evidence]:
    """What import-linter says, where it is on PATH: nothing in the service's folder is run."""
    if "contract_types" in service.tree.text(place.path):
        yield irrelevant("The contracts were not tried: their own types would run code", place)
        return
    tool = shutil.which("lint-imports")
    if tool is None:
        yield irrelevant("The contracts were not tried: import-linter is not on PATH", place)
        return
    content, said = programs.run(tool, "--no-cache", at=service.tree.root)
    if content is None:
        yield unknown(f"import-linter did not finish: {said}", place)
    elif content:
        yield passed("import-linter finds no import that breaks them", place)
    elif _is_of_elsewhere(service, said):
        yield irrelevant(
            "The contracts were not tried: the import-linter on PATH is of an environment without"
            " this service",
            place,
        )
    else:
        broken = re.findall(r"(?m)^(.*\bBROKEN)\s*$", said)
        words = "; ".join(broken) or " ".join(said.split())[-200:]
        yield failed(f"import-linter: {words}", place, subject="contracts")


def _is_of_elsewhere(service: Service, said: str) -> bool:
    """Whether import-linter misses a package that is here, only not installed beside it."""
    missed = re.search(r"Could not find package '(\w+)'", said)
    return missed is not None and any(
        path.endswith(f"{missed[1]}/__init__.py") for path in service.tree.files
    )


# RB603 ----------------------------------------------------------------------------------------


def openapi_drift(service: Service) -> Iterator[Evidence]:
    """The committed contract is what the service serves."""
    if not service.committed:
        if service.imported & {"fastapi", "flask", "starlette", "litestar", "quart"}:
            yield unknown(
                "There is no committed OpenAPI document to hold the service to", subject="openapi"
            )
        else:
            yield irrelevant("No web framework is imported")
        return
    for document in service.committed:
        yield passed(
            f"{len(document.operations)} operations are promised in {document.path}",
            document,
            subject=document.path,
        )
    if service.imported_app is None:
        yield irrelevant(
            "Not compared with the running service: that takes --import-app, which runs its code"
        )
        return
    differences = [
        _difference(each.content, service.imported_app.content) for each in service.committed
    ]
    if "" in differences:
        same = service.committed[differences.index("")]
        yield passed(
            f"{same.path} is what {service.imported_app.path} serves", same, subject=same.path
        )
    else:
        yield failed(
            f"{service.committed[0].path} is not what {service.imported_app.path} serves: {differences[0]}",
            service.committed[0],
            subject="openapi",
        )


def _difference(promised: Any, served: Any, at: str = "") -> str:
    """The first place where two documents differ; nothing if they are equal."""
    if isinstance(promised, dict) and isinstance(served, dict):
        for key in [*promised, *(each for each in served if each not in promised)]:
            inner = f"{at} / {key}" if at else str(key)
            if key not in served:
                return f"“{inner}” is promised and not served"
            if key not in promised:
                return f"“{inner}” is served and not promised"
            if found := _difference(promised[key], served[key], inner):
                return found
        return ""
    return (
        ""
        if json.dumps(promised, sort_keys=True) == json.dumps(served, sort_keys=True)
        else f"“{at}” differs"
    )


RULES = (
    Rule(
        code="RB601",
        name="unowned-module",
        item=Item.OWNERSHIP,
        promise="Every module has an owner in CODEOWNERS: a team, a person or an address.",
        why="Codebases become unmaintainable because no one owns refactoring, not because of a language.",
        how=(
            "CODEOWNERS at the top, in .github/ or docs/, for each package in modules/, else for the"
            " top-level packages. With several modules, an owner of everything warns."
        ),
        mistakes="An owner that left is still an owner here.",
        mend="Add a line: /src/orders/modules/payments/ @acme/payments",
        sources=("the article: “What scales: Ownership boundaries”",),
        check=unowned_module,
    ),
    Rule(
        code="RB602",
        name="no-module-boundary",
        item=Item.OWNERSHIP,
        promise="A contract says which module may import which, and it holds.",
        why="A monolith that is modular enough to split is one whose imports are decided.",
        how=(
            "Contracts of import-linter or tach. import-linter itself is asked where it is on PATH."
        ),
        mistakes="Whether the contracts say anything useful is not judged.",
        mend="Add [[tool.importlinter.contracts]] of type layers or independence.",
        sources=("the article: “Start with a monolith that's modular enough to split”",),
        check=no_module_boundary,
    ),
    Rule(
        code="RB603",
        name="openapi-drift",
        item=Item.CONTRACTS,
        promise="An OpenAPI document is committed, and is what the service serves.",
        why="A contract that changes by accident is found by somebody else's outage.",
        how=(
            "The committed document; with --import-app MODULE:APP it is compared with the application's"
            " own, made in a process with a time limit. That runs the service's code, so it is off."
        ),
        mistakes="Without --import-app only that there is a document is known.",
        mend="Commit the document anew, once the change is meant.",
        sources=("the article: “Explicit API contracts”",),
        check=openapi_drift,
    ),
)
