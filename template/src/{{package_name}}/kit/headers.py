"""What a request's headers say, and what every answer's do."""

from collections.abc import Callable, Iterable

from starlette.types import Scope

Header = tuple[bytes, bytes]

# What keeps browsers from doing too much with an answer: of the API, and with a page.
_EVERY = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
_API = (*_EVERY, (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"))
_PAGE = (*_EVERY, (b"referrer-policy", b"no-referrer"), (b"x-frame-options", b"DENY"))


def header(scope: Scope, name: bytes) -> str:
    """A request's first header of this lower-case name, or nothing."""
    for found, value in scope["headers"]:
        if found == name:
            return str(value, "latin-1")
    return ""


def add(scope: Scope, made: Callable[[Scope], Iterable[Header]]) -> None:
    """Let the answer to this request carry the headers that `made` returns when it begins.

    What holds the scope itself would be freed by the garbage collector alone, which costs.
    """
    scope.setdefault("state", {}).setdefault("answer_headers", []).append(made)


def missing(headers: list[Header], *, page: bool) -> Iterable[Header]:
    """What keeps browsers from harm and is not there; a `page` may load its scripts."""
    there = dict(headers)
    return [each for each in (_PAGE if page else _API) if each[0] not in there]
