"""`/api/v1/customers`: what the default module does, for tables that refer to each other."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Response
from orders.kit.dependencies import Calling, Paging, Reading, Writing
from orders.kit.pagination import PageOf
from orders.kit.repository import Repository
from orders.kit.schemas import Input, Output
from pydantic import Field

from .models import Customer, Invoice

customers = Repository(Customer)
invoices = Repository(Invoice)
router = APIRouter(prefix="/customers")


class Address(Input):
    lines: tuple[Annotated[str, Field(max_length=20)], ...] = ()


class CustomerCreate(Input):
    name: str
    # Not kept: they are there to be wrong in.
    address: Address = Address()
    labels: dict[str, int] = Field(default_factory=dict)


class InvoiceCreate(Input):
    number: int


class CustomerRead(Output):
    public_id: UUID
    name: str


class InvoiceRead(Output):
    public_id: UUID
    number: int


@router.post("", response_model=CustomerRead, status_code=201)
async def create(new: CustomerCreate, caller: Calling, session: Writing) -> Customer:
    return await customers.add(session, caller, Customer(name=new.name))


@router.get("", response_model=PageOf[CustomerRead])
async def page(
    caller: Calling, session: Reading, paging: Paging, response: Response
) -> dict[str, object]:
    page = await customers.page(session, caller, paging)
    response.headers["Link"] = page.link
    return page.body()


@router.delete("/{public_id}", status_code=204)
async def delete(public_id: UUID, caller: Calling, session: Writing) -> None:
    await customers.delete(session, caller, public_id)


@router.post("/{public_id}/restore", response_model=CustomerRead)
async def restore(public_id: UUID, caller: Calling, session: Writing) -> Customer:
    return await customers.restore(session, caller, public_id)


@router.post("/{public_id}/invoices", response_model=InvoiceRead, status_code=201)
async def bill(public_id: UUID, new: InvoiceCreate, caller: Calling, session: Writing) -> Any:
    customer = await customers.get(session, caller, public_id)
    row = Invoice(customer_id=customer.id, number=new.number)
    return await invoices.add(session, caller, row)


@router.delete("/invoices/{public_id}", status_code=204)
async def delete_invoice(public_id: UUID, caller: Calling, session: Writing) -> None:
    await invoices.delete(session, caller, public_id)


@router.post("/invoices/{public_id}/restore", response_model=InvoiceRead)
async def restore_invoice(public_id: UUID, caller: Calling, session: Writing) -> Any:
    return await invoices.restore(session, caller, public_id)
