"""Histograms of Prometheus, and their buckets."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from roadbed.checklist.facts.module import Module, has_double_star, keyword, last, number


@dataclass(frozen=True)
class Histogram:
    """A histogram of Prometheus.

    Attributes:
        name: its metric's name, where it is a literal.
        bounds: its finite buckets, ascending; None when they can't be read here.
        default: nothing is said, so that the client library's own buckets hold.
        source: the name that its buckets come from.
    """

    path: str
    line: int
    name: str
    bounds: tuple[float, ...] | None
    default: bool
    source: str = ""


def collect(module: Module) -> list[Histogram]:
    """The histograms that a module makes."""
    if not module.imports_any("prometheus_client", "aioprometheus", "prometheus_async"):
        return []
    return [
        _histogram(module, call)
        for call in module.all(ast.Call)
        if last(module.dotted(call.func)) == "Histogram"
    ]


def _histogram(module: Module, call: ast.Call) -> Histogram:
    first = keyword(call, "name", 0)
    name = first.value if isinstance(first, ast.Constant) else ""
    buckets = keyword(call, "buckets")
    source = ""
    if isinstance(buckets, (ast.Name, ast.Attribute)):
        source = last(module.dotted(buckets))
        buckets = module.constants.get(buckets.id) if isinstance(buckets, ast.Name) else None
    bounds = numbers(buckets) if buckets is not None else None
    default = keyword(call, "buckets") is None and not has_double_star(call)
    return Histogram(module.path, call.lineno, str(name), bounds, default, source)


def numbers(node: ast.expr) -> tuple[float, ...] | None:
    """The numbers of a literal tuple or list, without infinity."""
    if (
        isinstance(node, ast.Call)
        and last(ast.unparse(node.func)) in {"tuple", "list"}
        and node.args
    ):
        node = node.args[0]
    if not isinstance(node, (ast.Tuple, ast.List)):
        return None
    found = []
    for each in node.elts:
        value = number(each)
        if value is None:
            if "inf" in ast.unparse(each).lower():
                continue
            return None
        found.append(float(value))
    return tuple(sorted(found))


def number_tuples(module: Module) -> dict[str, tuple[float, ...]]:
    """The module's constants that are several numbers: buckets may stand in another file."""
    found = {
        name: numbers(value) for name, value in module.constants.items() if "BUCKET" in name.upper()
    }
    return {name: value for name, value in found.items() if value}
