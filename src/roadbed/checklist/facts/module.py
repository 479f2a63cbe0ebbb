"""A Python file as a syntax tree, with what the collectors ask of it."""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

Node = TypeVar("Node", bound=ast.AST)


class Module:
    """One Python file.

    Attributes:
        path: relative to the service, with slashes.
        tree: its syntax tree.
    """

    def __init__(self, path: str, tree: ast.Module) -> None:
        self.path = path
        self.tree = tree

    def all(self, kind: type[Node]) -> list[Node]:
        """Every node of a kind, in the order of the file."""
        return self._index[0].get(kind, [])  # type: ignore[return-value] # keyed by their kind

    def parent(self, node: ast.AST) -> ast.AST | None:
        """The node that a node stands in."""
        return self._index[1].get(node)

    def parents(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes around a node, the innermost first."""
        around = self.parent(node)
        while around is not None:
            yield around
            around = self.parent(around)

    def begins(self, node: ast.AST) -> int:
        """The first line of the statement that a node stands in: where a comment is beside it."""
        around = (each for each in self.parents(node) if isinstance(each, ast.stmt))
        return next((each.lineno for each in around), 0)

    @cached_property
    def imports(self) -> dict[str, str]:
        """What the imported names stand for: `{"sa": "sqlalchemy", "get": "requests.get"}`."""
        names: dict[str, str] = {}
        for plain in self.all(ast.Import):
            for each in plain.names:
                first = each.name.partition(".")[0]
                names[each.asname or first] = each.name if each.asname else first
        for chosen in self.all(ast.ImportFrom):
            source = "." * chosen.level + (chosen.module or "")
            for each in chosen.names:
                names[each.asname or each.name] = f"{source}.{each.name}"
        return names

    def imports_any(self, *packages: str) -> bool:
        """Whether anything of these packages is imported."""
        return any(full.partition(".")[0] in packages for full in self.imports.values())

    def dotted(self, node: ast.AST) -> str:
        """A name or a chain of attributes, with imports resolved: `requests.get`; else nothing."""
        attributes: list[str] = []
        while isinstance(node, ast.Attribute):
            attributes.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        return ".".join([self.imports.get(node.id, node.id), *reversed(attributes)])

    @cached_property
    def constants(self) -> dict[str, ast.expr]:
        """The module's own names that are bound once, at its top, and what they are bound to."""
        bound: dict[str, ast.expr | None] = {}
        for statement in self.tree.body:
            for name, value in bindings(statement):
                bound[name] = None if name in bound else value
        return {name: value for name, value in bound.items() if value is not None}

    @cached_property
    def _index(self) -> tuple[dict[type[ast.AST], list[ast.AST]], dict[ast.AST, ast.AST]]:
        kinds: dict[type[ast.AST], list[ast.AST]] = defaultdict(list)
        parents: dict[ast.AST, ast.AST] = {}
        waiting: list[ast.AST] = [self.tree]
        while waiting:  # no recursion: a file may be nested as deeply as the parser allows
            node = waiting.pop()
            kinds[type(node)].append(node)
            for field in node._fields:
                value = getattr(node, field, None)
                if isinstance(value, ast.AST):
                    parents[value] = node
                    waiting.append(value)
                elif isinstance(value, list):
                    for each in value:
                        if isinstance(each, ast.AST):
                            parents[each] = node
                            waiting.append(each)
        for nodes in kinds.values():
            if hasattr(nodes[0], "lineno"):
                nodes.sort(key=_position)
        return kinds, parents


def _position(node: ast.AST) -> tuple[int, int]:
    return node.lineno, node.col_offset  # type: ignore[attr-defined] # of kinds that have it


def bindings(statement: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    """The names that an assignment binds, and their value."""
    if isinstance(statement, ast.Assign):
        for target in statement.targets:
            if isinstance(target, ast.Name):
                yield target.id, statement.value
    elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        yield from [(statement.target.id, statement.value)] if statement.value else []


def keyword(call: ast.Call, name: str, position: int | None = None) -> ast.expr | None:
    """The value of an argument that is given by name or, from 0, by position."""
    for each in call.keywords:
        if each.arg == name:
            return each.value
    if position is None or position >= len(call.args):
        return None
    starred = any(isinstance(each, ast.Starred) for each in call.args[: position + 1])
    return None if starred else call.args[position]


def has_double_star(call: ast.Call) -> bool:
    """Whether a call passes on a mapping, in which anything may be."""
    return any(each.arg is None for each in call.keywords)


def number(node: ast.AST | None) -> float | None:
    """The value of a literal number."""
    if isinstance(node, ast.Constant) and type(node.value) in {int, float}:
        return node.value  # type: ignore[return-value] # just tested
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = number(node.operand)
        return None if value is None else -value
    return None


def whole(node: ast.AST | None) -> int | None:
    """The value of a literal integer."""
    value = number(node)
    return value if isinstance(value, int) else None


def string(node: ast.AST | None) -> str | None:
    """The value of a literal string."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def last(dotted: str) -> str:
    """The last word of a dotted name."""
    return dotted.rpartition(".")[2]
