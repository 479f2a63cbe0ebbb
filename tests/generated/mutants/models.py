"""Two tables: one with the index that pages need, and one whose index holds deleted rows too."""

from orders.kit.audit import Base, Owned
from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped


class Mutant(Owned, Base):
    __tablename__ = "mutants"
    __table_args__ = (
        Index(
            "ix_mutants_page",
            "account_id",
            "created_at",
            "public_id",
            postgresql_where=text("deleted_at IS NULL"),
        ),
    )

    name: Mapped[str | None]


class Hoarder(Owned, Base):
    __tablename__ = "hoarders"
    __table_args__ = (Index("ix_hoarders_page", "account_id", "created_at", "public_id"),)
