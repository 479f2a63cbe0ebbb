"""RB1 and RB304: what the API promises, in documents and, without one, in routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from checked import answering, ask, lines, openapi, state

from roadbed.checklist.evidence import State

if TYPE_CHECKING:
    from pathlib import Path

LIST = {"type": "array", "items": {"type": "string"}}
ENVELOPE = {"type": "object", "properties": {"items": LIST, "next": {"type": "string"}}}


def query(name: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": {"type": "integer", **schema}}


def header(name: str, *, required: bool = True) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": required, "schema": {"type": "string"}}


def get(**operation: Any) -> dict[str, str]:
    return {"openapi/v1.json": openapi({"/api/v1/things": {"get": operation}})}


UNBOUNDED = {
    "an array": answering(LIST),
    "an envelope": answering(ENVELOPE),
    "a limit without a maximum": answering(ENVELOPE, parameters=[query("limit", default=20)]),
    "a maximum that is none": answering(LIST, parameters=[query("limit", maximum=2147483647)]),
    "a maxItems that is none": answering(LIST | {"maxItems": 1_000_000}),
    "an endless maximum": answering(LIST, parameters=[query("limit", maximum=float("inf"))]),
    "a maximum that is no number": answering(LIST, parameters=[query("limit", maximum=True)]),
    "an array or nothing": answering({"anyOf": [LIST, {"type": "null"}]}),
    "parts": answering({"allOf": [ENVELOPE, {"type": "object"}]}),
    "a cursor alone": answering(ENVELOPE, parameters=[query("cursor")]),
}
BOUNDED = {
    "maxItems": answering(LIST | {"maxItems": 100}),
    "a limit with a maximum": answering(ENVELOPE, parameters=[query("limit", maximum=100)]),
    "an exclusive maximum": answering(LIST, parameters=[query("limit", exclusiveMaximum=1001)]),
    "a choice of sizes": answering(LIST, parameters=[query("per_page", enum=[10, 50])]),
    "one thing with an array in it": answering(
        {"type": "object", "properties": {"tags": LIST, "id": {"type": "string"}}}
    ),
    "an array under another media type": {
        "responses": {"200": {"content": {"text/csv": {"schema": LIST}}}}
    },
    "a problem that lists": {
        "responses": {"422": {"content": {"application/json": {"schema": LIST}}}}
    },
}


@pytest.mark.parametrize("case", UNBOUNDED)
def test_lists_without_an_end(tmp_path: Path, case: str) -> None:
    result = ask(tmp_path, get(**UNBOUNDED[case]), "unbounded-list-response")
    assert lines(result) == ["openapi/v1.json:6"]
    assert result.of(State.FAIL)[0].subject == "GET /api/v1/things"


@pytest.mark.parametrize("case", BOUNDED)
def test_lists_with_an_end(tmp_path: Path, case: str) -> None:
    result = ask(tmp_path, get(**BOUNDED[case]), "unbounded-list-response")
    assert result.state in {State.PASS, State.NA}


def test_references_are_followed_and_circles_end(tmp_path: Path) -> None:
    schemas = {
        "Page": {"type": "object", "properties": {"items": {"$ref": "#/components/schemas/List"}}},
        "List": {"type": "array", "items": {"$ref": "#/components/schemas/Page"}},
        "Loop": {"$ref": "#/components/schemas/Loop"},
    }
    paths = {
        "/api/v1/pages": {"get": answering({"$ref": "#/components/schemas/Page"})},
        "/api/v1/loops": {"get": answering({"$ref": "#/components/schemas/Loop"})},
        "/api/v1/holes": {"get": answering({"$ref": "#/components/schemas/None"})},
    }
    document = openapi(paths, components={"schemas": schemas})
    result = ask(tmp_path, {"openapi.json": document}, "RB101")
    assert [each.subject for each in result.of(State.FAIL)] == ["GET /api/v1/pages"]


def test_what_echoes_an_array_is_as_long_as_what_came(tmp_path: Path) -> None:
    body = {"content": {"application/json": {"schema": LIST}}}
    paths = {"/api/v1/bulk": {"post": answering(LIST, requestBody=body)}}
    assert state(tmp_path, {"openapi.yaml": openapi(paths)}, "RB101") is State.NA


FASTAPI = """
    from typing import Annotated
    from fastapi import APIRouter, Depends, FastAPI, Query
    app = FastAPI()
    router = APIRouter(prefix="/things")
