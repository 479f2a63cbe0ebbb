"""What a client of one OpenAPI document would lose under another.

All of it is one question, asked of schemas: does `wide` allow every value that `narrow` allows?
What clients send is allowed by the old document and must be by the new one; what they receive is
allowed by the new one and must be by the old. Where that can't be decided (a changed pattern),
the answer is no.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

Json = dict[str, Any]
Schema = Json | bool
_Compare = Callable[[str, Schema, Schema], Iterator[str]]

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
# They bear on which values are allowed, and are compared letter by letter.
_LITERAL = (
    *("format", "pattern", "multipleOf", "uniqueItems", "not", "if", "then", "else", "contains"),
    *("prefixItems", "patternProperties", "propertyNames", "dependentRequired"),
)


def losses(old: Json, new: Json) -> Iterator[str]:
    """A sentence for each thing that works under `old` and may not under `new`."""
    after = {_shape(path): _numbered(path, item) for path, item in new["paths"].items()}
    for path, item in old["paths"].items():
        if _shape(path) not in after:
            yield f"{path} is gone"
            continue
        for method, operation in _numbered(path, item).items():
            name = f"{method.upper()} {path}"
            there = after[_shape(path)].get(method)
            if there is None:
                yield f"{name} is gone"
            else:
                yield from _Comparison(old, new).operation(name, operation, there)


class _Comparison:
    """Two operations, and the documents that their references lead into."""

    def __init__(self, old: Json, new: Json) -> None:
        self._old = old
        self._new = new
        self._within: set[tuple[int, int, bool]] = set()

    def operation(self, name: str, old: Json, new: Json) -> Iterator[str]:
        yield from self._security(name, old, new)
        yield from self._parameters(name, old, new)
        yield from self._body(name, old.get("requestBody"), new.get("requestBody"))
        for status, answer in old["responses"].items():
            if status not in new["responses"]:
                yield f"{name} no longer answers {status}"
                continue
            there = new["responses"][status]
            for header in answer.get("headers", {}):
                if header not in there.get("headers", {}):
                    yield f"{name}: the {status} answer has lost the header {header}"
            yield from self._content(f"{name}: the {status} answer", answer, there, self._received)

    def _security(self, name: str, old: Json, new: Json) -> Iterator[str]:
        def ways(operation: Json, document: Json) -> list[set[str]]:
            schemes = document.get("components", {}).get("securitySchemes", {})
            kept = ("type", "scheme", "in", "name")
            return [
                {
                    " ".join([*(str(schemes[name].get(key, "")) for key in kept), *sorted(scopes)])
                    for name, scopes in way.items()
                }
                for way in operation.get("security") or [{}]
            ]

        enough = ways(new, self._new)
        for way in ways(old, self._old):
            if not any(each <= way for each in enough):
                shown = " and ".join(each.strip() for each in sorted(way)) or "nothing"
                yield f"{name} lets nobody in any more who comes with {shown}"

    def _parameters(self, name: str, old: Json, new: Json) -> Iterator[str]:
        before, after = _parameters(old), _parameters(new)
        for key, parameter in before.items():
            where = f"{name}: the {parameter['in']} parameter {parameter['name']}"
            there = after.get(key)
            if there is None:
                yield f"{where} is gone"
                continue
            if there.get("required") and not parameter.get("required"):
                yield f"{where} is required now"
            one, other = parameter.get("schema", {}), there.get("schema", {})
            if not parameter.get("required"):
                yield from _default(where, one, other)
            yield from self._sent(where, one, other)
        for key, parameter in after.items():
            if key not in before and parameter.get("required"):
                yield f"{name}: the {key[0]} parameter {parameter['name']} is new and required"

    def _body(self, name: str, old: Json | None, new: Json | None) -> Iterator[str]:
        where = f"{name}: the body"
        if new is None:
            if old is not None:
                yield f"{where} is gone"
        elif old is None:
            if new.get("required"):
                yield f"{where} is new and required"
        else:
            if new.get("required") and not old.get("required"):
                yield f"{where} is required now"
            yield from self._content(where, old, new, self._sent)

    def _content(self, where: str, old: Json, new: Json, compare: _Compare) -> Iterator[str]:
        for media, content in old.get("content", {}).items():
            if media not in new.get("content", {}):
                yield f"{where} is no longer {media}"
            else:
                there = new["content"][media].get("schema", {})
                yield from compare(where, content.get("schema", {}), there)

    def _sent(self, where: str, old: Schema, new: Schema) -> Iterator[str]:
        """Values that clients may send and that are refused now."""
        yield from self._beyond(where, old, new, sent=True)

    def _received(self, where: str, old: Schema, new: Schema) -> Iterator[str]:
        """Values that clients may receive now and did not before."""
        yield from self._beyond(where, new, old, sent=False)

    def _beyond(self, where: str, narrow: Schema, wide: Schema, *, sent: bool) -> Iterator[str]:
        """What `narrow` allows and `wide` does not."""
        pair = id(narrow), id(wide), sent
        if pair in self._within:
            return  # a circle of references: they are being compared already
        self._within.add(pair)
        ours, theirs = (self._old, self._new) if sent else (self._new, self._old)
        wider = _choices(wide, theirs)
        for choice in _choices(narrow, ours):
            found = [list(self._one(where, choice, each, sent=sent)) for each in wider]
            if all(found):
                yield from min(found, key=len, default=[f"{where} {_EVER[sent]}"])
        self._within.discard(pair)

    def _one(self, where: str, narrow: Json, wide: Json, *, sent: bool) -> Iterator[str]:
        if not _kind(narrow) <= _kind(wide):
            kinds = sorted(_kind(narrow) - _kind(wide))
            shown = " or ".join(kinds) if "type" in narrow else "anything"
            yield f"{where} {'was' if sent else 'may be'} {shown}, {_KIND[sent]}"
            return
        yield from _values(where, narrow, wide, sent=sent)
        yield from _bounds(where, narrow, wide, sent=sent)
        for word in _LITERAL:
            if word in wide and narrow.get(word) != wide[word]:
                before, after = (narrow, wide) if sent else (wide, narrow)
                yield f"{where}: {word} was {_show(before, word)} and is {_show(after, word)}"
        yield from self._object(where, narrow, wide, sent=sent)
        if "items" in wide:
            yield from self._beyond(f"{where}[]", narrow.get("items", {}), wide["items"], sent=sent)

    def _object(self, where: str, narrow: Json, wide: Json, *, sent: bool) -> Iterator[str]:
        ours, theirs = narrow.get("properties", {}), wide.get("properties", {})
        old = ours if sent else theirs
        for name in sorted(set(wide.get("required", ())) - set(narrow.get("required", ()))):
            if not sent and name in ours:
                yield f"{where}.{name} may be missing now"
            elif sent and name in ours:
                yield f"{where}.{name} is required now"
            elif sent:
                yield f"{where}.{name} is new and required"
        for name, schema in old.items():
            field = f"{where}.{name}"
            if name not in ours or name not in theirs:
                yield f"{field} is gone"
                continue
            if sent and name not in narrow.get("required", ()):
                yield from _default(field, schema, theirs[name])
            yield from self._beyond(field, ours[name], theirs[name], sent=sent)
        others = [each.get("additionalProperties", True) for each in (narrow, wide)]
        if others[0] is not False and others[1] is False:
            yield f"{where} {'took' if sent else 'may have'} further fields, and {_NOT[sent]}"
        elif others[0] is not False and isinstance(others[1], dict):
            given = {} if others[0] is True else others[0]
            yield from self._beyond(f"{where}.*", given, others[1], sent=sent)


_KINDS = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_KIND = {True: "and that is refused now", False: "and was not before"}
_EVER = {True: "is refused now, whatever it is", False: "was never there before"}
_NOT = {True: "refuses them now", False: "had none before"}


def _shape(path: str) -> str:
    """A path without its parameters' names, which no client sees."""
    return re.sub(r"{[^}]*}", "{}", path)


