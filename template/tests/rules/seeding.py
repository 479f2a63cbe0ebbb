"""A row of everything, made as a client makes it: with a POST that the OpenAPI document shows.

A value that the document gives an example for is that example; any other is made up from its type
and its bounds, anew each time. A field that names another resource gets the one that was made.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import takewhile
from random import randrange
from typing import Any
from uuid import uuid4

from starlette.testclient import TestClient

from .document import Operation, Schema, kinds

FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "email": "someone@rules.invalid",
    "uri": "https://rules.invalid/",
}


@dataclass
class Seeds:
    """The public ids of what was made, by their collection's path, and what was refused."""

    made: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def of(self, collection: str) -> str:
        """The id of what was made there; fails with the reason where nothing was."""
        assert collection in self.made, self.refused.get(collection, f"no POST to {collection}")
        return self.made[collection]

    def url(self, path: str) -> str:
        """`path` with the ids of what was made in place of its parameters."""
        while "{" in path:
            collection, _, rest = path.partition("/{")
            path = f"{collection}/{self.made.get(collection, uuid4())}{rest.partition('}')[2]}"
        return path

    def named(self, field_name: str) -> str:
        """The id for a field: of the collection whose name begins most like the field's."""

        def likeness(collection: str) -> int:
            noun = collection.rpartition("/")[2].replace("-", "_")
            pairs = zip(noun, field_name.removesuffix("_id"), strict=False)
            return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

        # Of two that are as like, the shorter: `customer_id` is no id of `customer-groups`.
        best = max(self.made, key=lambda each: (likeness(each), -len(each)), default="")
        return self.made[best] if best and likeness(best) > 1 else str(uuid4())


def seed(client: TestClient, operations: Iterable[Operation]) -> Seeds:
    """Make a row with each POST that creates; what refers to another row comes after it."""
    seeds = Seeds()
    waiting = [each for each in operations if each.creates]
    progress = True
    while waiting and progress:
        progress = False
        for operation in sorted(waiting, key=lambda each: each.path):
            body = example(operation.body or {}, seeds)
            key = {"Idempotency-Key": str(uuid4())}
            answer = client.post(seeds.url(operation.path), json=body, headers=key)
            if answer.status_code == 201:
                seeds.made[operation.path] = answer.json()["public_id"]
                seeds.refused.pop(operation.path, None)
                waiting.remove(operation)
                progress = True
            else:
                said = f"{answer.status_code} {answer.text} to {body}"
                seeds.refused[operation.path] = f"{operation} answers {said}"
    return seeds


def example(schema: Schema, seeds: Seeds, name: str = "") -> Any:
    """A value that `schema` allows, as far as a schema can tell."""
    for given in ("examples", "enum"):
        if schema.get(given):
            return schema[given][0]
    for given in ("example", "const", "default"):
        if given in schema:
            return schema[given]
    for way in ("allOf", "anyOf", "oneOf"):
        if way in schema:
            return example(schema[way][0], seeds, name)
    match next(iter(kinds(schema) - {"null"}), "null"):
        case "object":
            fields = schema.get("properties", {})
            return {each: example(fields[each], seeds, each) for each in schema.get("required", [])}
        case "array":
            return [example(schema["items"], seeds, name)] * schema.get("minItems", 0)
        case "integer" | "number":
            least = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
            most = schema.get("maximum", schema.get("exclusiveMaximum", max(least, 1) + 1_000) - 1)
            return int(min(max(least, 1) + randrange(1_000_000), most))  # noqa: S311 it need not be hard to guess
        case "boolean":
            return True
        case "string" if schema.get("format") == "uuid":
            return seeds.named(name)
        case "string":
            length = min(max(schema.get("minLength", 1), 32), schema.get("maxLength", 32))
            return FORMATS.get(schema.get("format", ""), (uuid4().hex * length)[:length])
    return None
