"""What keeps an audited table true: `SELECT audit_table(…)` with its name arms a table."""

from alembic import op

revision = "kit_0001"
down_revision = None
branch_labels = ("kit",)
depends_on = None

# Identity and creation never change, and `updated_at` moves when, and only when, a value does.
TOUCH_ROW = """
CREATE FUNCTION audit_touch_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.public_id, NEW.created_at)
        IS DISTINCT FROM (OLD.id, OLD.public_id, OLD.created_at)
    THEN
        RAISE EXCEPTION 'id, public_id and created_at of % never change', TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END IF;
    NEW.updated_at := OLD.updated_at;
    IF NEW IS DISTINCT FROM OLD THEN
        NEW.updated_at := clock_timestamp();
    END IF;
    RETURN NEW;
END $$
"""

REFUSE_DELETE = """
CREATE FUNCTION audit_refuse_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: its rows are soft deleted', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', HINT = 'Set deleted_at and deleted_by instead.';
END $$
"""

AUDIT_TABLE = """
CREATE FUNCTION audit_table(audited regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE OR REPLACE TRIGGER audit_touch_row BEFORE UPDATE ON %s
        FOR EACH ROW EXECUTE FUNCTION audit_touch_row()', audited);
    EXECUTE format('CREATE OR REPLACE TRIGGER audit_refuse_delete BEFORE DELETE ON %s
        FOR EACH ROW EXECUTE FUNCTION audit_refuse_delete()', audited);
    EXECUTE format('CREATE OR REPLACE TRIGGER audit_refuse_truncate BEFORE TRUNCATE ON %s
        FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_delete()', audited);
END $$
"""


def upgrade() -> None:
    for function in (TOUCH_ROW, REFUSE_DELETE, AUDIT_TABLE):
        op.execute(function)


def downgrade() -> None:
    op.execute("DROP FUNCTION audit_table(regclass)")
    op.execute("DROP FUNCTION audit_refuse_delete()")
    op.execute("DROP FUNCTION audit_touch_row()")
