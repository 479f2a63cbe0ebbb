"""The rules of every route: what the OpenAPI document promises, and who may call."""

import re
from uuid import uuid4

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.testclient import TestClient

from .catalog import refuse
from .document import Operation, Schema, fields, kinds

VERSIONED = re.compile(r"/api/v[1-9][0-9]*/.")
OUTSIDE = {"/livez", "/readyz", "/docs", "/docs/oauth2-redirect", "/openapi.json"}
LARGEST_PAGE = 1_000
REPEATABLE_BY = {"POST": ["Idempotency-Key"], "PATCH": ["Idempotency-Key", "If-Match"]}

DOCUMENT = "name them: responses=documented('not-found', …) (kit/framework.py) on the route"


@pytest.mark.rule("unversioned-route")
def test_every_route_names_its_version(app: FastAPI) -> None:
    paths = {str(route.path) for route in iter_route_contexts(app.routes)}
    broken = [path for path in sorted(paths - OUTSIDE) if not VERSIONED.match(path)]
    refuse(broken, "serve it from a module's routes.py, which stands under /api/v1")


def test_every_route_is_documented(app: FastAPI, operations: list[Operation]) -> None:
    shown = {operation.path for operation in operations} | OUTSIDE
    paths = {str(route.path) for route in iter_route_contexts(app.routes)}
    refuse(sorted(paths - shown), "leave include_in_schema as it is: clients read the document")


@pytest.mark.rule("public-integer-id")
def test_no_integer_id_leaves_or_enters(operations: list[Operation]) -> None:
    def is_number(schema: Schema) -> bool:
        return bool({"integer", "number"} & (kinds(schema) | kinds(schema.get("items", {}))))

    broken = {
        f"{operation}: {name} is a number"
        for operation in operations
        for name, schema in (*fields(operation.spec), *operation.parameters.items())
        if re.search(r"(^|_|-)ids?$", name, re.IGNORECASE) and is_number(schema)
    }
    refuse(sorted(broken), "name things by their public_id, a UUID")


@pytest.mark.rule("unbounded-list-response")
def test_every_list_is_bounded(operations: list[Operation]) -> None:
    broken = []
    for operation in operations:
        broken += [
            f"{operation}: the array {name} has no maxItems"
            for name, schema in _arrays(operation)
            if "maxItems" not in schema
        ]
        if operation.is_list:
            largest = operation.parameters.get("limit", {}).get("maximum")
            if largest is None or largest > LARGEST_PAGE:
                broken.append(f"{operation}: has no limit parameter of at most {LARGEST_PAGE}")
            if "cursor" not in operation.parameters:
                broken.append(f"{operation}: has no cursor parameter")
    refuse(broken, "answer PageOf[…] and take Paging; another array needs Field(max_length=…)")


def test_every_operation_documents_its_problems(operations: list[Operation]) -> None:
    broken = []
    for operation in operations:
        missing = _expected(operation) - operation.problems
        if missing:
            listed = ", ".join(map(str, sorted(missing)))
            broken.append(f"{operation}: does not document {listed} as application/problem+json")
    refuse(broken, DOCUMENT)


def test_every_operation_is_closed_or_says_why_not(
    operations: list[Operation], service: TestClient
) -> None:
    broken = []
    for operation in operations:
        url = re.sub(r"{[^}]*}", str(uuid4()), operation.path)
        status = service.request(operation.method, url).status_code
        if status != 401 and not getattr(operation.endpoint, "open_because", ""):
            broken.append(f"{operation}: answers {status} to a caller without a key")
    refuse(
        broken,
        "serve it from a module's routes.py, which is closed; one that is meant to be open takes"
        " @open_to_everybody('the reason') (kit/dependencies.py)",
    )


def test_every_operation_has_a_limit_for_each_caller(
    operations: list[Operation], client: TestClient
) -> None:
    broken = []
    policies: dict[str, object] = {}
    for operation in operations:
        url = re.sub(r"{[^}]*}", str(uuid4()), operation.path)
        said = client.request(operation.method, url, json={}).headers.get("RateLimit-Policy")
        if said is None or said.startswith('"address"'):
            broken.append(f"{operation}: is limited by {said or 'nothing'}")
        policy, _ = getattr(operation.endpoint, "rate_limit", (None, 1))
        if policy is not None and policies.setdefault(policy.name, policy) != policy:
            broken.append(f"{operation}: another policy is called {policy.name} as well")
    refuse(
        broken,
        "serve it from a module's routes.py; a limit of its own is @limited_by(RateLimitPolicy(…))"
        " (kit/rate_limit), one object for all routes that share it",
    )


@pytest.mark.rule("mutation-not-idempotent")
def test_every_write_can_be_repeated_or_says_why(operations: list[Operation]) -> None:
    """PUT and DELETE can by what they are."""
    broken = [
        f"{operation}: takes no {header}"
        for operation in operations
        if not operation.spec.get("x-idempotency")
        for header in REPEATABLE_BY.get(operation.method, ())
        if header not in operation.parameters
    ]
    refuse(
        broken,
        "take IDEMPOTENT in a POST and Precondition in a PATCH (kit/dependencies.py); one that can"
        " be repeated anyway takes openapi_extra=idempotent_by_nature('the reason')",
    )


def _expected(operation: Operation) -> set[int]:
    """The problems that an operation can answer by what it is."""
    expected = {401, 403, 406, 422, 429, 500, 503}
    if "{" in operation.path:
        expected |= {404}
    if operation.body is not None:
        expected |= {400, 409, 413, 415}
    if "Idempotency-Key" in operation.parameters:
        expected |= {400, 409}
    if operation.method == "PATCH":
        expected |= {412, 428}
    if operation.is_list:
        expected |= {400}
    if getattr(operation.endpoint, "open_because", ""):
        expected -= {401, 403}
    return expected


def _arrays(operation: Operation) -> list[tuple[str, Schema]]:
    """The arrays of its answers, with their names."""
    found = []
    for answer in operation.answers.values():
        for name, schema in (("itself", answer), *fields(answer)):
            choices = [schema, *schema.get("anyOf", [])]
            found += [(name, choice) for choice in choices if choice.get("type") == "array"]
    return found
