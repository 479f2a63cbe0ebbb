"""The tables of the customers module, as a team would write their migration."""

import sqlalchemy as sa
from alembic import op

revision = "service_0002"
down_revision = "service_0001"
branch_labels = None
depends_on = None

LIVE = sa.text("deleted_at IS NULL")


def columns(table: str) -> list[sa.schema.SchemaItem]:
    now = sa.text("now()")
    return [
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "public_id", sa.Uuid(), server_default=sa.text("new_public_id()"), nullable=False
        ),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_by", sa.Text(), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.CheckConstraint(
            "(deleted_at IS NULL) = (deleted_by IS NULL)", name=op.f(f"ck_{table}_deletion")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=f"fk_{table}_account_id"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.UniqueConstraint("public_id", name=op.f(f"uq_{table}_public_id")),
    ]


def upgrade() -> None:
    op.create_table(
        "customers", sa.Column("name", sa.Text(), nullable=False), *columns("customers")
    )
    name = "ix_customers_account_id_name"
    op.create_index(name, "customers", ["account_id", "name"], unique=True, postgresql_where=LIVE)
    order = ["account_id", "created_at", "public_id"]
    op.create_index("ix_customers_page", "customers", order, postgresql_where=LIVE)
    op.create_table(
        "invoices",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        *columns("invoices"),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_invoices_customer_id")
        ),
        sa.UniqueConstraint(
            "number", name="uq_invoices_number", deferrable=True, initially="DEFERRED"
        ),
    )
    op.create_index("ix_invoices_customer_id", "invoices", ["customer_id"])
    op.execute("SELECT audit_table('customers')")
    op.execute("SELECT audit_table('invoices')")


def downgrade() -> None:
    op.drop_table("invoices")
    op.drop_table("customers")
