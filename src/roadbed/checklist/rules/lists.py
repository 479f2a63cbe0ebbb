"""RB101 and RB102: lists, their ends and their pages."""

from __future__ import annotations

import re
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeGuard

from roadbed.checklist.evidence import failed, irrelevant, passed, unknown, warned
from roadbed.checklist.rule import Item, Rule
from roadbed.checklist.rules.operations import FRAMEWORKS, no_document
from roadbed.checklist.service import MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadbed.checklist.evidence import Evidence
    from roadbed.checklist.facts.openapi import Operation
    from roadbed.checklist.facts.routes import Route
    from roadbed.checklist.service import Service

LONGEST = 1_000  # rows of a page; a limit beyond that limits nothing

_LIMITS = {
    "limit", "page_size", "per_page", "size", "count", "first", "top", "max_results", "maxresults",
    "pagesize", "perpage", "take", "page[size]", "page_limit", "num", "rows",
}  # fmt: skip
_ENVELOPES = {"items", "data", "results", "entries", "records", "rows", "content"}
_OFFSETS = {"offset", "page", "page_number", "page_num", "pagenumber", "skip", "start_index"}
_PLAIN_VALUES = re.compile(r"\[(str|int|float|bool|dict|Any)\b")

# RB101 ----------------------------------------------------------------------------------------


def unbounded_list_response(service: Service) -> Iterator[Evidence]:
    """Each list that an operation answers has an end."""
    for operation in service.operations:
        yield from _list_of(operation)
    if not service.documents:
        yield from _lists_of_routes(service)


def _list_of(operation: Operation) -> Iterator[Evidence]:
    arrays = [each for schema in operation.answers() for each in _arrays(operation, schema)]
    if not arrays or (operation.method != "GET" and operation.takes_array()):
        return
    subject = str(operation)
    longest = {where: operation.document.longest(schema) for where, schema in arrays}
    limits = {
        name: _largest(operation, schema)
        for name, schema in operation.query().items()
        if name.lower() in _LIMITS
    }
    ends = [most for most in limits.values() if most is not None and most <= LONGEST]
    open_ = [where for where, most in longest.items() if most is None or most > LONGEST]
    if not open_:
        rows = max(each or 0 for each in longest.values())
        yield passed(f"{subject} answers at most {rows} rows", operation, subject=subject)
    elif ends:
        yield passed(f"{subject} answers at most {min(ends)} rows", operation, subject=subject)
    else:
        how = "no maxItems, no limit"
        for name, limit in limits.items():
            how = f"its `{name}` " + ("has no maximum" if limit is None else f"may be {limit}")
        message = f"{subject} answers {open_[0]} of any length: {how}"
        yield failed(message, operation, subject=subject)


def _arrays(operation: Operation, schema: object) -> Iterator[tuple[str, object]]:
    document = operation.document
    if document.is_array(schema):
        yield "an array", schema
    for name, field in document.fields(schema).items():
        if name in _ENVELOPES and document.is_array(field):
            yield f"`{name}`", field


def _largest(operation: Operation, schema: object) -> int | None:
    """The largest value that a limit may have."""
    for each in operation.document.ways(schema):
        most, below, enum = each.get("maximum"), each.get("exclusiveMaximum"), each.get("enum")
        if _is_number(most):
            return int(most)
        if _is_number(below):
            return int(below) - 1
        if isinstance(enum, list) and enum and all(map(_is_number, enum)):
            return int(max(enum))
    return None


def _is_number(value: Any) -> TypeGuard[float]:
    return type(value) in {int, float} and isfinite(value)


def _lists_of_routes(service: Service) -> Iterator[Evidence]:
    """Without a document: FastAPI routes that answer a bare list."""
    routes = [route for facts in service.code for route in facts.routes]
    lists = [each for each in routes if each.framework == "fastapi" and each.many]
    found = [_list_of_route(each) for each in lists if each.method == "GET"]
    yield from found
    if not found or any(route.framework == "flask" for route in routes):
        yield no_document(service)


def _list_of_route(route: Route) -> Evidence:
    subject = str(route)
    limits = [each for each in route.parameters if each.name.lower() in _LIMITS]
    end = next((each.maximum for each in limits if each.maximum is not None), route.bound)
    if end is not None and end <= LONGEST:
        return passed(f"{route} answers at most {end} rows", route, subject=subject)
    named = bool(limits) and all(_is_shared(each.kind) for each in limits)
    if named or (route.paged and not limits):
        where = "the type of its limit" if named else "a dependency"
        return unknown(f"{route} answers a list: {where} may bound it", route, subject=subject)
    if not limits and _PLAIN_VALUES.search(route.answers):
        why = "a fixed list has an end that no code shows"
        return unknown(f"{route} answers {route.answers}: {why}", route, subject=subject)
    how = f"its `{limits[0].name}` has no maximum" if limits else "it takes no limit"
    message = f"{route} answers {route.answers} of any length: {how}"
    return failed(message, route, subject=subject)


