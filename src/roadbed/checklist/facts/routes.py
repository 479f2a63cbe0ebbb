"""Routes as their decorators say them, for services without an OpenAPI document."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from roadbed.checklist.facts.module import Module, keyword, last, string, whole

_VERBS = {"get", "post", "put", "patch", "delete"}
_PAGED = re.compile(r"filter|pag(e|ing|in)|param|query|limit", re.IGNORECASE)
_PAGES = re.compile(
    r"\b(render_template|redirect|send_file|send_from_directory|TemplateResponse|url_for)\b"
)
_LISTS = {"list", "List", "Sequence", "set", "Set", "tuple", "Iterable"}


@dataclass(frozen=True)
class Parameter:
    """A parameter of a route's function.

    Attributes:
        kind: its annotation, as written.
        maximum: the `le=` or `lt=` of its `Query(…)`, if there is one.
    """

    name: str
    kind: str
    maximum: int | None


@dataclass(frozen=True)
class Route:
    """A function that serves a path.

    Attributes:
        framework: fastapi or flask.
        address: as its decorator and its router say it; what an including router adds is not known.
        whole: nothing can be added to the address, since it is the application's own.
        answers: the annotation of what it answers, as written; empty when it has none.
        many: it answers a bare list.
        page: it is for people: it answers HTML, a file or a redirection, or is in no document.
        paged: a dependency may bring a limit along, to judge by its name.
        bound: a number that its body hands on as a limit, or cuts the list by.
    """

    path: str
    line: int
    framework: str
    method: str
    address: str
    whole: bool
    function: str
    answers: str
    many: bool
    page: bool
    paged: bool
    bound: int | None
    parameters: tuple[Parameter, ...]

    def __str__(self) -> str:
        """Name the route as a client calls it."""
        return f"{self.method} {self.address or '/'}"


def collect(module: Module) -> list[Route]:
    """The FastAPI and Flask routes of a module."""
    routers = _routers(module)
    if not routers and not module.imports_any("fastapi", "flask"):
        return []
    found = []
    functions: list[ast.FunctionDef | ast.AsyncFunctionDef]
    functions = [*module.all(ast.FunctionDef), *module.all(ast.AsyncFunctionDef)]
    for function in functions:
        for decorator in function.decorator_list:
            if isinstance(decorator, ast.Call):
                found += _routes(module, function, decorator, routers)
    return found


@dataclass(frozen=True)
class _Router:
    framework: str
    prefix: str
    whole: bool


def _routers(module: Module) -> dict[str, _Router]:
    """The names that hold applications, routers and blueprints."""
    kinds = {"FastAPI": "fastapi", "APIRouter": "fastapi", "Flask": "flask", "Blueprint": "flask"}
    found: dict[str, _Router] = {}
    for assign in module.all(ast.Assign):
        made = assign.value
        if isinstance(made, ast.Call) and last(module.dotted(made.func)) in kinds:
            kind = last(module.dotted(made.func))
            prefix = keyword(made, "prefix") or keyword(made, "url_prefix")
            known = "" if prefix is None else string(prefix)
            router = _Router(
                kinds[kind], known or "", kind in {"FastAPI", "Flask"} and known is not None
            )
            found |= {each.id: router for each in assign.targets if isinstance(each, ast.Name)}
    return found


def _routes(
    module: Module,
    function: ast.FunctionDef | ast.AsyncFunctionDef,
    decorator: ast.Call,
    routers: dict[str, _Router],
) -> list[Route]:
    called = decorator.func
    if not isinstance(called, ast.Attribute):
        return []
    router = routers.get(called.value.id) if isinstance(called.value, ast.Name) else None
    own = string(decorator.args[0]) if decorator.args else string(keyword(decorator, "path"))
    methods = _methods(called.attr, decorator)
    if own is None or not methods or (router is None and not own.startswith("/") and own):
        return []
    framework = router.framework if router else _framework(module)
    if not framework:
        return []
    model = keyword(decorator, "response_model")
    answers = model or function.returns
    return [
        Route(
            path=module.path,
            line=function.lineno,
            framework=framework,
            method=method,
            address=(router.prefix if router else "") + own,
            whole=router is not None and router.whole,
            function=function.name,
            answers=ast.unparse(answers) if answers is not None else "",
            many=_is_list(answers),
            page=_is_page(function, decorator),
            bound=_bound(function),
            paged=bool(_PAGED.search(_depends(function))),
            parameters=tuple(_parameters(function)),
        )
        for method in methods
    ]


def _framework(module: Module) -> str:
    return next((each for each in ("fastapi", "flask") if module.imports_any(each)), "")


def _methods(verb: str, decorator: ast.Call) -> list[str]:
    if verb in _VERBS:
        return [verb.upper()]
    if verb not in {"route", "api_route"}:
        return []
    given = keyword(decorator, "methods")
    if isinstance(given, (ast.List, ast.Tuple, ast.Set)):
        return [method.upper() for each in given.elts if (method := string(each))]
    return ["GET"] if given is None else []


def _bound(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int | None:
    """The number in `rows(count=10)`, `.limit(10)` or `found[:10]`."""
    for node in ast.walk(function):
        found = None
        if isinstance(node, ast.Call):
            named = (keyword(node, name) for name in ("limit", "count", "first", "top"))
            found = next((value for each in named if (value := whole(each)) is not None), None)
            if isinstance(node.func, ast.Attribute) and node.func.attr == "limit" and node.args:
                found = whole(node.args[0])
        elif isinstance(node, ast.Slice):
            found = whole(node.upper)
        if found is not None and found > 0:
            return found
    return None


def _is_page(function: ast.FunctionDef | ast.AsyncFunctionDef, decorator: ast.Call) -> bool:
    shown = keyword(decorator, "include_in_schema")
    kind = keyword(decorator, "response_class")
    hidden = isinstance(shown, ast.Constant) and shown.value is False
    drawn = kind is not None and re.search(r"HTML|Redirect|File|Plain|Template", ast.unparse(kind))
    returned = (node for node in ast.walk(function) if isinstance(node, ast.Return) and node.value)
    return (
        hidden
        or bool(drawn)
        or any(
            _PAGES.search(ast.unparse(node.value)) for node in returned if node.value is not None
        )
    )


def _depends(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """What the function depends on, as written: defaults and annotations with `Depends`."""
    arguments = function.args
    annotated = [each.annotation for each in [*arguments.args, *arguments.kwonlyargs]]
    written = [
        ast.unparse(each)
        for each in [*annotated, *arguments.defaults, *arguments.kw_defaults]
        if each
    ]
    return " ".join(each for each in written if "Depends" in each)


def _is_list(answers: ast.expr | None) -> bool:
    return isinstance(answers, ast.Subscript) and (
        isinstance(answers.value, ast.Name) and answers.value.id in _LISTS
    )


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[Parameter]:
    arguments = function.args
    plain = [*arguments.posonlyargs, *arguments.args]
    defaults: dict[str, ast.expr | None] = dict(
        zip([each.arg for each in reversed(plain)], reversed(arguments.defaults), strict=False)
    )
    defaults |= {
        each.arg: default
        for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    }
    return [
        Parameter(
            each.arg,
            ast.unparse(each.annotation) if each.annotation else "",
            _maximum(each.annotation, defaults.get(each.arg)),
        )
        for each in [*plain, *arguments.kwonlyargs]
    ]


def _maximum(annotation: ast.expr | None, default: ast.expr | None) -> int | None:
    for node in (annotation, default):
        for inner in ast.walk(node) if node is not None else ():
            if isinstance(inner, ast.Call):
                for name, less in (("le", 0), ("lt", 1)):
                    bound = whole(keyword(inner, name))
                    if bound is not None:
                        return bound - less
    return None


def integer_parameters(route: Route) -> list[str]:
    """The whole numbers in a route's address, by name."""
    if route.framework == "flask":
        return re.findall(r"<int(?:\([^)]*\))?:(\w+)>", route.address)
    named = set(re.findall(r"{(\w+)", route.address))
    return [each.name for each in route.parameters if each.name in named and each.kind == "int"]
