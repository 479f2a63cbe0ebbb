"""What breaks a client is told from what does not: `dev/compatibility.py` of a service.

Each mutant is one change of a small document, with the sentence that a person reads about it, or
with none where no client minds. The same change backwards has a verdict of its own.
"""

import copy
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Document = dict[str, Any]
Mutation = Callable[[Document], object]

THING: Document = {
    "type": "object",
    "required": ["public_id", "size", "kind"],
    "properties": {
        "public_id": {"type": "string", "format": "uuid"},
        "size": {"type": "integer", "minimum": 1, "maximum": 100},
        "kind": {"enum": ["small", "large"], "type": "string"},
        "note": {"anyOf": [{"type": "string", "maxLength": 50}, {"type": "null"}]},
        "tags": {"type": "array", "maxItems": 5, "items": {"type": "string"}},
        "parent": {"anyOf": [{"$ref": "#/components/schemas/Thing"}, {"type": "null"}]},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
NEW: Document = {
    "type": "object",
    "additionalProperties": False,
    "required": ["size", "kind"],
    "properties": {
        "size": {"type": "integer", "minimum": 1, "maximum": 100},
        "kind": {"enum": ["small", "large"], "type": "string"},
        "code": {"type": "string", "pattern": "^[A-Z]{3}$", "minLength": 3},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": "none"},
        "steps": {"type": "number", "multipleOf": 2},
        "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Part"}, "maxItems": 9},
    },
}
PART: Document = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string", "maxLength": 80}},
}


