"""The commands that a document tells people to type."""

import re
from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token

# What a command in the middle of a sentence begins with; in a block of its own every line is one.
PROGRAMS = (
    "alembic|curl|docker|git|grep|jq|kill|kubectl|make|pg_dump|pg_restore|psql|python3?|redis-cli"
    r"|roadbed|uv|\.venv/bin/\w+"
)
COMMAND = re.compile(rf"([A-Z_]+=\S* )*({PROGRAMS}) \S")
SHELL = {"", "sh", "bash", "shell", "console"}


def tokens(text: str) -> Iterator[Token]:
    """Every token of a document, those inside of a line as well."""
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        yield token
        yield from token.children or ()


def commands(text: str) -> list[str]:
    """Each command of a document, on one line, without the remark behind it."""
    found = []
    for token in tokens(text):
        if token.type in {"fence", "code_block"} and token.info.strip() in SHELL:
            lines = token.content.replace("\\\n", " ").splitlines()
            found += [line for line in lines if line.strip() and not line.startswith("#")]
        elif token.type == "code_inline" and COMMAND.match(token.content):
            found.append(token.content)
    return [re.sub(r"\s+", " ", re.sub(r"\s+# .*$", "", line)).strip() for line in found]
