"""Idempotency keys: one row a key, written in the transaction of the request that it names."""

import sqlalchemy as sa
from alembic import op

revision = "kit_0003"
down_revision = "kit_0002"
branch_labels = None
depends_on = None
accepted_risks = {"prefer-bigint-over-smallint": "an HTTP status has three digits"}


def upgrade() -> None:
    op.create_table(
        "idempotency_key",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("headers", sa.LargeBinary(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("octet_length(digest) = 16", name=op.f("ck_idempotency_key_digest")),
        sa.CheckConstraint(
            "octet_length(fingerprint) = 32", name=op.f("ck_idempotency_key_fingerprint")
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_idempotency_key")),
        # Each row is written twice: room on the page keeps the second one cheap.
        postgresql_with={"fillfactor": 80, "autovacuum_vacuum_scale_factor": 0.02},
    )
    op.create_index(op.f("ix_idempotency_key_expires_at"), "idempotency_key", ["expires_at"])
    op.execute("SELECT audit_grant()")


def downgrade() -> None:
    op.drop_table("idempotency_key")