def _numbered(path: str, item: Json) -> dict[str, Json]:
    """The operations of a path, with their parameters in the path called by their place."""
    places = {name: str(place) for place, name in enumerate(re.findall(r"{([^}]*)}", path), 1)}

    def renamed(parameter: Json) -> Json:
        name = parameter["name"]
        return (
            {**parameter, "name": places.get(name, name)}
            if parameter["in"] == "path"
            else parameter
        )

    return {
        method: {
            **item[method],
            "parameters": [renamed(each) for each in item[method].get("parameters", [])],
        }
        for method in METHODS
        if method in item
    }


def _parameters(operation: Json) -> dict[tuple[str, str], Json]:
    """The parameters by place and name; a header's is the same in any case."""
    return {
        (each["in"], each["name"].lower() if each["in"] == "header" else each["name"]): each
        for each in operation["parameters"]
    }


def _choices(schema: Schema, document: Json) -> list[Json]:
    """The alternatives that a schema consists of, each of one type at most."""
    if schema is False:
        return []
    if schema is True:
        return [{}]
    if "$ref" in schema:
        target: Any = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step.replace("~1", "/").replace("~0", "~")]
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return _choices({**target, **rest}, document)
    for word in ("anyOf", "oneOf"):
        if word in schema:
            rest = {key: value for key, value in schema.items() if key != word}
            return [
                {**rest, **choice} for part in schema[word] for choice in _choices(part, document)
            ]
    if "allOf" in schema:
        merged = {key: value for key, value in schema.items() if key != "allOf"}
        for part in schema["allOf"]:
            (choice, *_) = _choices(part, document)
            for key, value in choice.items():
                if isinstance(value, dict):
                    merged[key] = {**merged.get(key, {}), **value}
                elif key == "required":
                    merged[key] = [*merged.get(key, []), *value]
                else:
                    merged[key] = value
        return [merged]
    if isinstance(schema.get("type"), list):
        return [{**schema, "type": kind} for kind in schema["type"]]
    return [schema]


