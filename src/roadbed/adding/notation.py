"""The notation for fields: `name:type`, `name:type(…)`, and `?` at the end of what may be null.

A shell reads parentheses, so `name:type:…` says the same without quotes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from roadbed.adding.names import check_field
from roadbed.errors import RoadbedError

_NOTATION = re.compile(
    r"(?P<name>[^:]*):(?P<kind>[a-z]+)(?:\((?P<inside>[^()]*)\)|:(?P<after>[^:()]*?))?(?P<null>\?)?"
)
_VALUE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,38}[A-Za-z0-9])?")
_LONGEST_TEXT = 10_000
_LEAST_VALUES, _MOST_VALUES = 2, 50
_LEAST_UNIQUE = 2  # characters
_MOST_DIGITS = 28  # which Python computes with, unless told otherwise
KINDS = {
    "str": "str(n)",
    "text": "text",
    "int": "int",
    "bigint": "bigint",
    "decimal": "decimal(p,s)",
    "bool": "bool",
    "date": "date",
    "datetime": "datetime",
    "uuid": "uuid",
    "json": "json",
    "enum": "enum(a,b,…)",
    "ref": "ref",
}
_HAS_ARGUMENTS = {"str", "decimal", "enum"}
_CAN_BE_UNIQUE = {"str", "int", "bigint", "uuid"}
UNIQUE_KIND = "str(200)"  # of a field that is named by --unique alone


@dataclass(frozen=True)
class Field:
    """A field as it was written.

    Attributes:
        name, kind: what stands before the colon, and after it.
        arguments: what stands in the parentheses: `(3,)`, `(10, 2)`, `("draft", "sent")`.
        required: whether it is never null.
        unique: whether no other live row (of the account) has its value.
    """

    name: str
    kind: str
    arguments: tuple[Any, ...] = ()
    required: bool = True
    unique: bool = False


def fields(written: list[str], unique: list[str], noun: str) -> list[Field]:
    """The fields of the resource `noun`.

    Args:
        written: in the notation.
        unique: names of those, or further fields in the notation; without a type it is `str(200)`.
        noun: the resource.

    Raises:
        RoadbedError: one can't be, or two have one name.
    """
    found: dict[str, Field] = {}
    unique_names = [each.partition(":")[0] for each in unique]
    named = {each.partition(":")[0] for each in written}
    further = [
        each if ":" in each else f"{each}:{UNIQUE_KIND}"
        for each in unique
        if ":" in each or each not in named
    ]
    for text in [*written, *further]:
        field = _field(text, unique_names)
        check_field(field.name, noun, refers=field.kind == "ref")
        _check_id(field)
        column = f"{field.name}_id" if field.kind == "ref" else field.name
        for taken in {column, field.name}:
            if taken in found:
                raise RoadbedError(
                    f"There are two fields “{taken}”."
                    if field.kind != "ref" and found[taken].kind != "ref"
                    else f"“{taken}” would be two things: a reference is a column {taken} as well.",
                    "Name one of them otherwise.",
                )
            found[taken] = field
    if not found:
        raise RoadbedError(
            f"A {noun} without a field would keep nothing.",
            "Give at least one, such as name:str:200.",
        )
    return list(dict.fromkeys(found.values()))


def _field(text: str, unique: list[str]) -> Field:
    read = _NOTATION.fullmatch(text)
    if read is None:
        raise RoadbedError(f"“{text}” is no field.", f"Write it as name:type{_known()}")
    name, kind = read["name"], read["kind"]
    inside = read["inside"] if read["inside"] is not None else read["after"]
    if kind not in KINDS:
        raise RoadbedError(f"“{text}”: there is no type “{kind}”.", f"Choose one{_known()}")
    if (inside is not None) != (kind in _HAS_ARGUMENTS):
        raise RoadbedError(
            f"“{text}” is not complete, or too much.", f"Write {name}:{KINDS[kind]}."
        )
    arguments: tuple[Any, ...] = ()
    if inside is not None:
        words = [word.strip() for word in inside.split(",")]
        arguments = _values(text, words) if kind == "enum" else _numbers(text, kind, words)
    is_unique = name in unique
    if is_unique and kind not in _CAN_BE_UNIQUE:
        raise RoadbedError(
            f"“{text}” can't be unique: a {kind} is no name for a row.",
            "Make a str(n), int, bigint or uuid unique.",
        )
    if is_unique and kind == "str" and arguments[0] < _LEAST_UNIQUE:
        raise RoadbedError(
            f"“{text}” can't be unique: it has room for a few rows.", "Make it longer."
        )
    return Field(name, kind, arguments, required=read["null"] is None, unique=is_unique)


def _check_id(field: Field) -> None:
    if field.kind in {"int", "bigint", "decimal"} and re.search(r"(^|_)ids?$", field.name):
        raise RoadbedError(
            f"“{field.name}”: an id that leaves the service is a UUID or a text, and no number.",
            f"Write {field.name}:uuid, or name a row of this service: customer:ref.",
        )


def _values(text: str, words: list[str]) -> tuple[str, ...]:
    for word in words:
        if not _VALUE.fullmatch(word):
            raise RoadbedError(
                f"“{text}”: “{word}” is no value of an enum.",
                "A value has 1 to 40 letters, digits, underscores, dots and hyphens: in_transit.",
            )
    if len(set(words)) != len(words) or not _LEAST_VALUES <= len(words) <= _MOST_VALUES:
        raise RoadbedError(
            f"“{text}”: an enum has {_LEAST_VALUES} to {_MOST_VALUES} values, each once.",
            "Write it as status:enum(draft,sent).",
        )
    return tuple(words)


def _numbers(text: str, kind: str, words: list[str]) -> tuple[int, ...]:
    numbers = [int(word) for word in words if re.fullmatch("[0-9]{1,6}", word)]
    wanted = 1 if kind == "str" else 2
    if len(words) == len(numbers) == wanted:
        if kind == "str" and 1 <= numbers[0] <= _LONGEST_TEXT:
            return tuple(numbers)
        if kind == "decimal" and 0 <= numbers[1] <= numbers[0] and 1 <= numbers[0] <= _MOST_DIGITS:
            return tuple(numbers)
    raise RoadbedError(
        f"“{text}” is out of bounds.",
        f"A str has 1 to {_LONGEST_TEXT} characters: str(200); longer is text."
        if kind == "str"
        else f"A decimal has 1 to {_MOST_DIGITS} digits, and no more of them after the point:"
        " decimal(10,2).",
    )


def _known() -> str:
    return f": {', '.join(KINDS.values())}; a “?” at the end is for what may be null."
