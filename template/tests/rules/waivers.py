"""Where this service departs from a rule: by name, and with the reason."""

# Tables that are no audited tables.
TABLES = {
    "alembic_version": "Alembic's own note of the migrations that were applied",
    "idempotency_key": "answers that are replayed for a day: no record of business, and purged",
}

# Unique indexes that count deleted rows as well.
UNIQUE_FOR_EVER = {
    "uq_api_keys_prefix": "a revoked key's prefix still names it in logs and in deleted_by",
}

# For a table that no POST of the API fills: an INSERT that makes one row.
ROWS: dict[str, str] = {}
