"""Fields as the template takes them: what each is, and values that its tests try.

The keys are a contract with `fields` in `copier.yml`: how they become Python and SQL is up to the
version of the template that a service has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from roadbed.adding.notation import Field

# For each kind, as Python: a value, two others that it can change to, one that is refused.
_TRIED = {
    "text": ('"some words"', ['"other words"', '"more words"'], "1"),
    "int": ("1", ["2", "3"], "2**31"),
    "bigint": ("1", ["2", "3"], "2**63"),
    "bool": ("True", ["False", "True"], '"perhaps"'),
    "date": ('"2026-01-31"', ['"2026-02-28"', '"2026-03-31"'], '"soon"'),
    "datetime": (
        '"2026-01-31T12:00:00Z"',
        ['"2026-02-28T12:00:00Z"', '"2026-03-31T12:00:00Z"'],
        '"2026-01-31T12:00:00"',
    ),
    "uuid": (
        "str(uuid4())",
        ['"00000000-0000-4000-8000-000000000001"', '"00000000-0000-4000-8000-000000000002"'],
        '"one"',
    ),
    "json": ('{"key": "value"}', ['{"key": "other"}', '{"key": ["more"]}'], '"text"'),
}
_RANDOM_FROM = 8  # characters: fewer would soon be the same


def described(field: Field) -> dict[str, Any]:
    """A field that is no reference, for the template."""
    example, changes, wrong, more = _tried(field)
    if field.unique:
        changes = []
        example = _never_the_same(field)
    return {
        "name": field.name,
        "kind": field.kind,
        "required": field.required,
        "unique": field.unique,
        "example": example,
        "changes": changes,
        "wrong": wrong,
        **more,
    }


def _tried(field: Field) -> tuple[str, list[str], str, dict[str, Any]]:
    match field.kind:
        case "str":
            (length,) = field.arguments
            words = [f'"{word[:length]}"' for word in ("abcdefgh", "bcdefghi", "cdefghij")]
            return words[0], words[1:], f'"x" * {length + 1}', {"length": length}
        case "decimal":
            precision, scale = field.arguments
            shown = [_digits(digit, precision, scale) for digit in "123"]
            more = {"precision": precision, "scale": scale}
            return shown[0], shown[1:], '"NaN"', more
        case "enum":
            values = [f"'{value}'" for value in field.arguments]
            words = [f'"{value}"' for value in field.arguments]
            return words[0], [words[1], words[0]], '"no such value"', {"values": ", ".join(values)}
        case kind:
            return *_TRIED[kind], {}


def _digits(digit: str, precision: int, scale: int) -> str:
    """A number that a decimal can be, as JSON has it."""
    whole = digit if precision > scale else "0"
    return f'"{whole}.{digit * scale}"' if scale else f'"{whole}"'


def _never_the_same(field: Field) -> str:
    match field.kind:
        case "str" if field.arguments[0] < _RANDOM_FROM:
            return "str(next(SERIAL))"
        case "str":
            return f"uuid4().hex[:{min(field.arguments[0], 32)}]"
        case "uuid":
            return "str(uuid4())"
        case _:
            return "uuid4().int % 2**31"
