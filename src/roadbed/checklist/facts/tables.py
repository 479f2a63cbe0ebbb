"""Tables: as models declare them, as migrations make them, as SQL creates them."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadbed.checklist.facts.module import Module, keyword, last, string

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from roadbed.checklist.facts.sql import Sql

_COLUMNS = {"mapped_column", "Column", "Field", "column_property"}
_OPS = {"create_table", "add_column", "drop_table", "rename_table", "drop_column"}


@dataclass(frozen=True)
class ModelClass:
    """A class that may be a model, or a mixin of one.

    Attributes:
        bases: their names, as far as they are names, with imports resolved.
        table: its table's name; empty where it has none, or computes it.
        is_table: it says that it is one.
        abstract: it says that it is none.
        columns: the attributes that its body declares.
    """

    path: str
    line: int
    name: str
    bases: tuple[str, ...]
    table: str
    is_table: bool
    abstract: bool
    columns: frozenset[str]


@dataclass(frozen=True)
class TableChange:
    """What a migration, a `Table(…)` or a CREATE TABLE does to a table.

    Attributes:
        kind: create, add, remove, drop or rename.
        columns: those that it names; for a rename, the new name.
        complete: every column is seen, none comes from a function or a variable.
    """

    path: str
    line: int
    kind: str
    table: str
    columns: frozenset[str]
    complete: bool = True


def models(module: Module) -> list[ModelClass]:
    """The classes of a module that may declare columns."""
    return [_model(module, each) for each in module.all(ast.ClassDef)]


def _model(module: Module, node: ast.ClassDef) -> ModelClass:
    columns: set[str] = set()
    table, is_table, abstract = "", False, False
    for statement in node.body:
        for name, value in _attributes(statement):
            if name == "__tablename__":
                table, is_table = string(value) or "", True
            elif name == "__table__":
                is_table = True
            elif name == "__abstract__":
                abstract = isinstance(value, ast.Constant) and value.value is True
            else:
                columns.add(_column_name(module, name, value))
        if isinstance(statement, ast.FunctionDef) and any(
            "declared_attr" in module.dotted(each) for each in statement.decorator_list
        ):
            columns.add(statement.name)
    for each in node.keywords:
        if each.arg == "table" and isinstance(each.value, ast.Constant) and each.value.value:
            is_table, table = True, table or node.name.lower()
    bases = tuple(name for base in node.bases if (name := _name(module, base)))
    return ModelClass(
        module.path, node.lineno, node.name, bases, table, is_table, abstract, frozenset(columns)
    )


def _name(module: Module, base: ast.expr) -> str:
    if isinstance(base, ast.Subscript):  # Generic[…]
        base = base.value
    return module.dotted(base)


def _attributes(statement: ast.stmt) -> Iterator[tuple[str, ast.expr | None]]:
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        yield statement.target.id, statement.value
    elif isinstance(statement, ast.Assign):
        for target in statement.targets:
            if isinstance(target, ast.Name):
                yield target.id, statement.value


def _column_name(module: Module, attribute: str, value: ast.expr | None) -> str:
    """`Column("created_at", …)` may be called otherwise than its attribute."""
    if isinstance(value, ast.Call) and last(module.dotted(value.func)) in _COLUMNS:
        return (string(value.args[0]) if value.args else None) or attribute
    return attribute


def changes(module: Module) -> list[TableChange]:
    """What a module's calls do to tables: Alembic's operations, and Core's `Table(…)`."""
    found = []
    for call in module.all(ast.Call):
        name = last(module.dotted(call.func)) or (
            call.func.attr if isinstance(call.func, ast.Attribute) else ""
        )
        if name == "Table" and "sqlalchemy" in " ".join(module.imports.values()):
            found += _created(module, call, call.args[2:] if len(call.args) > 1 else [])
        elif name in _OPS:
            found += _operation(module, call, name)
    return found


def _operation(module: Module, call: ast.Call, name: str) -> list[TableChange]:
    arguments = list(call.args)
    if name == "create_table":
        return _created(module, call, arguments[1:])
    batch = _batch_table(module, call)
    table = string(arguments.pop(0)) if batch is None and arguments else batch
    if table is None:
        return []
    first = arguments[0] if arguments else None
    if name == "add_column":
        columns, complete = _columns(module, arguments[:1])
        return [_change(module, call, "add", table, columns, complete=complete)]
    kind = {"drop_table": "drop", "rename_table": "rename", "drop_column": "remove"}[name]
    if _is_downgrade(module, call):
        return []
    return [_change(module, call, kind, table, {string(first) or ""})]


