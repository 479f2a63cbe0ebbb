"""Tables that break a rule each, by a small change to a good one, and the rules that they break."""

GOOD = """
    CREATE TABLE {table} (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        public_id uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
        account_id bigint NOT NULL REFERENCES accounts (id),
        name text,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        deleted_at timestamptz,
        deleted_by text,
        CHECK ((deleted_at IS NULL) = (deleted_by IS NULL))
    );
    CREATE UNIQUE INDEX {table}_name ON {table} (account_id, name) WHERE deleted_at IS NULL;
    CREATE INDEX {table}_page ON {table} (account_id, created_at, public_id);
    SELECT audit_table('{table}')
"""

KEY = "test_every_table_has_an_integer_key_for_joins_only"
PUBLIC_ID = "test_every_table_has_a_public_id"
COLUMNS = "test_every_table_has_the_four_columns"
DELETION = "test_a_deletion_has_a_time_and_an_actor_or_neither"
ARMED = "test_every_table_is_armed"
ACTIONS = "test_a_foreign_key_deletes_nothing_and_waits_for_nothing"
REFERENCES = "test_a_foreign_key_is_one_indexed_column_that_refers_to_an_id"
UNIQUE = "test_what_is_unique_is_unique_among_live_rows"
OWNER = "test_the_owner_leads_what_is_unique_and_what_is_paged"
VALID = "test_every_index_answers_queries"
ZONE = "test_every_time_knows_its_zone"
SEQUENCE = "test_no_column_counts_by_a_sequence_of_its_own"
GRANTS = "test_the_application_may_not_delete"

REFERENCE = "account_id bigint NOT NULL REFERENCES accounts (id)"
PARENT = "{0}, parent_id bigint REFERENCES accounts (id){1}"
ON_PARENT = "); CREATE INDEX ON {table} (parent_id); CREATE UNIQUE"


def another_key(more: str) -> tuple[tuple[str, str], ...]:
    """A second foreign key, with an index."""
    return (
        (REFERENCE, PARENT.format(REFERENCE, more)),
        ("); CREATE UNIQUE", ON_PARENT),
    )


# Table: what is changed in GOOD, what follows it, and the rules that have to name the table.
BROKEN: dict[str, tuple[tuple[tuple[str, str], ...], str, set[str]]] = {
    "kept_all": ((), "", set()),
    "another_parent": (another_key(""), "", set()),
    "small_key": ((("id bigint GEN", "id integer GEN"),), "", {KEY}),
    "given_key": ((("ALWAYS AS", "BY DEFAULT AS"),), "", {KEY}),
    "serial_key": (
        (("bigint GENERATED ALWAYS AS IDENTITY", "bigserial"),),
        "",
        {KEY, SEQUENCE},
    ),
    "natural_key": (
        ((" PRIMARY KEY", ""), ("UNIQUE,", "PRIMARY KEY,")),
        "CREATE UNIQUE INDEX ON {table} (id) WHERE deleted_at IS NULL",
        {KEY},
    ),
    "no_public_id_default": ((("DEFAULT gen_random_uuid() ", ""),), "", {PUBLIC_ID}),
    "many_public_ids": (((" UNIQUE,", ","),), "", {PUBLIC_ID}),
    "text_public_id": (
        (("uuid NOT NULL DEFAULT gen_random_uuid()", "text NOT NULL DEFAULT gen_random_uuid()"),),
        "",
        {PUBLIC_ID},
    ),
    "naive_creation": ((("created_at timestamptz", "created_at timestamp"),), "", {COLUMNS, ZONE}),
    "naive_due_date": ((("name text", "name text, due timestamp"),), "", {ZONE}),
    "no_deleter": (
        (
            ("deleted_by text,", ""),
            ("CHECK ((deleted_at IS NULL) = (deleted_by IS NULL))", "CHECK (true)"),
        ),
        "",
        {COLUMNS, DELETION},
    ),
    "unpaired": (((" = (deleted_by IS NULL)", " OR (deleted_by IS NULL)"),), "", {DELETION}),
    "counted": ((("name text", "name text, place bigserial"),), "", {SEQUENCE}),
    "unarmed": ((("SELECT audit_table('{table}')", ""),), "", {ARMED}),
    "trigger_gone": ((), "DROP TRIGGER audit_delete ON {table}", {ARMED}),
    "trigger_asleep": ((), "ALTER TABLE {table} DISABLE TRIGGER audit_truncate", {ARMED}),
    "trigger_changed": (
        (),
        "CREATE OR REPLACE TRIGGER audit_delete BEFORE DELETE ON {table} FOR EACH ROW WHEN (OLD.name IS NULL) EXECUTE FUNCTION audit_refuse_delete()",
        {ARMED},
    ),
    "parent_not_watched": (
        another_key(""),
        "DROP TRIGGER audit_parent_parent_id ON {table}",
        {ARMED},
    ),
    "cascading": (another_key(" ON DELETE CASCADE"), "", {ACTIONS}),
    "nulling": (another_key(" ON DELETE SET NULL"), "", {ACTIONS}),
    "defaulting": (another_key(" ON UPDATE SET DEFAULT"), "", {ACTIONS}),
    "deferring": (another_key(" DEFERRABLE"), "", {ACTIONS}),
    "no_index_on_parent": (another_key("")[:1], "", {REFERENCES}),
    "public_parent": (
        ((REFERENCE, f"{REFERENCE}, parent uuid REFERENCES accounts (public_id)"),),
        "CREATE INDEX ON {table} (parent); DROP TRIGGER audit_parent_parent ON {table}",
        {REFERENCES, ARMED},
    ),
    "unique_for_ever": (((" WHERE deleted_at IS NULL", ""),), "", {UNIQUE}),
    "unique_constraint": ((("name text", "name text, UNIQUE (account_id, name)"),), "", {UNIQUE}),
    "unique_elsewhere": (
        (("{table} (account_id, name)", "{table} (name)"),),
        "",
        {OWNER},
    ),
    "paged_by_all": (
        (("{table} (account_id, created_at", "{table} (created_at, account_id"),),
        "",
        {OWNER},
    ),
    "ownerless": ((("bigint NOT NULL REFERENCES", "bigint REFERENCES"),), "", {OWNER}),
    "half_an_index": (
        (),
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{table}_page'::regclass",
        {VALID},
    ),
    "deletable": ((), "GRANT DELETE ON {table} TO PUBLIC", {GRANTS}),
}


def statements() -> list[str]:
    """The SQL that makes them all."""
    made = []
    for table, (changes, after, _) in BROKEN.items():
        sql = " ".join(GOOD.split())
        for old, new in changes:
            assert old in sql, f"{table}: {old!r} is not in {sql}"
            sql = sql.replace(old, new)
        made += f"{sql};{after}".replace("{table}", table).split(";")
    return [each.strip() for each in made if each.strip()]
