"""A contract as small as it may be: the template renders none, an installed service makes it."""

import json
from typing import Any

PAYMENT = {
    "type": "object",
    "properties": {
        "public_id": {"type": "string", "format": "uuid"},
        "amount": {"type": "integer"},
    },
}
PAGE = {
    "type": "object",
    "properties": {
        "items": {"type": "array", "items": {"$ref": "#/components/schemas/Payment"}},
        "next": {"type": "string"},
    },
}
KEY = {"name": "Idempotency-Key", "in": "header", "required": True, "schema": {"type": "string"}}
ID = {
    "name": "public_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "format": "uuid"},
}
LIMIT = {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100}}


def answer(schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"responses": {"200": {"description": "as asked", "content": content}}}


DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "orders", "version": "1"},
    "paths": {
        "/api/v1/payments": {
            "get": {"parameters": [LIMIT], **answer("Page")},
            "post": {"parameters": [KEY], **answer("Payment")},
        },
        "/api/v1/payments/{public_id}": {
            "get": {"parameters": [ID], **answer("Payment")},
            "patch": {"parameters": [ID, KEY], **answer("Payment")},
        },
        "/livez": {"get": {"responses": {"200": {"description": "alive"}}}},
    },
    "components": {"schemas": {"Payment": PAYMENT, "Page": PAGE}},
}

CONTRACT = json.dumps(DOCUMENT, indent=2) + "\n"
