"""The database's roles: who the application is, and who purges.

Roles belong to the whole server, so they carry the database's name: `<database>_app` reads and
writes but never deletes, `<database>_purge` deletes what the retention period has passed.
"""

import argparse
import os

from sqlalchemy import text

from .database import TIMEOUTS_MS, engine
from .settings import KitSettings

# A utility statement takes no parameters: the server itself quotes what goes into it.
_CREATE = text("""
    SELECT format('CREATE ROLE %I %s', CAST(:role AS text),
        CASE WHEN CAST(:password AS text) IS NULL THEN 'NOLOGIN'
             ELSE format('LOGIN PASSWORD %L', CAST(:password AS text)) END)
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :role)
""")
_SET = text("""
    SELECT format('ALTER ROLE %I SET %I = %L',
        CAST(:role AS text), CAST(:name AS text), CAST(:value AS text))
""")


async def run(_: argparse.Namespace, settings: KitSettings) -> None:
    """Create the roles that are missing and grant them what they need, now and for new tables.

    The application's password is read from APP_ROLE_PASSWORD.
    """
    password = os.environ.get("APP_ROLE_PASSWORD")
    if not password:
        raise SystemExit("Set APP_ROLE_PASSWORD: the password that DATABASE_URL will use")
    owner = engine(settings.owner_url, {"application_name": "roles"})
    async with owner.begin() as connection:

        async def write(made: str | None) -> None:
            if made is not None:
                await connection.exec_driver_sql(made)

        database = await connection.scalar(text("SELECT current_database()"))
        for role, secret in ((f"{database}_app", password), (f"{database}_purge", None)):
            await write(await connection.scalar(_CREATE, {"role": role, "password": secret}))
            print(role)
        for name, value in TIMEOUTS_MS.items():
            setting = {"role": f"{database}_app", "name": name, "value": str(value)}
            await write(await connection.scalar(_SET, setting))
        await connection.execute(text("SELECT audit_grant()"))
    await owner.dispose()
