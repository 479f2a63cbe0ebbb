"""One name for a request, from its first log line to the calls that it makes."""

import re
from contextvars import ContextVar

from starlette.datastructures import Headers
from starlette.types import Scope

HEADER = "X-Request-ID"
_WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{1,128}")

request_id: ContextVar[str] = ContextVar("request_id", default="")


def given(scope: Scope) -> str:
    """The id that a client sends, if it is fit for a log line."""
    name = Headers(scope=scope).get(HEADER, "")
    return name if _WELL_FORMED.fullmatch(name) else ""
