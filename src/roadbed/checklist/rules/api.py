"""RB1: what the API promises its callers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadbed.checklist.evidence import failed, irrelevant, passed, unknown, warned
from roadbed.checklist.facts.routes import integer_parameters
from roadbed.checklist.rule import Item, Rule
from roadbed.checklist.service import MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadbed.checklist.evidence import Evidence
    from roadbed.checklist.facts.openapi import Operation
    from roadbed.checklist.facts.routes import Route
    from roadbed.checklist.service import Service

_DEEPEST = 4  # objects in objects
LONGEST = 1_000  # rows of a page; a limit beyond that limits nothing

_LIMITS = {
    "limit", "page_size", "per_page", "size", "count", "first", "top", "max_results", "maxresults",
    "pagesize", "perpage", "take", "page[size]", "page_limit", "num", "rows",
}  # fmt: skip
_ENVELOPES = {"items", "data", "results", "entries", "records", "rows", "content"}
_OFFSETS = {"offset", "page", "page_number", "page_num", "pagenumber", "skip", "start_index"}
_PLAIN_VALUES = re.compile(r"\[(str|int|float|bool|dict|Any)\b")
_FRAMEWORKS = {"fastapi", "flask", "starlette", "litestar", "quart", "sanic", "aiohttp", "falcon"}
_VERSION = re.compile(r"^v\d+(?:[._-]?\d+|(?:alpha|beta)\d+)*$", re.IGNORECASE)
_OPERATIONAL = re.compile(
    r"^/?(?:$|api/?$|(?:api/)?(?:health\w*|live\w*|ready\w*|metrics|docs|redoc|openapi(?:\.json|\.yaml)?|"
    r"version|ping|status|favicon\.ico|robots\.txt|static|\.well-known|schema)(?:/|$))",
    re.IGNORECASE,
)


def _no_document(service: Service) -> Evidence:
    """What to say when the contract is nowhere to be read."""
    if not service.imported & _FRAMEWORKS:
        return irrelevant("No web framework is imported")
    return unknown(
        "There is no OpenAPI document to read the operations from: commit one as openapi/v1.json,"
        " or name the application with --import-app"
    )


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
        if isinstance(each.get("maximum"), int | float):
            return int(each["maximum"])
        if (
            isinstance(each.get("exclusiveMaximum"), int | float)
            and each["exclusiveMaximum"] is not True
        ):
            return int(each["exclusiveMaximum"]) - 1
        if isinstance(each.get("enum"), list) and all(isinstance(one, int) for one in each["enum"]):
            return max(each["enum"], default=None)
    return None


def _lists_of_routes(service: Service) -> Iterator[Evidence]:
    """Without a document: FastAPI routes that answer a bare list."""
    routes = [route for facts in service.code for route in facts.routes]
    lists = [each for each in routes if each.framework == "fastapi" and each.many]
    found = [_list_of_route(each) for each in lists if each.method == "GET"]
    yield from found
    if not found or any(route.framework == "flask" for route in routes):
        yield _no_document(service)


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
    elif service.code and not service.imported & _FRAMEWORKS and not service.sql:
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


# RB103 ----------------------------------------------------------------------------------------


def mutation_not_idempotent(service: Service) -> Iterator[Evidence]:
    """A POST or PATCH that is sent twice happens once."""
    if not service.documents:
        yield _no_document(service)
        return
    tested = _replay(service)
    mutations = [each for each in service.operations if each.method in {"POST", "PATCH"}]
    for operation in mutations:
        subject = str(operation)
        reason = operation.spec.get("x-idempotency")
        said = reason.get("reason") if isinstance(reason, dict) else reason
        key = operation.header("Idempotency-Key") or operation.header("X-Idempotency-Key")
        if key is not None:
            yield passed(
                f"{subject} declares Idempotency-Key; {tested}", operation, subject=subject
            )
        elif isinstance(said, str) and said.strip():
            yield passed(f"{subject} needs no key: {said.strip()}", operation, subject=subject)
        elif "x-idempotency" in operation.spec:
            yield failed(
                f"{subject} has an x-idempotency without a reason", operation, subject=subject
            )
        elif operation.method == "PATCH" and (operation.header("If-Match") or {}).get("required"):
            yield passed(
                f"{subject} requires If-Match: a second one is refused", operation, subject=subject
            )
        else:
            yield failed(
                f"{subject} happens twice when it is sent twice: no Idempotency-Key",
                operation,
                subject=subject,
            )
    if not mutations:
        yield irrelevant("No operation is a POST or a PATCH", service.documents[0])


def _replay(service: Service) -> str:
    """Whether a test sends the header, and where."""
    tests = [path for path in service.tree.matching(".py") if re.search(r"(^|/)tests?(/|_)", path)]
    for path in tests:
        place = service.tree.text(path).lower().find("idempotency-key")
        if place >= 0:
            line = service.tree.text(path).count("\n", 0, place) + 1
            return f"a test sends it ({path}:{line})"
    return "declared only: no test sends it"


# RB104 ----------------------------------------------------------------------------------------


def unversioned_route(service: Service) -> Iterator[Evidence]:
    """Every business path says its version."""
    named = [(each.address, str(each), each) for each in service.operations]
    if not service.documents:
        routes = [
            route
            for facts in service.code
            for route in facts.routes
            if route.whole and not route.page
        ]
        named = [(each.address, str(each), each) for each in routes]  # type: ignore[misc] # both are located
    business = [each for each in named if not _OPERATIONAL.match(each[0])]
    for address, subject, at in business:
        if not any(_VERSION.match(part) for part in address.split("/")):
            yield failed(
                f"{subject} has no version in its path: /api/v1{address}", at, subject=subject
            )
    versioned = [
        each for each in business if any(_VERSION.match(part) for part in each[0].split("/"))
    ]
    if versioned and service.documents:
        yield passed(f"{len(versioned)} operations have their version in the path", versioned[0][2])
    if not service.documents and (not business or _has_routers(service)):
        yield _no_document(service)
    elif not business:
        yield irrelevant(
            "No operation is about the business",
            service.documents[0] if service.documents else None,
        )


def _has_routers(service: Service) -> bool:
    """Whether routes hang on routers, whose including prefix only the running service knows."""
    return any(not route.whole for facts in service.code for route in facts.routes)


# RB304, which reads the same documents ------------------------------------------------------------


def public_integer_id(service: Service) -> Iterator[Evidence]:
    """No sequence of the database is shown to clients."""
    found = False
    for subject, message, at in [*_integer_paths(service), *_integer_fields(service)]:
        found = True
        yield failed(message, at, subject=subject)
    if found:
        return
    if service.documents:
        yield passed(
            f"No integer names a row in {len(service.operations)} operations", service.documents[0]
        )
    else:
        yield _no_document(service)


def _integer_paths(service: Service) -> Iterator[tuple[str, str, Operation | Route]]:
    for operation in service.operations:
        for each in operation.parameters:
            name = str(each.get("name"))
            if (
                each.get("in") == "path"
                and _is_id(name)
                and operation.document.is_integer(each.get("schema"))
            ):
                yield (
                    f"{operation} {name}",
                    f"{operation} takes an integer as `{name}`: rows can be counted and guessed",
                    operation,
                )
    told = set()
    if not service.documents:
        for route in (route for facts in service.code for route in facts.routes):
            for name in integer_parameters(route):
                if _is_id(name) and (route.path, route.line, name) not in told:
                    told.add((route.path, route.line, name))
                    yield (
                        f"{route} {name}",
                        f"{route} takes an integer as `{name}`: rows can be counted and guessed",
                        route,
                    )


def _integer_fields(service: Service) -> Iterator[tuple[str, str, Operation]]:
    """Fields of answers, each once: `id`, or the id of something that the document names."""
    told: set[tuple[str, str]] = set()
    for operation in service.operations:
        nouns = _nouns(operation)
        for schema in operation.answers():
            for owner, name, field in _answered_fields(operation, schema):
                noun = name.lower().removesuffix("_id").removesuffix("id").replace("_", "")
                ours = name.lower() == "id" or (_is_id(name) and noun in nouns)
                if ours and (owner, name) not in told and operation.document.is_integer(field):
                    told.add((owner, name))
                    shown = f"{owner}.{name}" if owner else name
                    yield (
                        shown,
                        f"{operation} answers the integer `{shown}`: rows can be counted and guessed",
                        operation,
                    )


def _answered_fields(
    operation: Operation, schema: object, depth: int = 0
) -> Iterator[tuple[str, str, object]]:
    document = operation.document
    for each in document.ways(schema):
        if isinstance(each.get("items"), dict) and depth < _DEEPEST:
            yield from _answered_fields(operation, each["items"], depth + 1)
    owner = _title(schema)
    for name, field in document.fields(schema).items():
        yield owner, name, field
        if depth < _DEEPEST and (document.is_array(field) or document.fields(field)):
            yield from _answered_fields(operation, field, depth + 1)


def _title(schema: object) -> str:
    reference = schema.get("$ref", "") if isinstance(schema, dict) else ""
    return str(reference).rpartition("/")[2]


def _nouns(operation: Operation) -> set[str]:
    """What the document has collections of, in the singular or nearly so."""
    known: set[str] = getattr(operation.document, "_nouns", set())
    if not known:
        for path in operation.document.content.get("paths", {}):
            for part in str(path).lower().replace("-", "").replace("_", "").split("/"):
                if part and "{" not in part:
                    known |= {
                        part,
                        part.removesuffix("s"),
                        part.removesuffix("es"),
                        re.sub("ies$", "y", part),
                    }
        operation.document._nouns = known  # type: ignore[attr-defined]  # noqa: SLF001 - kept beside it
    return known


def _is_id(name: str) -> bool:
    return bool(re.search(r"(^|_)id$|[a-z]Id$|^pk$", name))


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
    Rule(
        code="RB103",
        name="mutation-not-idempotent",
        item=Item.IDEMPOTENCY,
        promise="Every POST and PATCH may be sent twice and happens once.",
        why="Networks repeat requests. Without a key, a retry charges twice.",
        how=(
            "The OpenAPI document: the header Idempotency-Key, a required If-Match (PATCH), or"
            " x-idempotency with the reason why none is needed. PUT and DELETE are idempotent by"
            " RFC 9110. Whether a test replays a key is in the evidence."
        ),
        mistakes="A declared header that nothing reads passes: only a replay proves it.",
        mend="Store the key with the first answer in the same transaction; say x-idempotency where"
        " twice is once anyway (a search, a login).",
        sources=(
            "the article: “Make every endpoint idempotent with idempotency keys”",
            "draft-ietf-httpapi-idempotency-key-header",
        ),
        check=mutation_not_idempotent,
    ),
    Rule(
        code="RB104",
        name="unversioned-route",
        item=Item.VERSIONS,
        promise="Every business path has its version in it: /api/v1/….",
        why="Headers are stripped by proxies; a URL is in every log, dashboard and error message.",
        how=(
            "The OpenAPI document's paths, with the server's own path before them. Health, metrics"
            " and documentation need no version. Without a document: routes of the application"
            " itself, whose whole path stands in the code."
        ),
        mistakes="Web pages among the routes are told like an API's paths.",
        mend="Include the routers under /api/v1.",
        sources=("the article: “Version at the URL, not the header”",),
        check=unversioned_route,
    ),
)

PUBLIC_INTEGER_ID = Rule(
    code="RB304",
    name="public-integer-id",
    item=Item.AUDITED_TABLES,
    promise="Outside the service rows are named by UUIDs, never by the database's integers.",
    why="Integers can be counted and guessed; UUIDs can't, and a client may choose one offline.",
    how=(
        "The OpenAPI document: integer path parameters and answered fields called id, or <noun>_id of"
        " something that the document has. Without a document: integers in FastAPI's and Flask's"
        " paths."
    ),
    mistakes="An integer that names something outside the database, such as a chat of a bot.",
    mend="Give the table a public_id of type uuid, and show nothing else.",
    sources=("the article: “UUIDs for public IDs, integers for joins”",),
    check=public_integer_id,
)