def _kind(schema: Json) -> frozenset[str]:
    if "type" not in schema:
        return _KINDS
    kind = schema["type"]
    return frozenset({"integer", "number"} if kind == "number" else {kind})


def _values(where: str, narrow: Json, wide: Json, *, sent: bool) -> Iterator[str]:
    ours, theirs = (_listed(each) for each in (narrow, wide))
    if theirs is None:
        return
    if ours is None:
        yield f"{where} {'took' if sent else 'may be'} more than {_joined(theirs)}, {_KIND[sent]}"
    elif lost := [value for value in ours if value not in theirs]:
        yield f"{where} {'took' if sent else 'may be'} {_joined(lost)}, {_KIND[sent]}"


def _listed(schema: Json) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _bounds(where: str, narrow: Json, wide: Json, *, sent: bool) -> Iterator[str]:
    for words, too_small in ((_LEAST, True), (_MOST, False)):
        for word in words:
            ours, theirs = narrow.get(word), wide.get(word)
            if theirs is None or (
                ours is not None and (ours >= theirs if too_small else ours <= theirs)
            ):
                continue
            before, after = (narrow, wide) if sent else (wide, narrow)
            yield f"{where}: {word} was {_show(before, word)} and is {_show(after, word)}"


def _default(where: str, old: Schema, new: Schema) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict) and old.get("default") != new.get("default"):
        yield f"{where}: its default was {_show(old, 'default')} and is {_show(new, 'default')}"


def _show(schema: Json, word: str) -> str:
    return repr(schema[word]) if word in schema else "nothing"


def _joined(values: list[Any]) -> str:
    return ", ".join(map(repr, values))