"""


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ("@router.get('')\n    def f() -> list[Thing]: ...", State.FAIL),
        ("@router.get('', response_model=list[Thing])\n    async def f(): ...", State.FAIL),
        ("@router.get('')\n    def f(limit: int = 10) -> list[Thing]: ...", State.FAIL),
        (
            "@router.get('')\n    def f(limit: int = Query(10, le=100)) -> list[Thing]: ...",
            State.PASS,
        ),
        (
            "@router.get('')\n    def f(limit: Annotated[int, Query(lt=101)] = 9) -> list[Thing]: ...",
            State.PASS,
        ),
        ("@router.get('')\n    def f(page: P = Depends(pages)) -> list[Thing]: ...", State.UNKNOWN),
        ("@router.get('/{x}')\n    def f(x: str) -> dict[str, str]: ...", State.UNKNOWN),
        ("@router.get('')\n    def f() -> list[str]: ...", State.UNKNOWN),
        ("@router.get('')\n    def f() -> list[Thing]: return rows(count=10)", State.PASS),
        ("@router.get('')\n    def f() -> list[Thing]: return rows[:10]", State.PASS),
        ("@router.get('')\n    def f() -> list[Thing]: return q.limit(10).all()", State.PASS),
        ("@router.get('')\n    def f() -> list[Thing]: return q.limit(5000).all()", State.FAIL),
    ],
)
def test_without_a_document_routes_are_read(tmp_path: Path, route: str, expected: State) -> None:
    assert state(tmp_path, {"app.py": FASTAPI + f"    {route}\n"}, "RB101") is expected


# RB102 ----------------------------------------------------------------------------------------

COUNTING = {
    "a query": "from sqlalchemy import select\nq = select(T).limit(9).offset(page * 9)\n",
    "a query over lines": "from sqlalchemy import select\nq = (\n    select(T)\n    .offset(n)\n)\n",
    "SQL": "q = 'SELECT id FROM t ORDER BY id LIMIT 10 OFFSET %s'\n",
    "filled in": "q = f'SELECT id FROM t LIMIT {a} OFFSET {b}'\n",
    "Flask": "from app import db\nq = db.paginate(db.select(T))\n",
}
NOT_COUNTING = {
    "an offset of time": "from datetime import tzinfo\nd = tz.utcoffset(x)\ne = moment.offset(3)\n",
    "a fence": "q = 'SELECT id FROM (SELECT id FROM t OFFSET 0) s'\n",
    "an array's place": "q = 'SELECT a[OFFSET(1)] FROM t'\n",
    "zero": "from sqlalchemy import select\nq = select(T).offset(0)\n",
    "prose": "text = 'The offset 10 is counted from the start'\n",
    "a paginator of boto3": "import boto3\np = s3.get_paginator('x').paginate(Bucket='b')\n",
    "a comment": "q = 'SELECT id FROM t -- no OFFSET 10 here'\n",
}


@pytest.mark.parametrize("case", COUNTING)
def test_pages_that_are_counted(tmp_path: Path, case: str) -> None:
    assert state(tmp_path, {"src/app/q.py": COUNTING[case]}, "offset-pagination") is State.FAIL


@pytest.mark.parametrize("case", NOT_COUNTING)
def test_offsets_that_count_nothing(tmp_path: Path, case: str) -> None:
    assert state(tmp_path, {"src/app/q.py": NOT_COUNTING[case]}, "RB102") is not State.FAIL


def test_the_line_is_that_of_the_step(tmp_path: Path) -> None:
    result = ask(tmp_path, {"q.py": COUNTING["a query over lines"]}, "RB102")
    assert lines(result) == ["q.py:4"]


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        (query("offset"), State.FAIL),
        (query("page", minimum=1), State.FAIL),
        (query("skip"), State.FAIL),
        ({"name": "page", "in": "query", "schema": {"type": "string"}}, State.PASS),
        ({"name": "cursor", "in": "query", "schema": {"type": "integer"}}, State.PASS),
        ({"name": "page", "in": "header", "schema": {"type": "integer"}}, State.PASS),
    ],
)
def test_parameters_that_count(tmp_path: Path, parameter: dict[str, Any], expected: State) -> None:
    assert state(tmp_path, get(**answering(LIST, parameters=[parameter])), "RB102") is expected


def test_a_route_that_may_count(tmp_path: Path) -> None:
    route = "    @router.get('')\n    def f(skip: int = 0, page_token: str = ''): ...\n"
    result = ask(tmp_path, {"src/app/r.py": FASTAPI + route}, "RB102")
    assert [each.subject for each in result.of(State.WARN)] == ["GET /things skip"]


# RB103 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "operation", "expected"),
    [
        ("post", {}, State.FAIL),
        ("patch", {}, State.FAIL),
        ("post", {"x-idempotency": ""}, State.FAIL),
        ("post", {"x-idempotency": {"kind": "safe"}}, State.FAIL),
        ("post", {"parameters": [header("If-Match")]}, State.FAIL),
        ("patch", {"parameters": [header("If-Match", required=False)]}, State.FAIL),
        ("post", {"parameters": [header("idempotency-key")]}, State.PASS),
        ("patch", {"parameters": [header("If-Match")]}, State.PASS),
        ("post", {"x-idempotency": "a search changes nothing"}, State.PASS),
        ("post", {"x-idempotency": {"kind": "safe", "reason": "a search"}}, State.PASS),
        ("put", {}, State.NA),
        ("delete", {}, State.NA),
        ("get", {}, State.NA),
    ],
)
def test_mutations(tmp_path: Path, method: str, operation: dict[str, Any], expected: State) -> None:
    document = openapi({"/api/v1/things": {method: operation}})
    assert state(tmp_path, {"openapi.json": document}, "mutation-not-idempotent") is expected


def test_the_evidence_says_whether_a_test_replays(tmp_path: Path) -> None:
    paths = {"/api/v1/things": {"post": {"parameters": [header("Idempotency-Key")]}}}
    files = {"openapi/v1.json": openapi(paths)}
    declared = ask(tmp_path, files, "RB103").evidence[0].message
    assert declared.endswith("declared only: no test sends it")
    files["tests/test_things.py"] = "\nclient.post('/', headers={'Idempotency-Key': 'a'})\n"
    tested = ask(tmp_path, files, "RB103").evidence[0].message
    assert tested.endswith("a test sends it (tests/test_things.py:2)")


# RB104 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["/things", "/api/things", "/api/things/v1things", "/verify"])
def test_paths_without_a_version(tmp_path: Path, address: str) -> None:
    document = openapi({address: {"get": {}}})
    assert state(tmp_path, {"openapi.json": document}, "unversioned-route") is State.FAIL


@pytest.mark.parametrize(
    "address", ["/api/v1/things", "/v2/things", "/shop/v1beta1/things", "/api/v10/{id}"]
)
def test_paths_with_a_version(tmp_path: Path, address: str) -> None:
    document = openapi({address: {"get": {}}})
    assert state(tmp_path, {"openapi.json": document}, "RB104") is State.PASS


@pytest.mark.parametrize("address", ["/", "/healthz", "/livez", "/readyz", "/metrics", "/docs"])
def test_paths_that_need_none(tmp_path: Path, address: str) -> None:
    document = openapi({address: {"get": {}}})
    assert state(tmp_path, {"openapi.json": document}, "RB104") is State.NA


def test_the_servers_path_counts(tmp_path: Path) -> None:
    servers = [{"url": "https://api.acme.invalid/api/v1/"}]
    document = openapi({"/things": {"get": {}}}, servers=servers)
    assert state(tmp_path, {"openapi.json": document}, "RB104") is State.PASS


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "from flask import Flask\napp = Flask('x')\n@app.route('/things')\ndef f(): return '{}'\n",
            State.FAIL,
        ),
        (
            "from fastapi import FastAPI\napp = FastAPI()\n@app.post('/things')\ndef f(): ...\n",
            State.FAIL,
        ),
        (
            (
                "from flask import Flask\napp = Flask('x')\n@app.route('/things')\n"
                "def f(): return render_template('x')\n"
            ),
            State.UNKNOWN,
        ),
        (
            "from fastapi import APIRouter\nr = APIRouter()\n@r.get('/things')\ndef f(): ...\n",
            State.UNKNOWN,
        ),
        ("x = 1\n", State.NA),
    ],
)
def test_whole_paths_in_code(tmp_path: Path, source: str, expected: State) -> None:
    assert state(tmp_path, {"src/app/main.py": source}, "RB104") is expected


# RB304 ----------------------------------------------------------------------------------------

INTEGER = {"type": "integer"}
UUID = {"type": "string", "format": "uuid"}


def thing(**properties: Any) -> dict[str, Any]:
    return answering({"type": "object", "properties": properties})


SHOWN: dict[str, dict[str, Any]] = {
    "id": {"/api/v1/things": {"get": thing(id=INTEGER)}},
    "a parent's": {"/api/v1/things": {"get": thing(user_id=INTEGER)}, "/api/v1/users": {}},
    "in a list": {
        "/api/v1/things": {
            "get": answering(
                {
                    "type": "array",
                    "items": thing(id=INTEGER)["responses"]["200"]["content"]["application/json"][
                        "schema"
                    ],
                }
            )
        }
    },
    "in the path": {
        "/api/v1/things/{thing_id}": {
            "parameters": [{"name": "thing_id", "in": "path", "schema": INTEGER}],
            "get": {},
        }
    },
    "or null": {"/api/v1/things": {"get": thing(id={"anyOf": [INTEGER, {"type": "null"}]})}},
}
HIDDEN: dict[str, dict[str, Any]] = {
    "a UUID": {"/api/v1/things": {"get": thing(id=UUID, user_id=UUID)}},
    "a number": {"/api/v1/things": {"get": thing(amount=INTEGER, paid=INTEGER, grid=INTEGER)}},
    "somebody else's": {"/api/v1/things": {"get": thing(telegram_chat_id=INTEGER)}},
    "a UUID in the path": {
        "/api/v1/things/{id}": {
            "get": {"parameters": [{"name": "id", "in": "path", "schema": UUID}]}
        }
    },
}


@pytest.mark.parametrize("case", SHOWN)
def test_integers_that_are_shown(tmp_path: Path, case: str) -> None:
    files = {"openapi.json": openapi(SHOWN[case])}
    assert len(ask(tmp_path, files, "public-integer-id").of(State.FAIL)) == 1


@pytest.mark.parametrize("case", HIDDEN)
def test_integers_that_are_none_or_not_ours(tmp_path: Path, case: str) -> None:
    assert state(tmp_path, {"openapi.json": openapi(HIDDEN[case])}, "RB304") is State.PASS


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("@app.route('/t/<int:thing_id>', methods=['GET', 'POST'])\ndef f(thing_id): ...\n", 1),
        ("@app.get('/t/<int(min=1):id>')\ndef f(id): ...\n", 1),
        ("@app.route('/t/<uuid:thing_id>')\ndef f(thing_id): ...\n", 0),
        ("@app.route('/t/<int:year>')\ndef f(year): ...\n", 0),
    ],
)
def test_integers_in_flasks_paths(tmp_path: Path, source: str, expected: int) -> None:
    files = {"app.py": f"from flask import Flask\napp = Flask('x')\n{source}"}
    assert len(ask(tmp_path, files, "RB304").of(State.FAIL)) == expected
