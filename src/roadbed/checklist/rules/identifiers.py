"""RB304: by which names the outside world calls rows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadbed.checklist.evidence import failed, passed
from roadbed.checklist.facts.routes import integer_parameters
from roadbed.checklist.rule import Item, Rule
from roadbed.checklist.rules.operations import no_document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadbed.checklist.evidence import Evidence
    from roadbed.checklist.facts.openapi import Operation
    from roadbed.checklist.facts.routes import Route
    from roadbed.checklist.service import Service

_DEEPEST = 4  # objects in objects


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
        yield no_document(service)


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
        for schema in operation.answers():
            for owner, name, field in _answered_fields(operation, schema):
                noun = name.lower().removesuffix("_id").removesuffix("id").replace("_", "")
                ours = name.lower() == "id" or (_is_id(name) and noun in operation.document.nouns)
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


def _is_id(name: str) -> bool:
    return bool(re.search(r"(^|_)id$|[a-z]Id$|^pk$", name))


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
