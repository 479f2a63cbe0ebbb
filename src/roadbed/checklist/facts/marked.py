"""YAML whose mappings know their lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Mapping(dict[str, Any]):
    """A YAML mapping.

    Attributes:
        line: where it begins.
        lines: where each of its keys stands.
    """

    line: int = 0
    lines: dict[str, int]


class NotYaml(ValueError):
    """What a file's error is, and its line."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line


def load_all(text: str) -> Iterator[Any]:
    """The documents of a YAML file.

    Raises:
        NotYaml: it is none; what was given before stands.
    """
    try:
        loader = _Loader(text)
        try:
            while loader.check_node():
                yield _Builder(loader).build(loader.get_node())
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise NotYaml(mark.line + 1 if mark else 0, error.problem or "no YAML") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise NotYaml(0, f"no YAML: {type(error).__name__}") from error


class _Builder:
    """Builds values from nodes, each node once: an alias costs nothing, however many there are."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self._built: dict[int, Any] = {}

    def build(self, node: Any) -> Any:
        if id(node) not in self._built:
            self._built[id(node)] = None  # an alias of what it stands in
            self._built[id(node)] = self._new(node)
        return self._built[id(node)]

    def _new(self, node: Any) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(each) for each in node.value]
        try:
            return self._loader.construct_object(node)
        except (yaml.YAMLError, ValueError, OverflowError):  # a tag or a date that is none
            return node.value

    def _mapping(self, node: Any) -> Mapping:
        mapping = Mapping()
        mapping.line = node.start_mark.line + 1
        mapping.lines = {}
        for key, value in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                for each in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    merged = self.build(each)
                    if isinstance(merged, Mapping):
                        mapping.update({k: v for k, v in merged.items() if k not in mapping})
            else:
                name = str(key.value)
                mapping[name] = self.build(value)
                mapping.lines[name] = key.start_mark.line + 1
        return mapping


def mapping(value: Any) -> dict[str, Any]:
    """`value` if it is a mapping, else an empty one: what a file holds may be anything."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> list[Any]:
    """`value` if it is a list, else an empty one."""
    return value if isinstance(value, list) else []
