"""What keeps every table true, whoever writes: `SELECT audit_table('payments')` arms a table."""

from alembic import op

revision = "kit_0001"
down_revision = None
branch_labels = ("kit",)
depends_on = None

FUNCTIONS = {
    # Who acts: the service says it in each transaction; a person at a console is a role.
    "audit_actor()": """
RETURNS text STABLE LANGUAGE sql AS $$
    SELECT coalesce(nullif(current_setting('app.actor', true), ''), session_user)
$$
""",
    # A soft delete is refused while a live row refers to the row. FOR UPDATE waits for those who
    # are attaching one: their foreign key holds FOR KEY SHARE until they commit.
    "audit_refuse_orphans(parent regclass, parent_id bigint)": """
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    child record;
    found_one boolean;
BEGIN
    EXECUTE format('SELECT 1 FROM %s WHERE id = $1 FOR UPDATE', parent) USING parent_id;
    FOR child IN
        SELECT con.conrelid::regclass AS name, att.attname AS key
        FROM pg_constraint con
        JOIN pg_attribute att ON att.attrelid = con.conrelid AND att.attnum = con.conkey[1]
        JOIN pg_attribute del ON del.attrelid = con.conrelid AND del.attname = 'deleted_at'
        WHERE con.contype = 'f' AND con.confrelid = parent
    LOOP
        EXECUTE format(
            'SELECT EXISTS (SELECT 1 FROM %s WHERE %I = $1 AND deleted_at IS NULL)',
            child.name, child.key
        ) INTO found_one USING parent_id;
        IF found_one THEN
            RAISE EXCEPTION 'live rows of % refer to this row of %', child.name, parent
                USING ERRCODE = 'restrict_violation';
        END IF;
    END LOOP;
END $$
""",
    # `updated_at` moves when, and only when, a value does; a deletion names its actor, once.
    "audit_touch()": """
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.deleted_at IS NULL THEN
        NEW.deleted_by := NULL;
    ELSIF OLD.deleted_at IS NULL THEN
        NEW.deleted_by := audit_actor();
        PERFORM audit_refuse_orphans(TG_RELID, OLD.id);
    ELSE
        NEW.deleted_at := OLD.deleted_at;
        NEW.deleted_by := OLD.deleted_by;
    END IF;
    NEW.updated_at := OLD.updated_at;
    IF NEW IS DISTINCT FROM OLD THEN
        NEW.updated_at := clock_timestamp();
    END IF;
    RETURN NEW;
END $$
""",
    # Runs after audit_touch (triggers fire in the order of their names).
    "audit_version()": """
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := OLD.version + CASE WHEN NEW.updated_at = OLD.updated_at THEN 0 ELSE 1 END;
    RETURN NEW;
END $$
""",
    "audit_keep()": """
RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    kept text;
BEGIN
    FOREACH kept IN ARRAY TG_ARGV LOOP
        IF to_jsonb(NEW) -> kept IS DISTINCT FROM to_jsonb(OLD) -> kept THEN
            RAISE EXCEPTION '% of % never changes', kept, TG_TABLE_NAME
                USING ERRCODE = 'restrict_violation';
        END IF;
    END LOOP;
    RETURN NEW;
END $$
""",
    # Runs after the foreign key's own check, which holds FOR KEY SHARE on the parent by then.
    "audit_live_parent()": """
RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    parent_id bigint := to_jsonb(NEW) ->> TG_ARGV[1];
    dead boolean;
BEGIN
    IF NEW.deleted_at IS NULL AND parent_id IS NOT NULL THEN
        EXECUTE format('SELECT deleted_at IS NOT NULL FROM %s WHERE id = $1', TG_ARGV[0])
            INTO dead USING parent_id;
        IF dead THEN
            RAISE EXCEPTION '% of % refers to a deleted row', TG_ARGV[1], TG_TABLE_NAME
                USING ERRCODE = 'foreign_key_violation';
        END IF;
    END IF;
    RETURN NULL;
END $$
""",
    "audit_refuse_delete()": """
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('app.purge', true) = 'on' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION '% on % is refused: its rows are soft deleted', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation',
            HINT = 'Set deleted_at. A purge says so: SET LOCAL app.purge = ''on''.';
END $$
""",
    # May be called again, when a table got another foreign key.
    "audit_table(audited regclass)": """
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    has_version boolean;
    has_owner boolean;
    parent record;
BEGIN
    SELECT count(*) FILTER (WHERE attname = 'version') > 0,
           count(*) FILTER (WHERE attname = 'account_id') > 0
        INTO has_version, has_owner
        FROM pg_attribute WHERE attrelid = audited AND NOT attisdropped;
    EXECUTE format('CREATE OR REPLACE TRIGGER audit_a_keep
        BEFORE UPDATE OF id, public_id, created_at ON %s FOR EACH ROW
        EXECUTE FUNCTION audit_keep(''id'', ''public_id'', ''created_at'')', audited);
    IF has_owner THEN
        EXECUTE format('CREATE OR REPLACE TRIGGER audit_a_keep_owner
            BEFORE UPDATE OF account_id ON %s FOR EACH ROW
            EXECUTE FUNCTION audit_keep(''account_id'')', audited);
    END IF;
    EXECUTE format('CREATE OR REPLACE TRIGGER audit_b_touch
        BEFORE UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION audit_touch()', audited);
    IF has_version THEN
        EXECUTE format('CREATE OR REPLACE TRIGGER audit_c_version
            BEFORE UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION audit_version()', audited);
    END IF;
    EXECUTE format('CREATE OR REPLACE TRIGGER audit_delete
        BEFORE DELETE ON %s FOR EACH ROW EXECUTE FUNCTION audit_refuse_delete()', audited);
    EXECUTE format('CREATE OR REPLACE TRIGGER audit_truncate
        BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_delete()', audited);
    FOR parent IN
        SELECT con.confrelid::regclass AS name, att.attname AS key
        FROM pg_constraint con
        JOIN pg_attribute att ON att.attrelid = con.conrelid AND att.attnum = con.conkey[1]
        WHERE con.contype = 'f' AND con.conrelid = audited
    LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER %I
            AFTER INSERT OR UPDATE OF %I, deleted_at ON %s FOR EACH ROW
            EXECUTE FUNCTION audit_live_parent(%L, %L)',
            'audit_parent_' || parent.key, parent.key, audited, parent.name, parent.key);
    END LOOP;
END $$
""",
    # The application's role, where there is one, reads and writes and never deletes.
    "audit_grant()": """
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    application text := current_database() || '_app';
    purge text := current_database() || '_purge';
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = application) THEN
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', application);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO %I',
            application);
        EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA public
            GRANT SELECT, INSERT, UPDATE ON TABLES TO %I', application);
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = purge) THEN
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', purge);
        EXECUTE format('GRANT SELECT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO %I', purge);
        EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA public
            GRANT SELECT, UPDATE, DELETE ON TABLES TO %I', purge);
    END IF;
END $$
""",
}


def upgrade() -> None:
    for signature, body in FUNCTIONS.items():
        op.execute(f"CREATE FUNCTION {signature} {body}")
    op.execute("SELECT audit_grant()")


def downgrade() -> None:
    for signature in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {signature}")