def answer(schema: str, media: str = "application/json") -> Document:
    return {
        "description": "Done",
        "content": {media: {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }


BASE: Document = {
    "openapi": "3.1.0",
    "info": {"title": "things", "version": "v1"},
    "paths": {
        "/api/v1/things": {
            "get": {
                "operationId": "list",
                "security": [{"Bearer": []}],
                "parameters": [
                    {
                        "in": "query",
                        "name": "limit",
                        "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
                    },
                    {"in": "query", "name": "sort", "schema": {"enum": ["up", "down"]}},
                    {"in": "header", "name": "X-Trace", "schema": {"type": "string"}},
                ],
                "responses": {"200": answer("Thing")},
            },
            "post": {
                "security": [{"Bearer": []}],
                "requestBody": {"required": True, **answer("New")},
                "responses": {
                    "201": {**answer("Thing"), "headers": {"Location": {"schema": {}}}},
                    "409": answer("Problem", "application/problem+json"),
                },
            },
        },
        "/api/v1/things/{public_id}": {
            "get": {
                "parameters": [
                    {"in": "path", "name": "public_id", "required": True, "schema": {}},
                ],
                "responses": {"200": answer("Thing")},
            },
            "put": {
                "parameters": [
                    {"in": "path", "name": "public_id", "required": True, "schema": {}},
                ],
                "requestBody": answer("Part"),
                "responses": {"204": {"description": "Done"}},
            },
        },
    },
    "components": {
        "schemas": {"Thing": THING, "New": NEW, "Part": PART, "Problem": {"type": "object"}},
        "securitySchemes": {
            "Bearer": {"type": "http", "scheme": "bearer"},
            "Cookie": {"type": "apiKey", "in": "cookie", "name": "session"},
        },
    },
}


def things(document: Document, method: str = "get") -> Document:
    found: Document = document["paths"]["/api/v1/things"][method]
    return found


def one(document: Document, method: str = "get") -> Document:
    found: Document = document["paths"]["/api/v1/things/{public_id}"][method]
    return found


def schema(document: Document, name: str) -> Document:
    found: Document = document["components"]["schemas"][name]
    return found


def fields(document: Document, name: str) -> Document:
    found: Document = schema(document, name)["properties"]
    return found


def limit(document: Document) -> Document:
    found: Document = things(document)["parameters"][0]["schema"]
    return found


def parameter(**members: Any) -> Document:
    return {"in": "query", "name": "more", "schema": {"type": "string"}, **members}


LIST, POST, GET, PUT = (
    "GET /api/v1/things",
    "POST /api/v1/things",
    "GET /api/v1/things/{public_id}",
    "PUT /api/v1/things/{public_id}",
)
REFUSED, BEFORE = "and that is refused now", "and was not before"

BREAKING: dict[str, tuple[Mutation, str]] = {
    "path": (
        lambda d: d["paths"].pop("/api/v1/things/{public_id}"),
        "/api/v1/things/{public_id} is gone",
    ),
    "operation": (lambda d: d["paths"]["/api/v1/things"].pop("post"), f"{POST} is gone"),
    "status": (
        lambda d: things(d, "post")["responses"].pop("409"),
        f"{POST} no longer answers 409",
    ),
    "answer's header": (
        lambda d: things(d, "post")["responses"]["201"].pop("headers"),
        f"{POST}: the 201 answer has lost the header Location",
    ),
    "answer's media type": (
        lambda d: things(d)["responses"].update({"200": answer("Thing", "text/csv")}),
        f"{LIST}: the 200 answer is no longer application/json",
    ),
    "answer's field": (
        lambda d: fields(d, "Thing").pop("note"),
        f"{GET}: the 200 answer.note is gone",
    ),
    "answer's required field": (
        lambda d: schema(d, "Thing")["required"].remove("size"),
        f"{LIST}: the 200 answer.size may be missing now",
    ),
    "answer's type": (
        lambda d: fields(d, "Thing")["size"].update(type="number"),
        f"{LIST}: the 200 answer.size may be number, {BEFORE}",
    ),
    "answer's null": (
        lambda d: fields(d, "Thing").update(
            size={"anyOf": [fields(d, "Thing")["size"], {"type": "null"}]}
        ),
        f"{LIST}: the 200 answer.size may be null, {BEFORE}",
    ),
    "answer's format": (
        lambda d: fields(d, "Thing")["public_id"].pop("format"),
        f"{LIST}: the 200 answer.public_id: format was 'uuid' and is nothing",
    ),
    "answer's bound": (
        lambda d: fields(d, "Thing")["size"].update(maximum=1000),
        f"{LIST}: the 200 answer.size: maximum was 100 and is 1000",
    ),
    "answer's bound inside a choice": (
        lambda d: fields(d, "Thing")["note"]["anyOf"][0].update(maxLength=60),
        f"{LIST}: the 200 answer.note: maxLength was 50 and is 60",
    ),
    "answer's length": (
        lambda d: fields(d, "Thing")["tags"].pop("maxItems"),
        f"{LIST}: the 200 answer.tags: maxItems was 5 and is nothing",
    ),
    "answer's item": (
        lambda d: fields(d, "Thing")["tags"].update(items={"type": "integer"}),
        f"{LIST}: the 200 answer.tags[] may be integer, {BEFORE}",
    ),
    "answer's enum": (
        lambda d: fields(d, "Thing")["kind"]["enum"].append("huge"),
        f"{LIST}: the 200 answer.kind may be 'huge', {BEFORE}",
    ),
    "answer's enum, for good": (
        lambda d: fields(d, "Thing")["kind"].pop("enum"),
        f"{LIST}: the 200 answer.kind may be more than 'small', 'large', {BEFORE}",
    ),
    "answer's further fields": (
        lambda d: fields(d, "Thing")["labels"].pop("additionalProperties"),
        f"{LIST}: the 200 answer.labels.* may be anything, {BEFORE}",
    ),
    "new required parameter": (
        lambda d: things(d)["parameters"].append(parameter(required=True)),
        f"{LIST}: the query parameter more is new and required",
    ),
    "new required header": (
        lambda d: things(d)["parameters"].append(parameter(required=True, **{"in": "header"})),
        f"{LIST}: the header parameter more is new and required",
    ),
    "parameter required": (
        lambda d: things(d)["parameters"][1].update(required=True),
        f"{LIST}: the query parameter sort is required now",
    ),
    "parameter": (
        lambda d: things(d)["parameters"].pop(1),
        f"{LIST}: the query parameter sort is gone",
    ),
    "parameter's place": (
        lambda d: things(d)["parameters"][1].update({"in": "cookie"}),
        f"{LIST}: the query parameter sort is gone",
    ),
    "parameter's bound": (
        lambda d: limit(d).update(maximum=50),
        f"{LIST}: the query parameter limit: maximum was 100 and is 50",
    ),
    "parameter's lower bound": (
        lambda d: limit(d).update(exclusiveMinimum=1),
        f"{LIST}: the query parameter limit: exclusiveMinimum was nothing and is 1",
    ),
    "parameter's default": (
        lambda d: limit(d).update(default=50),
        f"{LIST}: the query parameter limit: its default was 20 and is 50",
    ),
    "parameter's enum": (
        lambda d: things(d)["parameters"][1]["schema"]["enum"].remove("up"),
        f"{LIST}: the query parameter sort took 'up', {REFUSED}",
    ),
    "parameter's type": (
        lambda d: things(d)["parameters"][2]["schema"].update(type="integer"),
        f"{LIST}: the header parameter X-Trace was string, {REFUSED}",
    ),
    "new required field": (
        lambda d: (
            fields(d, "New").update(owner={"type": "string"}),
            schema(d, "New")["required"].append("owner"),
        ),
        f"{POST}: the body.owner is new and required",
    ),
    "field required": (
        lambda d: schema(d, "New")["required"].append("code"),
        f"{POST}: the body.code is required now",
    ),
    "field": (lambda d: fields(d, "New").pop("code"), f"{POST}: the body.code is gone"),
    "field inside a reference": (
        lambda d: fields(d, "Part")["name"].update(maxLength=40),
        f"{POST}: the body.parts[].name: maxLength was 80 and is 40",
    ),
    "field's bound": (
        lambda d: fields(d, "New")["size"].update(minimum=2),
        f"{POST}: the body.size: minimum was 1 and is 2",
    ),
    "field's length": (
        lambda d: fields(d, "New")["parts"].update(minItems=1),
        f"{POST}: the body.parts: minItems was nothing and is 1",
    ),
    "field's pattern": (
        lambda d: fields(d, "New")["code"].update(pattern="^[A-Z]{2}$"),
        f"{POST}: the body.code: pattern was '^[A-Z]{{3}}$' and is '^[A-Z]{{2}}$'",
    ),
    "field's format": (
        lambda d: fields(d, "New")["code"].update(format="email"),
        f"{POST}: the body.code: format was nothing and is 'email'",
    ),
    "field's step": (
        lambda d: fields(d, "New")["steps"].update(multipleOf=5),
        f"{POST}: the body.steps: multipleOf was 2 and is 5",
    ),
    "field's type": (
        lambda d: fields(d, "New")["steps"].update(type="integer"),
        f"{POST}: the body.steps was number, {REFUSED}",
    ),
    "field's null": (
        lambda d: fields(d, "New").update(note={"type": "string", "default": "none"}),
        f"{POST}: the body.note was null, {REFUSED}",
    ),
    "field's default": (
        lambda d: fields(d, "New")["note"].pop("default"),
        f"{POST}: the body.note: its default was 'none' and is nothing",
    ),
    "field's enum": (
        lambda d: fields(d, "New")["kind"]["enum"].remove("large"),
        f"{POST}: the body.kind took 'large', {REFUSED}",
    ),
    "field's new enum": (
        lambda d: fields(d, "New")["code"].update(enum=["ABC"]),
        f"{POST}: the body.code took more than 'ABC', {REFUSED}",
    ),
    "further fields": (
        lambda d: schema(d, "Part").update(additionalProperties=False),
        f"{PUT}: the body took further fields, and refuses them now",
    ),
    "body": (lambda d: one(d, "put").pop("requestBody"), f"{PUT}: the body is gone"),
    "body required": (
        lambda d: one(d, "put")["requestBody"].update(required=True),
        f"{PUT}: the body is required now",
    ),
    "new required body": (
        lambda d: one(d).update(requestBody={"required": True, **answer("Part")}),
        f"{GET}: the body is new and required",
    ),
    "body's media type": (
        lambda d: things(d, "post").update(requestBody=answer("New", "application/xml")),
        f"{POST}: the body is no longer application/json",
    ),
    "closed": (
        lambda d: one(d).update(security=[{"Bearer": []}]),
        f"{GET} lets nobody in any more who comes with nothing",
    ),
    "another way in": (
        lambda d: things(d).update(security=[{"Cookie": []}]),
        f"{LIST} lets nobody in any more who comes with http bearer",
    ),
    "both ways in": (
        lambda d: things(d).update(security=[{"Bearer": [], "Cookie": []}]),
        f"{LIST} lets nobody in any more who comes with http bearer",
    ),
    "another scheme of the same name": (
        lambda d: d["components"]["securitySchemes"]["Bearer"].update(scheme="basic"),
        f"{POST} lets nobody in any more who comes with http bearer",
    ),
}

# What looks like one of these and breaks nobody.
HARMLESS: dict[str, Mutation] = {
    "nothing": lambda d: None,
    "new path": lambda d: d["paths"].update({"/api/v1/others": {"get": one(d)}}),
    "new operation": lambda d: d["paths"]["/api/v1/things"].update(put=one(d, "put")),
    "new status": lambda d: things(d)["responses"].update({"429": answer("Problem")}),
    "new media type": lambda d: things(d)["responses"]["200"]["content"].update({"text/csv": {}}),
    "new field in an answer": lambda d: (
        fields(d, "Thing").update(more={"type": "string"}),
        schema(d, "Thing")["required"].append("more"),
    ),
    "new field in a body": lambda d: fields(d, "New").update(more={"type": "string"}),
    "new parameter": lambda d: things(d)["parameters"].append(parameter()),
    "an answer says more": lambda d: (
        fields(d, "Thing")["size"].update(maximum=50, minimum=2),
        fields(d, "Thing")["kind"]["enum"].remove("small"),
        fields(d, "Thing")["note"].update(anyOf=[{"type": "string", "maxLength": 10}]),
        schema(d, "Thing")["required"].append("note"),
        fields(d, "Thing")["tags"].update(items={"type": "string", "format": "uri"}),
    ),
    "a body may say more": lambda d: (
        fields(d, "New")["size"].update(minimum=0, maximum=1000, type="number"),
        fields(d, "New")["kind"]["enum"].append("huge"),
        fields(d, "New")["code"].pop("pattern"),
        fields(d, "New")["code"].update(anyOf=[{"type": "string"}, {"type": "null"}], type=None),
        fields(d, "New")["code"].pop("type"),
        fields(d, "New")["code"].pop("minLength"),
        schema(d, "New")["required"].remove("size"),
        schema(d, "New").pop("additionalProperties"),
        things(d, "post")["requestBody"].update(required=False),
    ),
    "a default where one had to choose": lambda d: (
        fields(d, "New")["size"].update(default=3),
        schema(d, "New")["required"].remove("size"),
    ),
    "another name of a path parameter": lambda d: (
        d["paths"].update(
            {"/api/v1/things/{id}": d["paths"].pop("/api/v1/things/{public_id}")}
        ),
        [each["parameters"][0].update(name="id") for each in d["paths"]["/api/v1/things/{id}"].values()],
    ),
    "another spelling of a header": lambda d: things(d)["parameters"][2].update(name="x-trace"),
    "another name of a schema": lambda d: (
        d["components"]["schemas"].update(Fresh=d["components"]["schemas"].pop("New")),
        things(d, "post")["requestBody"].update(answer("Fresh")),
    ),
    "a schema in place": lambda d: things(d, "post")["requestBody"].update(
        content={"application/json": {"schema": copy.deepcopy(NEW)}}
    ),
    "another name of a scheme": lambda d: (
        d["components"]["securitySchemes"].update(Token={"type": "http", "scheme": "bearer"}),
        things(d).update(security=[{"Token": []}]),
    ),
    "one more way in": lambda d: things(d)["security"].append({"Cookie": []}),
    "opened": lambda d: things(d).pop("security"),
    "words": lambda d: (
        things(d).update(operationId="all", summary="All", description="…", deprecated=True),
        fields(d, "Thing")["size"].update(title="Size", description="…", examples=[1]),
    ),
    "another order": lambda d: (
        things(d)["parameters"].reverse(),
        fields(d, "Thing")["note"]["anyOf"].reverse(),
        fields(d, "New")["kind"]["enum"].reverse(),
    ),
    "an enum of one is a constant": lambda d: fields(d, "Thing").update(kind={"const": "small", "type": "string"}),
}  # fmt: skip


@pytest.fixture(scope="module")
def losses(template: Path) -> Callable[[Document, Document], Iterator[str]]:
    path = template / "template" / "dev" / "compatibility.py"
    spec = importlib.util.spec_from_file_location("compatibility", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as python:
        python.setattr("sys.dont_write_bytecode", True)  # the template is looked at by others
        spec.loader.exec_module(module)
    found: Callable[[Document, Document], Iterator[str]] = module.losses
    return found


def mutant(mutation: Mutation) -> Document:
    document = copy.deepcopy(BASE)
    mutation(document)
    return document


@pytest.mark.parametrize("name", BREAKING)
def test_what_breaks_a_client_is_said(
    name: str, losses: Callable[[Document, Document], Iterator[str]]
) -> None:
    mutation, sentence = BREAKING[name]
    assert sentence in list(losses(BASE, mutant(mutation)))


@pytest.mark.parametrize("name", HARMLESS)
def test_what_breaks_nobody_is_let_pass(
    name: str, losses: Callable[[Document, Document], Iterator[str]]
) -> None:
    assert list(losses(BASE, mutant(HARMLESS[name]))) == []


def test_each_change_is_said_once_an_operation(
    losses: Callable[[Document, Document], Iterator[str]],
) -> None:
    told = list(losses(BASE, mutant(lambda d: things(d, "post")["responses"].pop("409"))))
    assert told == [f"{POST} no longer answers 409"]
