"""The service's own command line: keys, restoring a row, purging, the database's roles."""

import argparse
import asyncio
import getpass
import inspect
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from pydantic_settings import SettingsError
from sqlalchemy import func as sql
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError

from . import purge, roles, versioning
from .audit import Base, Resource
from .auth import SUPPORT, Account, ApiKey, Caller, issue
from .database import Database, WriteSession
from .errors import Problem, from_exception
from .repository import Repository
from .settings import KitSettings, UnsafeSettings
from .unit_of_work import UnitOfWork

Arguments = argparse.Namespace


def main(
    program: str,
    settings: Callable[[], KitSettings],
    modules: ModuleType,
    *further: Callable[[Any], None],
) -> None:
    """Run the command that `sys.argv` names; exits 1 where the answer is no, 2 on wrong usage.

    Each of `further` adds a command to the parser's verbs.
    """
    versioning.import_models(modules)
    parser, verbs = _parser(program, modules)
    for add in further:
        add(verbs)
    arguments = parser.parse_args()
    try:
        configured = settings()
        configured.refuse_unsafe()
        running = arguments.run(arguments, configured)
        if inspect.iscoroutine(running):
            asyncio.run(running)
    except SettingsError as error:
        wanted = "it takes JSON; RUNBOOK's settings show which"
        print(f"{program}: {error}: {wanted}", file=sys.stderr)
        sys.exit(2)
    except (ValidationError, UnsafeSettings) as error:
        print(f"{program}: {error}", file=sys.stderr)
        sys.exit(2)
    except Exception as error:
        problem = from_exception(error)
        if problem is not None:
            sys.exit(f"{program}: {problem.detail or problem.title}")
        if isinstance(error, DBAPIError):
            sys.exit(f"{program}: {error.orig}")
        raise


def _parser(program: str, modules: ModuleType) -> tuple[argparse.ArgumentParser, Any]:
    parser = argparse.ArgumentParser(prog=f"python -m {program}")
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")

    keys = verbs.add_parser("keys", help="API keys").add_subparsers(required=True, metavar="VERB")
    create = keys.add_parser("create", help="make a key and show it, once")
    create.add_argument("--account", required=True, help="whose it is; made if need be")
    create.add_argument("--name", required=True, help="what it is for")
    create.add_argument(
        "--scope",
        action="append",
        required=True,
        choices=["*", SUPPORT, *versioning.scopes(modules)],
        metavar="SCOPE",
        help="<module>:read, <module>:write, <module>:*, * (all but support), support; repeatable",
    )
    create.set_defaults(run=_create_key)
    keys.add_parser("list", help="live keys, without their secrets").set_defaults(run=_list_keys)
    revoke = keys.add_parser("revoke", help="end a key at once")
    revoke.add_argument("prefix", help="as listed: key_0123456789ab")
    revoke.set_defaults(run=_revoke_key)

    restore = verbs.add_parser("restore", help="bring a deleted row back")
    restore.add_argument("table")
    restore.add_argument("public_id", type=UUID)
    restore.set_defaults(run=_restore)

    removal = verbs.add_parser("purge", help="remove rows deleted more than RETENTION_DAYS ago")
    removal.set_defaults(run=purge.run)
    creation = verbs.add_parser("roles", help="create the database's roles, as its owner")
    creation.set_defaults(run=roles.run)
    return parser, verbs


@asynccontextmanager
async def _transaction(settings: KitSettings) -> AsyncIterator[WriteSession]:
    """A session for one command, in the name of whoever runs it."""
    database = Database(settings, application_name="command")
    unit = UnitOfWork(database)
    unit.acts_as(f"cli:{getpass.getuser()}")
    try:
        yield await unit.write()
        await unit.commit()
    finally:
        await unit.close()
        await database.close()


async def _create_key(arguments: Arguments, settings: KitSettings) -> None:
    pepper = settings.api_key_pepper.get_secret_value()
    async with _transaction(settings) as session:
        key = await issue(
            session,
            pepper,
            account=arguments.account,
            name=arguments.name,
            scopes=arguments.scope,
        )
    print(key)


async def _list_keys(_: Arguments, settings: KitSettings) -> None:
    live = (
        select(ApiKey, Account)
        .join(Account, Account.id == ApiKey.account_id)
        .order_by(Account.name, ApiKey.created_at)
    )
    async with _transaction(settings) as session:
        for key, account in await session.execute(live):
            used = key.last_used_at.isoformat(timespec="minutes") if key.last_used_at else "never"
            owner = f"{account.name} {account.public_id}"
            print(key.prefix, owner, key.name, ",".join(key.scopes), f"used {used}", sep="\t")


async def _revoke_key(arguments: Arguments, settings: KitSettings) -> None:
    revoke = (
        update(ApiKey)
        .where(ApiKey.prefix == arguments.prefix)
        .values(deleted_at=sql.clock_timestamp())
        .returning(ApiKey.id)
    )
    async with _transaction(settings) as session:
        if (await session.execute(revoke)).first() is None:
            raise Problem("not-found", f"no live key is called {arguments.prefix}")


async def _restore(arguments: Arguments, settings: KitSettings) -> None:
    tables = {
        str(mapper.local_table): mapper.class_
        for mapper in Base.registry.mappers
        if issubclass(mapper.class_, Resource)
    }
    if arguments.table not in tables:
        raise Problem("not-found", f"tables that can be restored: {', '.join(sorted(tables))}")
    support = Caller(0, UUID(int=0), "support", frozenset({SUPPORT}))
    async with _transaction(settings) as session:
        repository: Repository[Resource] = Repository(tables[arguments.table])
        await repository.restore(session, support, arguments.public_id)
    print(f"restored {arguments.public_id}")
