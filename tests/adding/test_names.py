"""Names, and those that Python, SQL or the service have a meaning for."""

from __future__ import annotations

import keyword
import re

import pytest
import yaml
from pydantic import BaseModel

from roadbed.adding.names import check_field, check_noun
from roadbed.errors import RoadbedError
from roadbed.template import CHECKOUT


@pytest.mark.parametrize("name", ["amount", "due_on", "line2", "a1", "text", "index", "a" * 30])
def test_a_good_name_is_taken(name: str) -> None:
    check_field(name, "invoice")


@pytest.mark.parametrize(
    "name",
    [
        *("a", "a" * 31, "Amount", "dueOn", "due-on", "due on", "_due", "due_", "due__on", "1st"),
        *("betrag_€", "größe", "\u0430mount", "due_on\n", ""),
        *("id", "public_id", "account_id", "created_at", "deleted_by", "version"),
        *("class", "lambda", "user", "order", "references", "left"),
        *("metadata", "registry", "json", "copy", "model_dump", "field", "datetime"),
        *("invoice_read", "deletion", "page"),
    ],
)
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(RoadbedError) as refused:
        check_field(name, "invoice")
    assert refused.value.exit_code == 2


def test_a_reference_is_a_column_of_another_name() -> None:
    check_field("user", "invoice", refers=True)
    with pytest.raises(RoadbedError, match="Python reserves"):
        check_field("class", "invoice", refers=True)


def test_no_field_hides_what_python_or_pydantic_mean() -> None:
    own = {name for name in dir(BaseModel) if not name.startswith("_")}
    for name in own | set(keyword.kwlist):
        if name == name.lower() and len(name) > 1:
            with pytest.raises(RoadbedError):
                check_field(name, "invoice")


def test_no_fields_type_hides_what_stands_for_something_else() -> None:
    """A field `kind` of some length has a type `Kind` in the module's schemas."""
    (schemas,) = CHECKOUT.glob("template/src/*/modules/*/schemas.py.jinja")
    imports = re.findall(r"^from .+ import (.+)$", schemas.read_text(), re.MULTILINE)
    names = {name for line in imports for name in line.split(", ") if name != name.lower()}
    assert {"AfterValidator", "JsonValue", "Moment"} <= names
    fields = {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower() for name in names}
    for name in fields | {word.lower() for word in keyword.kwlist}:
        with pytest.raises(RoadbedError):
            check_field(name, "invoice")


@pytest.mark.parametrize(
    ("plural", "singular"),
    [("invoices", "invoice"), ("categories", "category"), ("line_items", "line_item")],
)
def test_a_plural_is_refused_with_its_singular(plural: str, singular: str) -> None:
    with pytest.raises(RoadbedError) as refused:
        check_noun(plural, f"{plural}es")
    assert singular in refused.value.advice.split()[-2]


@pytest.mark.parametrize("noun", ["address", "status", "analysis", "lens", "news", "bus"])
def test_a_singular_that_ends_alike_is_taken(noun: str) -> None:
    check_noun(noun, f"{noun}es")


def test_a_plural_that_sql_reserves_is_refused() -> None:
    with pytest.raises(RoadbedError, match="SQL reserves"):
        check_noun("reference", "references")


def test_every_kind_of_the_notation_is_one_of_the_template() -> None:
    from roadbed.adding.notation import KINDS

    entries = yaml.safe_load((CHECKOUT / "copier.yml").read_text())
    assert set(yaml.safe_load(entries["field_kinds"]["default"])) - {"any"} == set(KINDS) - {"ref"}
