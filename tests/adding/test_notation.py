"""The notation for fields, and everything that looks like it."""

from __future__ import annotations

import pytest

from roadbed.adding.described import described
from roadbed.adding.notation import Field, fields
from roadbed.errors import RoadbedError


def one(text: str) -> Field:
    (field,) = fields([text], [], "invoice")
    return field


@pytest.mark.parametrize(
    ("text", "kind", "arguments"),
    [
        ("currency:str(3)", "str", (3,)),
        ("currency:str:3", "str", (3,)),
        ("currency:str( 3 )", "str", (3,)),
        ("notes:text", "text", ()),
        ("count:int", "int", ()),
        ("total:bigint", "bigint", ()),
        ("price:decimal(10,2)", "decimal", (10, 2)),
        ("price:decimal:10,0", "decimal", (10, 0)),
        ("rate:decimal(4, 4)", "decimal", (4, 4)),
        ("paid:bool", "bool", ()),
        ("due_on:date", "date", ()),
        ("sent_at:datetime", "datetime", ()),
        ("token:uuid", "uuid", ()),
        ("extra:json", "json", ()),
        ("status:enum(draft,sent,paid)", "enum", ("draft", "sent", "paid")),
        ("status:enum:in_transit,b-2,x.y", "enum", ("in_transit", "b-2", "x.y")),
        ("customer:ref", "ref", ()),
    ],
)
def test_each_type_is_read(text: str, kind: str, arguments: tuple[object, ...]) -> None:
    assert one(text) == Field(text.partition(":")[0], kind, arguments)
    assert one(f"{text}?") == Field(text.partition(":")[0], kind, arguments, required=False)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "amount",
            "amount:",
            ":int",
            "amount int",
            "amount=int",
            "amount::int",
            "amount:int:",
        ),
        *("amount:Int", "amount:integer", "amount:int()", "amount:int(4)", "amount:int??"),
        *(
            "?amount:int",
            "amount?:int",
            "amount:int ",
            " amount:int",
            "amount:int\n",
            "amount\uff1aint",
        ),
        *("code:str", "code:str()", "code:str(0)", "code:str(-1)", "code:str(x)", "code:str(3,4)"),
        *("code:str(10001)", "code:str(3", "code:str3)", "code:str((3))", "code:str(³)"),
        *("price:decimal", "price:decimal(2)", "price:decimal(2,3)", "price:decimal(0,0)"),
        *("price:decimal(29,2)", "price:decimal(1,2,3)"),
        *("status:enum", "status:enum()", "status:enum(a)", "status:enum(a,a)", "status:enum(a,)"),
        *("status:enum(a,b c)", "status:enum(a,'b')", "status:enum(a,é)", "status:enum(a,-b)"),
        *('status:enum(a,"b)', "status:enum(a,%s)", "status:enum(a,{{b}})"),
        *("customer:ref(customers)", "customer:ref:customers"),
        *("item_id:int", "item_id:bigint?", "item_ids:bigint", "ids:int", "item_id:decimal(9,2)"),
    ],
)
def test_what_looks_like_it_is_refused_in_two_sentences(text: str) -> None:
    with pytest.raises(RoadbedError) as refused:
        one(text)
    assert refused.value.exit_code == 2
    assert refused.value.what.endswith(".")
    assert refused.value.advice.endswith(".")


@pytest.mark.parametrize(
    "written",
    [
        ["amount:int", "amount:int"],
        ["amount:int", "amount:text?"],
        ["customer:ref", "customer:text"],
        ["customer:ref", "customer_id:uuid"],
        ["customer_id:uuid", "customer:ref"],
        ["customer:ref", "customer:ref?"],
    ],
)
def test_two_fields_of_one_name_are_refused(written: list[str]) -> None:
    with pytest.raises(RoadbedError, match="two"):
        fields(written, [], "invoice")


def test_a_resource_without_a_field_is_refused() -> None:
    with pytest.raises(RoadbedError, match="would keep nothing"):
        fields([], [], "invoice")


def test_what_is_unique_is_one_of_the_fields_or_one_more() -> None:
    code, number, serial = fields(["code:str(8)"], ["code", "number", "serial:bigint?"], "invoice")
    assert code == Field("code", "str", (8,), unique=True)
    assert number == Field("number", "str", (200,), unique=True)
    assert serial == Field("serial", "bigint", required=False, unique=True)


@pytest.mark.parametrize(
    "unique", ["paid:bool", "notes:text", "day:date", "extra:json", "x:str(1)", "customer:ref"]
)
def test_what_tells_no_rows_apart_is_not_unique(unique: str) -> None:
    with pytest.raises(RoadbedError, match="can't be unique"):
        fields(["amount:int"], [unique], "invoice")


def test_a_decimal_without_a_whole_digit_has_an_example_that_fits() -> None:
    assert described(one("rate:decimal(2,2)"))["example"] == '"0.11"'
    assert described(one("rate:decimal(2,0)"))["example"] == '"1"'
    assert described(one("rate:decimal(4,2)"))["example"] == '"1.11"'