def _is_shared(kind: str) -> bool:
    return (
        kind.replace("| None", "").strip() not in {"", "int", "Optional[int]"}
        and "Query" not in kind
    )


# RB102 ----------------------------------------------------------------------------------------

_SQL_OFFSET = re.compile(r"(?<!\[)\bOFFSET\s+(?!0\b)[:$%?\w{(_]", re.IGNORECASE)


def offset_pagination(service: Service) -> Iterator[Evidence]:
    """No list is paged by counting rows from its beginning."""
    found = False
    for facts in service.code:
        for query in facts.queries:
            if query.step == "offset":
                found = True
                yield failed(
                    f"{query.spelled} reads and throws away every row before the page",
                    query,
                    subject=query.spelled,
                )
    for piece in service.sql:
        offset = None if MIGRATIONS.search(piece.path) else _SQL_OFFSET.search(piece.bare)
        if offset and re.search(r"\bFROM\b", piece.bare, re.IGNORECASE):
            found = True
            yield failed(
                "OFFSET reads and throws away every row before the page",
                piece.at(offset.start()),
                subject="OFFSET",
            )
    paged = [*_pages_of_operations(service), *_pages_of_routes(service)]
    yield from paged
    if found or paged:
        return
    lists = len(service.operations)
    if lists:
        yield passed(f"None of {lists} operations counts rows or pages", service.documents[0])
    elif service.code and not service.imported & FRAMEWORKS and not service.sql:
        yield irrelevant("No query and no web framework is here")
    else:
        yield passed(
            f"No OFFSET in {len(service.code)} Python files and {len(service.sql)} pieces of SQL"
        )


def _pages_of_operations(service: Service) -> Iterator[Evidence]:
    for operation in service.operations:
        for name, schema in operation.query().items():
            if (
                operation.method == "GET"
                and name.lower() in _OFFSETS
                and operation.document.is_integer(schema)
            ):
                yield failed(
                    f"{operation} takes `{name}`: a page that is found by counting",
                    operation,
                    subject=f"{operation} {name}",
                )


def _pages_of_routes(service: Service) -> Iterator[Evidence]:
    """Without a document. What a function does with its number is not followed: a warning."""
    if service.documents:
        return
    for route in (route for facts in service.code for route in facts.routes):
        for each in route.parameters:
            counts = re.search(r"\bint\b", each.kind) and f"{{{each.name}" not in route.address
            if route.method == "GET" and each.name.lower() in _OFFSETS and counts:
                message = f"{route} takes `{each.name}`: is that a page that is found by counting?"
                yield warned(message, route, subject=f"{route} {each.name}")


RULES = (
    Rule(
        code="RB101",
        name="unbounded-list-response",
        item=Item.BOUNDED_LISTS,
        promise="Every list in an answer has an end: maxItems, or a limit of at most 1,000.",
        why="A list without an end works until the table is large, then takes the service down.",
        how=(
            "The OpenAPI document: each answer that is an array, or holds one as items, data,"
            " results, entries, records, rows or content. Without a document: FastAPI routes that"
            " answer list[…], unless their body names a limit; of plain values it is unknown."
        ),
        mistakes=(
            "A short fixed list (currencies) has no limit: give its schema maxItems. Without a"
            " document, a limit that is cut down further inside is not seen."
        ),
        mend="Take a `limit` with `le=100`, or give the array `max_length`.",
        sources=("the article's checklist, item 1", "Zalando RESTful API guidelines, rule 159"),
        check=unbounded_list_response,
    ),
    Rule(
        code="RB102",
        name="offset-pagination",
        item=Item.CURSORS,
        promise="Lists are paged by a cursor; nothing counts rows from the beginning.",
        why="OFFSET reads and discards: at 1 million rows a page took 373 ms, by keyset 0.6 ms.",
        how=(
            "Python: `.offset(…)` and `.paginate(…)` of a query; SQL: OFFSET; the API: integer query"
            " parameters called offset, page or skip. Without a document such a parameter only warns."
        ),
        mistakes="A page number that is handed on to somebody else's API.",
        mend="WHERE (created_at, id) > (…) ORDER BY created_at, id LIMIT n, and an opaque cursor.",
        sources=("the article: “The cursor pagination rule”",),
        check=offset_pagination,
    ),
)
