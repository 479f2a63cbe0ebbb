"""What a client knows and no document states: one idempotency key is for one operation."""

import re
from typing import Any
from uuid import uuid4

import schemathesis

used: set[str] = set()


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    for name in [name for name in case.headers or {} if name.lower() == "idempotency-key"]:
        key = str(case.headers[name]).strip(" ")
        if key.startswith('"'):  # a string, which is the same key as its content
            key = re.sub(r"\\(.)", r"\1", key[1:-1])
        if key in used:
            case.headers[name] = key = str(uuid4())
        used.add(key)
