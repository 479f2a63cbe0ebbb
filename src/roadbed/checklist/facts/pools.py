"""Connection pools, and the numbers in settings that they are made of."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from roadbed.checklist.facts.module import Module, has_double_star, keyword, last, whole

# How many connections a pool opens at most when nobody says: (kept, more at a peak).
_ENGINES = {"create_engine": (5, 10), "create_async_engine": (5, 10), "engine_from_config": (5, 10)}
_POOLS = {
    "asyncpg.create_pool": ("max_size", 10),
    "psycopg_pool.ConnectionPool": ("max_size", 4),
    "psycopg_pool.AsyncConnectionPool": ("max_size", 4),
}


@dataclass(frozen=True)
class Size:
    """A number, or the name of the setting that it comes from; neither when it can't be told."""

    number: int | None = None
    setting: str = ""


@dataclass(frozen=True)
class Pool:
    """A pool that a process makes.

    Attributes:
        kept: connections that it keeps open.
        more: what it opens beyond them at a peak.
        unbounded: it keeps none and opens as many as are asked for (`NullPool`).
        unseen: its arguments are passed on from elsewhere, or come from a configuration.
    """

    path: str
    line: int
    name: str
    kept: Size
    more: Size
    unbounded: bool = False
    unseen: bool = False


@dataclass(frozen=True)
class Setting:
    """A field of a settings class that has a whole number as its default."""

    path: str
    line: int
    name: str
    number: int


def collect(module: Module) -> list[Pool]:
    """The pools that a module makes."""
    found = []
    for call in module.all(ast.Call):
        name = module.dotted(call.func)
        if name in _POOLS:
            argument, default = _POOLS[name]
            kept = _size(module, keyword(call, argument), default)
            found.append(Pool(module.path, call.lineno, name, kept, Size(0)))
        elif keyword(call, "pool_size") is not None or keyword(call, "max_overflow") is not None:
            found.append(_engine(module, call, (5, 10)))
        elif name == "flask_sqlalchemy.SQLAlchemy" or (
            last(name) in _ENGINES and has_double_star(call)
        ):
            found.append(Pool(module.path, call.lineno, name, Size(), Size(), unseen=True))
        elif last(name) in _ENGINES:
            found.append(_engine(module, call, _ENGINES[last(name)]))
    return found


def _engine(module: Module, call: ast.Call, default: tuple[int, int]) -> Pool:
    chosen = keyword(call, "poolclass")
    kind = last(module.dotted(chosen)) if chosen is not None else ""
    return Pool(
        module.path,
        call.lineno,
        ast.unparse(call.func)[:60],
        Size(1) if kind == "StaticPool" else _size(module, keyword(call, "pool_size"), default[0]),
        Size(0)
        if kind == "StaticPool"
        else _size(module, keyword(call, "max_overflow"), default[1]),
        unbounded=kind == "NullPool",
    )


def _size(module: Module, value: ast.expr | None, default: int) -> Size:
    if value is None:
        return Size(default)
    if (literal := whole(value)) is not None:
        return Size(literal)
    if isinstance(value, ast.Name):
        known = whole(module.constants.get(value.id))
        return Size(known) if known is not None else Size(setting=value.id)
    return Size(setting=last(module.dotted(value)) or _attribute(value))


def _attribute(value: ast.expr) -> str:
    return value.attr if isinstance(value, ast.Attribute) else ""


def settings(module: Module) -> list[Setting]:
    """The whole numbers among the defaults of a module's settings classes."""
    found = []
    for node in module.all(ast.ClassDef):
        names = [node.name, *(last(module.dotted(base)) for base in node.bases)]
        if any(name.endswith(("Settings", "Config")) for name in names):
            for statement in node.body:
                if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                    value = _default(statement.value)
                    if value is not None:
                        name = statement.target.id.lower()
                        found.append(Setting(module.path, statement.lineno, name, value))
    return found


def _default(value: ast.expr | None) -> int | None:
    if isinstance(value, ast.Call):
        value = keyword(value, "default", 0)
    return whole(value)
