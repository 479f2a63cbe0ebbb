"""Which names a resource and its fields may have, as Python, PostgreSQL and the service see them."""

from __future__ import annotations

import keyword
import re

from roadbed.errors import RoadbedError
from roadbed.nouns import require_singular

# `SELECT word FROM pg_get_keywords() WHERE catcode IN ('R', 'T')`; a test asks PostgreSQL itself.
_WORDS = """
    all analyse analyze and any array as asc asymmetric authorization binary both case cast check
    collate collation column concurrently constraint create cross current_catalog current_date
    current_role current_schema current_time current_timestamp current_user default deferrable desc
    distinct do else end except false fetch for foreign freeze from full grant group having ilike in
    initially inner intersect into is isnull join lateral leading left like limit localtime
    localtimestamp natural not notnull null offset on only or order outer overlaps placing primary
    references returning right select session_user similar some symmetric system_user table
    tablesample then to trailing true union unique user using variadic verbose when where window with
"""
SQL_RESERVED = frozenset(_WORDS.split())
# Columns of every audited table.
_COLUMNS = "id public_id account_id created_at updated_at deleted_at deleted_by version"
AUDITED = frozenset(_COLUMNS.split())
# What the files of a module, a model or a body call something else by.
_TAKEN = """
    after_validator annotated any bool construct copy date datetime decimal deletion dict field
    fields from_orm given input int json json_value left_out list literal mapped_column metadata
    model moment none output page parse_file parse_obj parse_raw partial registry relationship
    schema schema_json self set str tuple type_annotation_map update_forward_refs uuid validate
"""
_IN_USE = frozenset(_TAKEN.split())
_FIELD = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LONGEST_FIELD = 30  # ck_<table>_<field> has to fit into PostgreSQL's 63


def check_noun(noun: str, plural: str) -> None:
    """Make sure that a noun can name a resource, as far as the template does not check it.

    Raises:
        RoadbedError: it can't.
    """
    require_singular(noun)
    if plural in SQL_RESERVED:
        raise RoadbedError(
            f"The table of {plural} could not be called so: SQL reserves the word.",
            "Choose another noun.",
        )


def check_field(name: str, noun: str, *, refers: bool = False) -> None:
    """Make sure that a field, of the resource `noun`, can have this name.

    The column of one that refers to another resource is called otherwise: `user_id`.

    Raises:
        RoadbedError: it can't.
    """
    if not _FIELD.fullmatch(name) or not 1 < len(name) <= _LONGEST_FIELD:
        raise RoadbedError(
            f"“{name}” is no name for a field.",
            f"It has 2 to {_LONGEST_FIELD} lower-case letters and digits, in words joined by single"
            " underscores, and starts with a letter: due_on.",
        )
    if name in AUDITED:
        raise RoadbedError(f"Every resource has a “{name}” of its own.", "Leave it out.")
    if keyword.iskeyword(name) or (name in SQL_RESERVED and not refers):
        language = "Python" if keyword.iskeyword(name) else "SQL"
        raise RoadbedError(f"{language} reserves the word “{name}”.", "Choose another name.")
    own = {f"{noun}_{suffix}" for suffix in ("create", "change", "read")}
    if name in _IN_USE | own or name.startswith("model_"):
        raise RoadbedError(
            f"“{name}” already means something in the files of a resource.", "Choose another name."
        )
