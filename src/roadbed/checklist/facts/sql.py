"""SQL in string literals and in .sql files: found without parsing, parsed only where it matters."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadbed.checklist.facts.module import Module, last

if TYPE_CHECKING:
    from collections.abc import Iterator

# What begins like a statement and goes on like one: prose seldom does.
_BEGINS = re.compile(
    r"\s*(?:(?:--[^\n]*\n|/\*.*?\*/)\s*)*(?:"
    r"(?:SELECT|WITH|INSERT|MERGE|EXPLAIN)\b.*?\b(?:FROM|INTO)\b|UPDATE\b.+?\bSET\b|"
    r"DELETE\s+FROM\b|TRUNCATE\b|"
    r"CREATE\b.+?\b(?:TABLE|VIEW|INDEX|FUNCTION|TRIGGER)\b|ALTER\s+TABLE\b|DROP\s+TABLE\b)",
    re.IGNORECASE | re.DOTALL,
)
_EXECUTED_BY = {
    "text", "execute", "executemany", "fetch", "fetchrow", "fetchval", "fetchall", "fetchone",
    "scalar", "scalars", "exec_driver_sql", "executescript", "copy", "read_sql", "read_sql_query",
    "raw", "prepare", "cursor", "mogrify",
}  # fmt: skip
_HIDDEN = re.compile(
    r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(\w*)\$.*?\$\1\$", re.DOTALL
)


@dataclass(frozen=True)
class Sql:
    """A piece of SQL.

    Attributes:
        text: the statement, or several; what is filled in at run time stands as a name.
        executed: it is passed to something that runs SQL, so that it is no prose.
        begins: the first line of the statement of Python that it stands in.
    """

    path: str
    line: int
    text: str
    executed: bool
    begins: int = 0

    @property
    def bare(self) -> str:
        """The text with comments, literals and quoted names blanked, of the same length."""
        return _HIDDEN.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), self.text)

    def at(self, position: int) -> Sql:
        """The same piece, with the line of a position in its text."""
        line = self.line + self.text.count("\n", 0, position)
        return Sql(self.path, line, self.text, self.executed, self.begins)

    def statements(self) -> Iterator[Sql]:
        """Its statements, one by one."""
        begin = 0
        for end in [*(found.start() for found in re.finditer(";", self.bare)), len(self.text)]:
            text = self.text[begin:end]
            if text.strip():
                lead = len(text) - len(text.lstrip())
                line = self.line + self.text.count("\n", 0, begin + lead)
                yield Sql(self.path, line, text.strip(), self.executed, self.begins)
            begin = end + 1


def collect(module: Module) -> list[Sql]:
    """The SQL in a module's strings: not in its docstrings, and not in parts of other strings."""
    found = []
    for kind in (ast.Constant, ast.JoinedStr, ast.BinOp):
        for node in module.all(kind):
            whole = _whole(module, node)
            text = _text(node) if whole else None
            if text and _BEGINS.match(text):
                executed, begins = _is_executed(module, node), module.begins(node)
                found.append(Sql(module.path, node.lineno, text, executed, begins))
    return found


def from_file(path: str, text: str) -> list[Sql]:
    """The statements of a .sql file."""
    return list(Sql(path, 1, text, executed=True).statements())


def _whole(module: Module, node: ast.AST) -> bool:
    """Whether a string is one of its own, and says something to the program."""
    parent = module.parent(node)
    if isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Mod):
        return parent.left is node
    return not isinstance(parent, (ast.JoinedStr, ast.BinOp, ast.Expr))


def _text(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) or "_filled_in_" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        parts: list[str] = []
        rest: ast.AST = node
        while isinstance(rest, ast.BinOp) and isinstance(rest.op, ast.Add):
            parts.append(_text(rest.right) or "_filled_in_")
            rest = rest.left
        parts.append(_text(rest) or "_filled_in_")
        return "".join(reversed(parts)) if any(part != "_filled_in_" for part in parts) else None
    return None


def _is_executed(module: Module, node: ast.AST) -> bool:
    parent = module.parent(node)
    while isinstance(parent, (ast.BinOp, ast.Attribute)):  # "…" % x, "…".format(x)
        parent = module.parent(parent)
    if isinstance(parent, ast.Call) and isinstance(parent.func, ast.Attribute):
        formats = parent.func.attr == "format"
        parent = module.parent(parent) if formats else parent
    if not isinstance(parent, ast.Call):
        return False
    name = (
        parent.func.attr if isinstance(parent.func, ast.Attribute) else module.dotted(parent.func)
    )
    return last(name) in _EXECUTED_BY
