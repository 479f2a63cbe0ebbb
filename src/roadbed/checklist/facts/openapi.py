"""OpenAPI documents: their operations, with references followed."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from roadbed.checklist.evidence import Place
from roadbed.checklist.facts.marked import mapping, sequence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadbed.checklist.tree import Tree

_DEEPEST = 5  # alternatives in alternatives
METHODS = ("get", "put", "post", "patch", "delete")
_SUCCESS = re.compile(r"2(\d\d|XX)$", re.IGNORECASE)
_SHAPE = re.compile(r"""(^|\n)\s*["']?openapi["']?\s*:\s*["']?3|["']openapi["']\s*:\s*["']3""")


@dataclass(frozen=True)
class Operation:
    """A method of a path.

    Attributes:
        method: in capitals.
        address: the path, with the server's own path before it.
        spec: what the document says of it.
        parameters: of the path and of the method, resolved.
    """

    document: Document
    path: str
    line: int
    method: str
    address: str
    spec: dict[str, Any]
    parameters: list[dict[str, Any]]

    def __str__(self) -> str:
        """Name the operation as a client calls it."""
        return f"{self.method} {self.address}"

    def query(self) -> dict[str, dict[str, Any]]:
        """The schemas of its query parameters, by name."""
        return {
            str(each.get("name")): self.document.resolved(each.get("schema"))
            for each in self.parameters
            if each.get("in") == "query"
        }

    def header(self, name: str) -> dict[str, Any] | None:
        """A header that it takes."""
        for each in self.parameters:
            if each.get("in") == "header" and str(each.get("name")).lower() == name.lower():
                return each
        return None

    def answers(self) -> list[dict[str, Any]]:
        """The schemas of its JSON answers that are successes."""
        return [
            self.document.resolved(mapping(content).get("schema"))
            for status, answer in mapping(self.spec.get("responses")).items()
            if _SUCCESS.match(str(status))
            for kind, content in mapping(self.document.resolved(answer).get("content")).items()
            if "json" in str(kind)
        ]

    def takes_array(self) -> bool:
        """Whether its body is, or holds, an array: what it answers is as long as what came."""
        body = self.document.resolved(self.spec.get("requestBody"))
        return any(
            self.document.is_array(schema)
            or any(self.document.is_array(each) for each in self.document.fields(schema).values())
            for content in mapping(body.get("content")).values()
            for schema in [self.document.resolved(mapping(content).get("schema"))]
        )


@dataclass
class Document:
    """An OpenAPI document.

    Attributes:
        path: of its file; what `--import-app` gave has the module's name.
        content: as parsed.
        text: of its file, to find lines in.
    """

    path: str
    content: dict[str, Any]
    text: str = field(default="", repr=False)

    line = 0  # as a whole, where a place is asked for

    @cached_property
    def operations(self) -> list[Operation]:
        """All its operations, in the order of the document."""
        return list(self._operations())

    @cached_property
    def nouns(self) -> set[str]:
        """What its paths have collections of, in the singular or nearly so."""
        found: set[str] = set()
        for path in mapping(self.content.get("paths")):
            for part in re.sub("[-_]", "", str(path).lower()).split("/"):
                if part and "{" not in part:
                    singular = re.sub("ies$", "y", part)
                    found |= {part, singular, part.removesuffix("s"), part.removesuffix("es")}
        return found

    def resolved(self, schema: Any) -> dict[str, Any]:
        """What a reference refers to, at last; an empty mapping when that is nothing."""
        for _ in range(20):  # a circle of references ends somewhere
            reference = mapping(schema).get("$ref")
            if not isinstance(reference, str) or not reference.startswith("#/"):
                break
            schema = self.content
            for step in reference[2:].split("/"):
                schema = mapping(schema).get(step.replace("~1", "/").replace("~0", "~"))
        return mapping(schema)

    def ways(self, schema: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
        """A schema and the alternatives and parts that it is made of."""
        schema = self.resolved(schema)
        yield schema
        if depth < _DEEPEST:
            for word in ("anyOf", "oneOf", "allOf"):
                for each in sequence(schema.get(word)):
                    yield from self.ways(each, depth + 1)

    def is_array(self, schema: Any) -> bool:
        """Whether a value may be an array."""
        return any(_has_type(each, "array") for each in self.ways(schema))

    def is_integer(self, schema: Any) -> bool:
        """Whether a value may be a whole number."""
        return any(_has_type(each, "integer") for each in self.ways(schema))

    def fields(self, schema: Any) -> dict[str, Any]:
        """The fields of an object, whichever part of its schema says them."""
        found: dict[str, Any] = {}
        for each in self.ways(schema):
            found |= mapping(each.get("properties"))
        return found

    def longest(self, schema: Any) -> int | None:
        """How long an array may be, as far as its schema says."""
        bounds = [
            bound
            for each in self.ways(schema)
            if _has_type(each, "array") and isinstance(bound := each.get("maxItems"), int)
        ]
        return max(bounds, default=None)

    def line_of(self, *keys: str) -> int:
        """The line of a key below keys, such as a path and its method; 0 if it is not found."""
        start = 0
        for key in keys:
            spelled = rf"""(?m)^[\s{{]*["']?{re.escape(key)}["']?\s*:|"{re.escape(key)}"\s*:"""
            found = re.compile(spelled).search(self.text, start)
            if found is None:
                break
            start = found.end()
        return self.text.count("\n", 0, start) + 1 if start else 0

    def _operations(self) -> Iterator[Operation]:
        base = self._base()
        for address, item in mapping(self.content.get("paths")).items():
            shared = [self.resolved(each) for each in sequence(mapping(item).get("parameters"))]
            for method in METHODS:
                spec = mapping(item).get(method)
                if isinstance(spec, dict):
                    own = [self.resolved(each) for each in sequence(spec.get("parameters"))]
                    line = self.line_of("paths", str(address), method)
                    yield Operation(
                        self,
                        self.path,
                        line,
                        method.upper(),
                        base + str(address),
                        spec,
                        shared + own,
                    )

    def _base(self) -> str:
        """The path of the one server that the document names."""
        servers = sequence(self.content.get("servers"))
        url = str(mapping(servers[0]).get("url", "")) if servers else ""
        return re.sub(r"^[a-z]+://[^/]*", "", url).rstrip("/")


def _has_type(schema: dict[str, Any], kind: str) -> bool:
    own = schema.get("type")
    return own == kind or (isinstance(own, list) and kind in own)


def find(tree: Tree, chosen: str | None) -> list[Document]:
    """The documents of a service: the one that its configuration names, or those that look so."""
    if chosen:
        candidates = [chosen] if tree.has(chosen) else []
    else:
        candidates = [
            path
            for path in tree.production(".json", ".yaml", ".yml")
            if re.search(r"(^|/)(openapi|swagger)[^/]*$|(^|/)openapi/", path, re.IGNORECASE)
        ]
    found = (parse(tree, path) for path in candidates)
    return [document for document in found if document is not None]


def parse(tree: Tree, path: str) -> Document | None:
    """The document in a file; None, and a problem of the tree's, if it can't be understood."""
    text = tree.text(path)
    if not _SHAPE.search(text):
        return None
    if path.endswith(".json"):
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            line = getattr(error, "lineno", 0)
            tree.problem(Place(path, line), f"is no JSON: {getattr(error, 'msg', 'too deep')}")
            return None
    else:
        from roadbed.checklist.facts.marked import NotYaml, load_all

        try:
            content = next(load_all(text), None)
        except NotYaml as error:
            tree.problem(Place(path, error.line), f"is no YAML: {error}")
            return None
    return Document(path, content, text) if isinstance(content, dict) else None
