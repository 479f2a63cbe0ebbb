"""Customers and their invoices: a unique name among live rows, a foreign key, a deferred check."""

from datetime import datetime

from orders.kit.audit import Base, Owned
from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

LIVE = text("deleted_at IS NULL")


class Customer(Owned, Base):
    __tablename__ = "customers"
    __table_args__ = (
        Index(None, "account_id", "name", unique=True, postgresql_where=LIVE),
        Index("ix_customers_page", "account_id", "created_at", "public_id", postgresql_where=LIVE),
    )

    name: Mapped[str]
    invoices: Mapped[list["Invoice"]] = relationship(back_populates="customer")


class Invoice(Owned, Base):
    __tablename__ = "invoices"
    # Found at COMMIT only: after the handler has said that all is well.
    __table_args__ = (UniqueConstraint("number", deferrable=True, initially="DEFERRED"),)

    customer_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("customers.id"), index=True)
    number: Mapped[int] = mapped_column(BigInteger)
    paid_at: Mapped[datetime | None]
    customer: Mapped[Customer] = relationship(back_populates="invoices")
