"""RB3: the patterns that hold in the database."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from roadbed.checklist.evidence import failed, irrelevant, passed, unknown, warned
from roadbed.checklist.facts.module import last
from roadbed.checklist.facts.queries import ORMS
from roadbed.checklist.facts.tables import from_sql
from roadbed.checklist.rule import Item, Rule
from roadbed.checklist.rules.identifiers import PUBLIC_INTEGER_ID
from roadbed.checklist.rules.pool import POOL_EXCEEDS_DATABASE
from roadbed.checklist.service import MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadbed.checklist.evidence import Evidence
    from roadbed.checklist.facts.sql import Sql
    from roadbed.checklist.facts.tables import ModelClass, TableChange
    from roadbed.checklist.service import Service

_SHOWN = 60  # letters of a statement

# RB301 ----------------------------------------------------------------------------------------

# What may select everything. Nothing else is parsed: the parser takes half a second to import.
_STAR = re.compile(
    r"\b(?:SELECT|DISTINCT|ALL|RETURNING)\s+(?:[\w.\"]+\.)?\*|,\s*(?:[\w.\"]+\.)?\*\s*(?:,|\bFROM\b|$)",
    re.IGNORECASE,
)


def select_star(service: Service) -> Iterator[Evidence]:
    """Queries name their columns."""
    found = False
    for piece in service.sql:
        for statement in piece.statements() if _STAR.search(piece.bare) else ():
            if _STAR.search(statement.bare):
                for evidence in _stars(statement):
                    found = True
                    yield evidence
    if not found and service.sql:
        yield passed(f"{len(service.sql)} pieces of SQL name their columns", service.sql[0])
    elif not found:
        yield irrelevant("No SQL is written here")


def _stars(statement: Sql) -> Iterator[Evidence]:
    from sqlglot import ErrorLevel, parse_one
    from sqlglot.errors import SqlglotError

    text = re.sub(r"%\(\w+\)s|%s|\{[^{}]*\}", "_filled_in_", statement.text)
    try:
        tree = parse_one(text, dialect="postgres", error_level=ErrorLevel.RAISE)
    except (SqlglotError, RecursionError, ValueError, AttributeError) as error:
        if statement.executed:
            reason = str(error).partition("\n")[0][:80]
            yield unknown(f"This SQL was not understood: {reason}", statement, subject="SQL")
        return
    place = statement.at(max(_STAR.search(statement.bare).start(), 0))  # type: ignore[union-attr] # the caller looked
    if tree is None:
        return
    if any(_is_open(select) for select in _selects(tree)):
        what = " ".join(statement.text.split()).replace("_filled_in_", "…")
        shown = what if len(what) <= _SHOWN else f"{what[: _SHOWN - 1]}…"
        yield failed(f"“{shown}” reads every column, also those of tomorrow", place, subject=shown)
    elif re.search(r"\bRETURNING\s+\*", statement.bare, re.IGNORECASE):
        yield warned(
            "RETURNING * answers every column, also those of tomorrow", place, subject="RETURNING *"
        )


def _selects(tree: Any) -> Iterator[Any]:
    from sqlglot import expressions as exp

    for select in tree.find_all(exp.Select):
        if not isinstance(select.parent, exp.Exists):
            yield select


def _is_open(select: Any) -> bool:
    """Whether a SELECT has a star whose columns are written nowhere."""
    from sqlglot import expressions as exp

    for column in select.expressions:
        plain = isinstance(column, exp.Star)
        of_table = isinstance(column, exp.Column) and isinstance(column.this, exp.Star)
        if plain or of_table:
            table = column.table if of_table else ""
            if not all(_is_named(source, select) for source in _sources(select, table)):
                return True
    return False


def _sources(select: Any, only: str) -> list[Any]:
    """What a SELECT reads from; with a name, that alone."""
    start = select.args.get("from_") or select.args.get("from")
    sources = [start.this] if start is not None else []
    sources += [join.this for join in select.args.get("joins") or []]
    named = [each for each in sources if each.alias_or_name.lower() == only.lower()] if only else []
    return named or sources


def _is_named(source: Any, select: Any) -> bool:
    """Whether the columns of a source are written down: in a subquery, a CTE, VALUES, a function."""
    from sqlglot import expressions as exp

    if isinstance(source, exp.Subquery):
        inner = source.this
        return not any(_is_open(each) for each in _tops(inner))
    if isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier):
        scope = select
        while scope is not None:
            ctes = scope.args.get("with_") or scope.args.get("with")
            for cte in ctes.expressions if ctes is not None else ():
                if cte.alias.lower() == source.name.lower():
                    # Its own stars are looked at where they stand; a recursive one ends here.
                    return True
            scope = scope.parent
        return False
    return True  # VALUES, unnest(…), a function: their columns are theirs


def _tops(query: Any) -> list[Any]:
    from sqlglot import expressions as exp

    if isinstance(query, exp.Select):
        return [query]
    if isinstance(query, exp.SetOperation):
        return [*_tops(query.left), *_tops(query.right)]
    return []


# RB302 ----------------------------------------------------------------------------------------

AUDIT_COLUMNS = ("created_at", "updated_at", "deleted_at", "deleted_by")

# Bases that bring no column, by the last word of their name.
_PLAIN = {
    "Base", "DeclarativeBase", "DeclarativeBaseNoMeta", "MappedAsDataclass", "SQLModel", "Model",
    "AsyncAttrs", "object", "BaseModel", "Generic", "ABC", "UserMixin", "declarative_base", "Enum",
    "Protocol", "RoleMixin",
}  # fmt: skip
_OWN_BOOKS = {"alembic_version"}


def table_without_audit_columns(service: Service) -> Iterator[Evidence]:
    """Every table says when a row was made, changed and deleted, and by whom."""
    models = list(_models(service))
    modelled = {table for table, *_ in models}
    for table, model, columns, foreign in models:
        yield _audited(table, columns, model, foreign)
    made = _made_by_migrations(service)
    for table, (creation, columns, complete) in made.items():
        if table not in modelled and table not in _OWN_BOOKS:
            yield _audited(
                table, columns, creation, "" if complete else "columns that are computed"
            )
    if not models and not made:
        other = service.imported & (set(ORMS) - {"sqlalchemy", "sqlmodel", "flask_sqlalchemy"})
        other |= service.imported & {"mongoengine", "beanie", "motor", "pymongo", "django"}
        if other:
            yield unknown(f"The tables of {', '.join(sorted(other))} are not read")
        else:
            yield irrelevant("No table is declared here")


def _audited(table: str, columns: set[str], at: ModelClass | TableChange, foreign: str) -> Evidence:
    missing = [column for column in AUDIT_COLUMNS if column not in columns]
    if not missing:
        return passed(f"`{table}` has its audit columns", at, subject=table)
    if foreign:
        return unknown(
            f"`{table}` may lack {', '.join(missing)}: it has {foreign}", at, subject=table
        )
    return failed(f"`{table}` lacks {', '.join(missing)}", at, subject=table)


def _models(service: Service) -> Iterator[tuple[str, ModelClass, set[str], str]]:
    """Each modelled table, its class, all its columns, and what of its bases is not known."""
    classes: dict[str, list[ModelClass]] = defaultdict(list)
    for model in (model for facts in service.code for model in facts.models):
        classes[model.name].append(model)
    for model in (one for several in classes.values() for one in several):
        inherited = _inherited(model, classes, {model.name})
        if not model.abstract and (model.is_table or inherited.registered):
            columns = set(model.columns) | inherited.columns
            yield model.table or model.name.lower(), model, columns, inherited.foreign


@dataclass
class _Inherited:
    """What a class has from its bases.

    Attributes:
        foreign: a base that is not in this service, and may bring columns.
        registered: one of them is Flask-SQLAlchemy's `db.Model`, which names tables by itself.
    """

    columns: set[str] = field(default_factory=set)
    foreign: str = ""
    registered: bool = False


def _inherited(
    model: ModelClass, classes: dict[str, list[ModelClass]], seen: set[str]
) -> _Inherited:
    found = _Inherited()
    for full in model.bases:
        base = last(full)
        if base in classes and base not in seen:
            seen.add(base)
            for each in classes[base]:
                more = _inherited(each, classes, seen)
                found.columns |= each.columns | more.columns
                found.foreign = found.foreign or more.foreign
                found.registered = found.registered or more.registered
        elif full.endswith("db.Model"):
            found.registered = True
        elif base not in _PLAIN and base not in seen:
            found.foreign = found.foreign or f"the base `{base}`, which is not here"
    return found


def _made_by_migrations(service: Service) -> dict[str, tuple[TableChange, set[str], bool]]:
    """The tables that migrations and SQL make, with what they add and take away later."""
    changes = [change for facts in service.python for change in facts.changes]
    for piece in service.sql:
        if piece.path.endswith(".sql"):
            changes += from_sql(piece)
    made: dict[str, tuple[TableChange, set[str], bool]] = {}
    for kind in ("create", "add", "remove", "rename", "drop"):  # whichever file comes first
        for change in changes:
            if change.kind == kind and (kind == "create" or change.table in made):
                _apply(change, made)
    return made


def _apply(change: TableChange, made: dict[str, tuple[TableChange, set[str], bool]]) -> None:
    creation, columns, complete = made.get(change.table, (change, set(), True))
    if "_filled_in_" in change.table:
        return
    if change.kind == "drop":
        made.pop(change.table)
    elif change.kind == "rename":
        made[next(iter(change.columns))] = made.pop(change.table)
    elif change.kind == "remove":
        made[change.table] = creation, columns - change.columns, complete
    else:
        made[change.table] = creation, columns | change.columns, complete and change.complete


# RB303 ----------------------------------------------------------------------------------------

_DELETE = re.compile(r"\bDELETE\s+FROM\s+(?P<table>[\w.\"]+)|^\s*TRUNCATE\b", re.IGNORECASE)


def hard_delete(service: Service) -> Iterator[Evidence]:
    """Rows are marked as deleted, and stay."""
    found = False
    has_database = not service.imported.isdisjoint(ORMS)
    for facts in service.code:
        for query in facts.queries:
            if query.step == "delete" or (query.step == "session.delete" and has_database):
                found = True
                yield failed(f"{query.spelled} removes rows for good", query, subject=query.spelled)
    for piece in service.sql:
        delete = None if MIGRATIONS.search(piece.path) else _DELETE.search(piece.bare)
        if delete:
            found = True
            words = " ".join(piece.text[delete.start() : delete.end()].split())
            words = words.replace("_filled_in_", "…")
            yield failed(
                f"“{words}” removes rows for good", piece.at(delete.start()), subject=words
            )
    if not found and service.imported & {*ORMS, "asyncpg", "psycopg", "psycopg2", "sqlite3"}:
        yield passed(f"Nothing in {len(service.code)} Python files removes rows")
    elif not found:
        yield irrelevant("No database is used here")


RULES = (
    Rule(
        code="RB301",
        name="select-star",
        item=Item.NO_SELECT_STAR,
        promise="Queries name the columns that they read.",
        why="A new column makes every old query slower, and a removed one breaks it by surprise.",
        how=(
            "SQL in .sql files, in migrations and in strings, parsed by sqlglot. count(*), EXISTS"
            " (SELECT * …) and a star over a subquery or CTE with named columns pass; RETURNING *"
            " warns."
        ),
        mistakes="SQL that is put together from several strings is seen in parts.",
        mend="Write the columns out.",
        sources=("the article's checklist, item 4",),
        check=select_star,
    ),
    Rule(
        code="RB302",
        name="table-without-audit-columns",
        item=Item.AUDITED_TABLES,
        promise="Every table has created_at, updated_at, deleted_at and deleted_by.",
        why="Users delete by accident, compliance asks who did it, support restores.",
        how=(
            "SQLAlchemy and SQLModel classes with what their bases bring; for tables without a class,"
            " Alembic's operations and CREATE TABLE."
        ),
        mistakes="Columns under other names (created, modified_on) are not recognised.",
        mend="Inherit them from one base. For a table that is no record of business, a waiver.",
        sources=("the article: “Soft deletes everywhere. No exceptions.”",),
        check=table_without_audit_columns,
    ),
    Rule(
        code="RB303",
        name="hard-delete",
        item=Item.AUDITED_TABLES,
        promise="The service never removes a row: it sets deleted_at.",
        why="“I've never regretted a soft delete. I've regretted hard deletes six times.”",
        how=(
            "session.delete(…), delete(Model), query.delete(), DELETE FROM and TRUNCATE outside of"
            " migrations. HTTP's DELETE, caches and files are told apart by what is imported."
        ),
        mistakes="A purge that removes what was soft deleted long ago is right, and needs a waiver.",
        mend="UPDATE … SET deleted_at = now(), and filter on deleted_at IS NULL.",
        sources=("the article: “Soft deletes everywhere. No exceptions.”",),
        check=hard_delete,
    ),
    PUBLIC_INTEGER_ID,
    POOL_EXCEEDS_DATABASE,
)
