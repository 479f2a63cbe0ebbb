"""The tables of models.py, as they should be."""

import sqlalchemy as sa
from alembic import op
from orders.kit.audit import Base

revision = "service_0002"
down_revision = "service_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("mutants", "hoarders"):
        Base.metadata.tables[name].create(op.get_bind())
        op.execute(sa.text("SELECT audit_table(:name)").bindparams(name=name))


def downgrade() -> None:
    for name in ("mutants", "hoarders"):
        op.drop_table(name)