def _created(module: Module, call: ast.Call, rest: list[ast.expr]) -> list[TableChange]:
    table = string(call.args[0]) if call.args else None
    if table is None or _is_downgrade(module, call):
        return []
    columns, complete = _columns(module, rest)
    return [_change(module, call, "create", table, columns, complete=complete)]


def _change(
    module: Module,
    call: ast.Call,
    kind: str,
    table: str,
    columns: Iterable[str],
    *,
    complete: bool = True,
) -> TableChange:
    return TableChange(module.path, call.lineno, kind, table, frozenset(columns), complete)


def _columns(module: Module, arguments: list[ast.expr]) -> tuple[set[str], bool]:
    columns: set[str] = set()
    complete = True
    for argument in arguments:
        if isinstance(argument, ast.Call):
            made = last(module.dotted(argument.func))
            name = string(argument.args[0]) if argument.args else None
            if made == "Column" and name is not None:
                columns.add(name)
            elif not made.endswith(("Constraint", "Index", "Key", "Comment")):
                complete = False  # a function of the team's own, which may give a column
        else:
            complete = False
    return columns, complete


def _batch_table(module: Module, call: ast.Call) -> str | None:
    """The table of `with op.batch_alter_table("orders") as batch: batch.add_column(…)`."""
    managers = (
        item.context_expr
        for around in module.parents(call)
        if isinstance(around, ast.With)
        for item in around.items
    )
    for made in managers:
        if isinstance(made, ast.Call) and last(module.dotted(made.func)) == "batch_alter_table":
            return string(keyword(made, "table_name", 0)) or ""
    return None


def _is_downgrade(module: Module, node: ast.AST) -> bool:
    return any(
        isinstance(each, ast.FunctionDef) and each.name.startswith("downgrade")
        for each in module.parents(node)
    )


_CREATE = re.compile(
    r"\bCREATE\s+(?:UNLOGGED\s+|GLOBAL\s+|LOCAL\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?"
    r"(?P<name>[\w.\"]+)\s*\(",
    re.IGNORECASE,
)
_ADD = re.compile(
    r"\bALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?(?P<name>[\w.\"]+)(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_ADDED = re.compile(r"\bADD\s+(?:COLUMN\s+)?(?:IF\s+NOT\s+EXISTS\s+)?(\w+)", re.IGNORECASE)
_NO_COLUMN = {
    "constraint", "primary", "unique", "check", "foreign", "exclude", "like", "index", "key",
}  # fmt: skip


def from_sql(sql: Sql) -> list[TableChange]:
    """What CREATE, ALTER and DROP TABLE do, in a piece of SQL."""
    found = []
    text = sql.text
    for create in _CREATE.finditer(sql.bare.ljust(len(text))):
        name = _plain(text[create.start("name") : create.end("name")])
        columns, complete = _body(sql.bare, text, create.end())
        found.append(
            TableChange(sql.path, sql.at(create.start()).line, "create", name, columns, complete)
        )
    for alter in _ADD.finditer(sql.bare):
        columns = frozenset(
            word.lower() for word in _ADDED.findall(alter["rest"]) if word.lower() not in _NO_COLUMN
        )
        if columns:
            line = sql.at(alter.start()).line
            found.append(TableChange(sql.path, line, "add", _plain(alter["name"]), columns))
    return found


def _plain(name: str) -> str:
    return last(name.replace('"', "").strip()).lower()


def _body(bare: str, text: str, begin: int) -> tuple[frozenset[str], bool]:
    """The columns between the parentheses that open before `begin`."""
    depth, start, parts = 1, begin, []
    end = len(bare)
    for place in range(begin, len(bare)):
        letter = bare[place]
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if depth == 0 or (letter == "," and depth == 1):
            parts.append(text[start:place])
            start = place + 1
        if depth == 0:
            end = place
            break
    columns = set()
    complete = end < len(bare)
    for part in parts:
        words = part.strip().strip('"').split(None, 1)
        if words and words[0].strip('"').lower() not in _NO_COLUMN:
            columns.add(words[0].strip('"').lower())
            complete = complete and "_filled_in_" not in words[0]
        elif words and words[0].lower() == "like":
            complete = False
    return frozenset(columns), complete
