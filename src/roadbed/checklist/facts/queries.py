"""Queries that are built by methods: `.offset(…)`, `.paginate(…)`, and deletions."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from roadbed.checklist.facts.module import Module, last, number, string

ORMS = (
    "sqlalchemy", "sqlmodel", "flask_sqlalchemy", "tortoise", "peewee", "ormar", "piccolo",
    "databases", "advanced_alchemy", "playhouse",
)  # fmt: skip

_BUILDS = {
    "select", "query", "filter", "filter_by", "where", "order_by", "limit", "join", "outerjoin",
    "group_by", "options", "distinct", "all_", "select_from", "exec_query", "having",
}  # fmt: skip
_SESSION = re.compile(r"(^|_)(session|sess|db)$")
_SHOWN = 60  # letters of a chain of calls
_HTTP = ("requests", "httpx", "httpx2", "aiohttp")


@dataclass(frozen=True)
class Query:
    """A step of a query.

    Attributes:
        step: offset or delete; session.delete, if any file of the service knows a database.
        spelled: how it is written.
        begins: the first line of the statement that it stands in.
    """

    path: str
    line: int
    step: str
    spelled: str
    begins: int


def collect(module: Module) -> list[Query]:
    """The steps of a module's queries that rules ask about."""
    knows_orm = module.imports_any(*ORMS)
    found = []
    for call in module.all(ast.Call):
        step = _step(module, call, knows_orm)
        if step:
            function = ast.unparse(call.func)
            spelled = function if len(function) <= _SHOWN else f"…{function[1 - _SHOWN :]}"
            line = call.func.end_lineno or call.lineno
            found.append(Query(module.path, line, step, f"{spelled}(…)", module.begins(call)))
    return found


def _step(module: Module, call: ast.Call, knows_orm: bool) -> str:
    function = call.func
    called = module.dotted(function)
    if last(called) == "delete" and called.partition(".")[0] in {"sqlalchemy", "sqlmodel"}:
        return "delete"
    if not isinstance(function, ast.Attribute):
        return ""
    if function.attr == "offset":
        skips = bool(call.args) and number(call.args[0]) != 0
        return "offset" if skips and (knows_orm or _builds(function.value)) else ""
    if function.attr == "paginate":
        return "offset" if _paginates(module, function.value, knows_orm) else ""
    return _deletion(module, call, function.value, knows_orm) if function.attr == "delete" else ""


def _builds(node: ast.expr) -> bool:
    """Whether an expression is a chain of calls that builds a query."""
    while True:
        if isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Attribute):
            if node.attr in _BUILDS:
                return True
            node = node.value
        else:
            return isinstance(node, ast.Name) and node.id in {"select", "query"}


def _paginates(module: Module, receiver: ast.expr, knows_orm: bool) -> bool:
    """Flask-SQLAlchemy's `query.paginate(…)` and `db.paginate(…)`; boto3 has another one."""
    if isinstance(receiver, ast.Name) and receiver.id == "db":
        return True
    return _builds(receiver) and (knows_orm or not module.imports_any("boto3", "botocore"))


def _deletion(module: Module, call: ast.Call, receiver: ast.expr, knows_orm: bool) -> str:
    """Whether `receiver.delete(…)` removes rows: a query's, or a session's, not a client's."""
    if _builds(receiver):
        return "delete"
    name = _last_word(receiver)
    argument = call.args[0] if len(call.args) == 1 else None
    is_text = string(argument) is not None or isinstance(argument, ast.JoinedStr)
    if argument is None or is_text or not _SESSION.search(name):  # an address or a key is text
        return ""
    if isinstance(receiver, ast.Attribute) and _last_word(receiver.value) == "db":
        return "delete"  # db.session
    if module.imports_any(*_HTTP):
        return ""
    maybe = "" if name.endswith("db") else "session.delete"
    return "delete" if knows_orm else maybe


def _last_word(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
