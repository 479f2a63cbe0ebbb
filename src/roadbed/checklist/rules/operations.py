"""RB103 and RB104: operations may be repeated, and say their version."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadbed.checklist.evidence import failed, irrelevant, passed, unknown
from roadbed.checklist.rule import Item, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadbed.checklist.evidence import Evidence
    from roadbed.checklist.service import Service

FRAMEWORKS = {"fastapi", "flask", "starlette", "litestar", "quart", "sanic", "aiohttp", "falcon"}
_VERSION = re.compile(r"^v\d+(?:[._-]?\d+|(?:alpha|beta)\d+)*$", re.IGNORECASE)
_OPERATIONAL = re.compile(
    r"^/?(?:$|api/?$|(?:api/)?(?:health\w*|live\w*|ready\w*|metrics|docs|redoc|openapi(?:\.json|\.yaml)?|"
    r"version|ping|status|favicon\.ico|robots\.txt|static|\.well-known|schema)(?:/|$))",
    re.IGNORECASE,
)


def no_document(service: Service) -> Evidence:
    """What to say when the contract is nowhere to be read."""
    if not service.imported & FRAMEWORKS:
        return irrelevant("No web framework is imported")
    return unknown(
        "There is no OpenAPI document to read the operations from: commit one as openapi/v1.json,"
        " or name the application with --import-app"
    )


# RB103 ----------------------------------------------------------------------------------------


def mutation_not_idempotent(service: Service) -> Iterator[Evidence]:
    """A POST or PATCH that is sent twice happens once."""
    if not service.documents:
        yield no_document(service)
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
        yield no_document(service)
    elif not business:
        yield irrelevant(
            "No operation is about the business",
            service.documents[0] if service.documents else None,
        )


def _has_routers(service: Service) -> bool:
    """Whether routes hang on routers, whose including prefix only the running service knows."""
    return any(not route.whole for facts in service.code for route in facts.routes)


RULES = (
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
