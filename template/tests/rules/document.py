"""The routes as the OpenAPI document shows them to clients, with every reference resolved."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

Schema = dict[str, Any]


@dataclass(frozen=True)
class Operation:
    """A method of a path: what the document says of it, and the function that serves it."""

    method: str
    path: str
    spec: Schema
    endpoint: Callable[..., Any]

    def __str__(self) -> str:
        """Name the operation as a client calls it."""
        return f"{self.method} {self.path}"

    @property
    def parameters(self) -> dict[str, Schema]:
        """Its parameters' schemas, by name."""
        return {each["name"]: each["schema"] for each in self.spec.get("parameters", [])}

    @property
    def problems(self) -> set[int]:
        """The statuses that it documents as problem details."""
        return {
            int(status)
            for status, answer in self.spec["responses"].items()
            if "application/problem+json" in answer.get("content", {})
        }

    @property
    def answers(self) -> dict[int, Schema]:
        """The schemas of its JSON answers that are successes, by status."""
        return {
            int(status): answer["content"]["application/json"]["schema"]
            for status, answer in self.spec["responses"].items()
            if status.startswith("2") and "application/json" in answer.get("content", {})
        }

    @property
    def body(self) -> Schema | None:
        """The schema of the JSON that it takes."""
        content = self.spec.get("requestBody", {}).get("content", {})
        found: Schema | None = content.get("application/json", {}).get("schema")
        return found

    @property
    def is_list(self) -> bool:
        """Whether it answers many: a collection's GET with an array, or one of objects in it."""
        if self.method != "GET" or self.path.endswith("}"):
            return False
        return any(
            "array" in kinds(answer)
            or any("object" in kinds(inner.get("items", {})) for _, inner in fields(answer))
            for answer in self.answers.values()
        )

    @property
    def creates(self) -> bool:
        """Whether it makes something new."""
        return self.method == "POST" and "201" in self.spec["responses"]


@cache
def read_operations(app: FastAPI) -> list[Operation]:
    """Every operation of the document."""
    document = app.openapi()
    return [
        Operation(method, route.path, _resolve(spec[method.lower()], document), route.endpoint)
        for route in iter_route_contexts(app.routes)
        if route.path and route.endpoint and (spec := document["paths"].get(route.path))
        for method in sorted(route.methods or ())
        if method.lower() in spec
    ]


def kinds(schema: Schema) -> set[str]:
    """The JSON types that a value may have."""
    own = schema.get("type", [])
    found = {own} if isinstance(own, str) else set(own)
    for way in ("anyOf", "oneOf", "allOf"):
        for each in schema.get(way, []):
            found |= kinds(each)
    return found


def fields(schema: Any) -> Iterator[tuple[str, Schema]]:
    """Every field of every object in a schema, whatever it lies in, with its name."""
    if isinstance(schema, dict):
        properties = schema.get("properties")
        if isinstance(properties, dict):
            yield from properties.items()
        for each in schema.values():
            yield from fields(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from fields(each)


def _resolve(node: Any, document: Schema, within: tuple[str, ...] = ()) -> Any:
    """`node` with each reference replaced by what it refers to; a circle ends in {}."""
    if isinstance(node, list):
        return [_resolve(each, document, within) for each in node]
    if not isinstance(node, dict):
        return node
    reference = node.get("$ref")
    if reference is None:
        return {name: _resolve(each, document, within) for name, each in node.items()}
    if reference in within:
        return {}
    target: Any = document
    for step in reference.removeprefix("#/").split("/"):
        target = target[step]
    return _resolve(target, document, (*within, reference))
