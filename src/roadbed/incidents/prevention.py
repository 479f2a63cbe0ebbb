"""Whether what a Prevention names is there: a test, an alert, a rule, a file."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|\bhttps?://\S+")
_PATH = re.compile(r"[\w.@-]+(?:/[\w.@-]+)*\.(?:py|ya?ml|toml|md|json|sql|sh|ini)")
_TEST = re.compile(r"test_\w+")
_WORD = re.compile(r"[A-Za-z_][\w:-]*")
_KIND = re.compile(r"\b(test|alert|alarm|rule)s?\b", re.IGNORECASE)
_NEAR = 24  # characters between a name and the word that says what it is
_LEFT_OUT = {"node_modules", "venv", "site-packages", "__pycache__"}


@dataclass(frozen=True)
class Named:
    """Something that a Prevention promises.

    Attributes:
        kind: file, test, alert or rule.
        name: as it is written.
    """

    kind: str
    name: str


def mentions_a_check(text: str) -> bool:
    """Whether it says at all what would catch it the next time: a link, a test, an alert or a rule."""
    return bool(_KIND.search(text) or _LINK.search(text) or next(named(text), None))


def named(text: str) -> Iterator[Named]:
    """What `text` names: in code spans, by shape or by the word beside it; links; tests anywhere."""
    for link in re.findall(r"\]\(([^)\s:#]+)", text):
        yield Named("file", link)
    for span in _CODE.finditer(text):
        name = span[1].strip()
        path, _, test = name.partition("::")
        if _PATH.fullmatch(path):
            yield Named("file", path)
            if test:
                yield Named("test", test.rpartition("::")[2].partition("[")[0])
        elif _TEST.fullmatch(name):
            yield Named("test", name)
        elif _WORD.fullmatch(name):
            before, after = text[: span.start()][-_NEAR:], text[span.end() :][:_NEAR]
            beside = [*_KIND.findall(before)[-1:], *_KIND.findall(after)[:1]]
            if beside:
                kind = beside[0].lower()
                yield Named("alert" if kind == "alarm" else kind, name)
    plain = _LINK.sub("", _CODE.sub("", text))
    for name in re.findall(r"(?<![\w/.])test_\w+\b(?![/.]\w)", plain):
        yield Named("test", name)
    for path in re.findall(r"(?<![\w/.])(?:[\w-]+/)+test_\w+\.py\b", plain):
        yield Named("file", path)


class Checks:
    """What a service checks itself with.

    Args:
        folder: the service's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def has(self, named: Named) -> bool:
        """Whether it is there: a file by its path, else a definition in the service's files."""
        name = re.escape(named.name)
        if named.kind == "file":
            there = os.path.exists(self.folder / named.name)  # noqa: PTH110 (too long is not there)
            return there or any(path.endswith(f"/{named.name}") for path in self._texts)
        if named.kind == "test":
            return self._any(rf"^\s*(?:async )?(?:def|class) {name}\b", ".py")
        alert = rf"^[\s-]*(?:alert|record): *[\"']?{name}[\"']?\s*$"
        if self._any(alert, ".yml", ".yaml"):
            return True
        return named.kind == "rule" and self._any(rf"(?<![\w-]){name}(?![\w-])", ".py", ".toml")

    def _any(self, shape: str, *suffixes: str) -> bool:
        pattern = re.compile(shape, re.MULTILINE)
        return any(
            pattern.search(text) for path, text in self._texts.items() if path.endswith(suffixes)
        )

    @cached_property
    def _texts(self) -> dict[str, str]:
        """The service's code and configuration, by path."""
        texts = {}
        for folder, folders, files in os.walk(self.folder):
            folders[:] = [f for f in folders if f[0] != "." and f not in _LEFT_OUT]
            for file in files:
                if file.endswith((".py", ".yml", ".yaml", ".toml")):
                    path = Path(folder, file)
                    with suppress(OSError):  # what can't be read proves nothing
                        texts[path.as_posix()] = path.read_text("utf-8", errors="replace")
        return texts
