"""RB301, RB302 and RB303: queries, tables and deletions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from checked import ask, lines, state

from roadbed.checklist.evidence import State

if TYPE_CHECKING:
    from pathlib import Path

STARS = {
    "plain": "SELECT * FROM users",
    "of a table": "SELECT u.*, 1 FROM users u",
    "after columns": "SELECT id, * FROM users",
    "inside": "SELECT id FROM (SELECT * FROM users) u",
    "copied": "INSERT INTO archive SELECT * FROM users",
    "a view": "CREATE VIEW v AS SELECT * FROM users",
    "a CTE that is open": "WITH u AS (SELECT * FROM users) SELECT id FROM u",
    "joined": "SELECT * FROM users u JOIN (SELECT id FROM orders) o ON o.id = u.id",
    "with a parameter": "SELECT * FROM users WHERE id = %s AND name = %(name)s",
    "upper and lower": "select distinct * from users",
}
NO_STARS = {
    "counted": "SELECT count(*) FROM users",
    "asked for": "SELECT 1 WHERE EXISTS (SELECT * FROM users)",
    "columns": "SELECT id, name FROM users",
    "of a CTE": "WITH u AS (SELECT id FROM users) SELECT * FROM u",
    "of a subquery": "SELECT * FROM (SELECT id, name FROM users) u",
    "a product": "SELECT price * amount FROM lines",
    "of a function": "SELECT * FROM generate_series(1, 3)",
    "of values": "SELECT * FROM (VALUES (1, 2)) AS v (a, b)",
    "in a literal": "SELECT 'SELECT * FROM users' AS text FROM notes",
    "in a comment": "SELECT id FROM users -- not SELECT * FROM users",
}


@pytest.mark.parametrize("case", STARS)
def test_stars(tmp_path: Path, case: str) -> None:
    files = {
        "src/app/q.py": f"db.execute('''{STARS[case]}''')\n",
        "queries/q.sql": f"SELECT 1;\n\n{STARS[case]};\n",
    }
    result = ask(tmp_path, files, "select-star")
    assert lines(result) == ["queries/q.sql:3", "src/app/q.py:1"]


@pytest.mark.parametrize("case", NO_STARS)
def test_stars_that_are_none(tmp_path: Path, case: str) -> None:
    files = {"src/app/q.py": f'db.execute("""{NO_STARS[case]}""")\n', "q.sql": NO_STARS[case]}
    assert state(tmp_path, files, "RB301") is State.PASS


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    '''SELECT * FROM users is what this avoids.'''\n",
        "print('Select * from the menu, then press enter')\n",
        "# SELECT * FROM users\n",
        "help = 'SELECT your seat'\n",
    ],
)
def test_prose_is_no_sql(tmp_path: Path, source: str) -> None:
    assert state(tmp_path, {"src/app/q.py": source}, "RB301") in {State.NA, State.PASS}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("q = f'SELECT * FROM {table} WHERE id = {id}'\n", State.FAIL),
        ("q = 'SELECT * FROM ' + table\n", State.FAIL),
        ("q = 'SELECT * ' 'FROM users'\n", State.FAIL),
        ("q = 'SELECT * FROM {} WHERE x = {x}'.format(t, x=1)\n", State.FAIL),
        ("q = 'UPDATE users SET x = 1 RETURNING *'\n", State.WARN),
        ("db.execute('SELECT * FROM users WHERE (((')\n", State.UNKNOWN),
        ("q = 'SELECT * FROM users WHERE ((('\n", State.PASS),
        ("q = f'SELECT {columns} FROM users'\n", State.PASS),
    ],
)
def test_sql_that_is_put_together(tmp_path: Path, source: str, expected: State) -> None:
    assert state(tmp_path, {"src/app/q.py": source}, "RB301") is expected


# RB302 ----------------------------------------------------------------------------------------

AUDITED = """
    class Audited:
        created_at: Mapped[datetime] = mapped_column()
        updated_at: Mapped[datetime] = mapped_column()
        deleted_at: Mapped[datetime | None] = mapped_column()
        deleted_by: Mapped[str | None] = mapped_column()
"""
COLUMNS = "created_at timestamptz, updated_at timestamptz, deleted_at timestamptz, deleted_by text"
BARE = {
    "a model": "class T(Base):\n    __tablename__ = 't'\n    id = Column(Integer)\n",
    "three of four": (
        "class T(Base):\n    __tablename__ = 't'\n    created_at = Column()\n"
        "    updated_at = Column()\n    deleted_at = Column()\n"
    ),
    "SQLModel": "class T(SQLModel, table=True):\n    id: int | None = None\n",
    "Flask-SQLAlchemy": "class T(db.Model):\n    id = db.Column(db.Integer)\n",
    "a property": (
        "class T(Base):\n    __tablename__ = 't'\n    created_at = updated_at = Column()\n"
        "    deleted_at = Column()\n    @property\n    def deleted_by(self): ...\n"
    ),
    "Core": "import sqlalchemy as sa\nt = sa.Table('t', meta, sa.Column('id', sa.Integer))\n",
    "another name": (
        "class T(Base):\n    __tablename__ = 't'\n    created_at = Column('made')\n"
        "    updated_at = Column()\n    deleted_at = Column()\n    deleted_by = Column()\n"
    ),
}
WHOLE = {
    "by a mixin": "class T(Audited, Base):\n    __tablename__ = 't'\n",
    "by a base of a base": (
        "class R(Audited):\n    pass\nclass T(R, Base):\n    __tablename__ = 't'\n"
    ),
    "by names of columns": (
        "class T(Base):\n    __tablename__ = 't'\n    made = Column('created_at')\n"
        "    changed = Column('updated_at')\n    gone = Column('deleted_at')\n"
        "    by = Column('deleted_by')\n"
    ),
    "by functions": (
        "class T(Base):\n    __tablename__ = 't'\n    created_at = Column()\n"
        "    updated_at = Column()\n    deleted_at = Column()\n    @declared_attr\n"
        "    def deleted_by(cls): ...\n"
    ),
}


@pytest.mark.parametrize("case", BARE)
def test_tables_without_their_columns(tmp_path: Path, case: str) -> None:
    files = {"src/app/models.py": BARE[case], "src/app/audit.py": AUDITED}
    result = ask(tmp_path, files, "table-without-audit-columns")
    assert [each.subject for each in result.of(State.FAIL)] == ["t"]


@pytest.mark.parametrize("case", WHOLE)
def test_tables_with_their_columns(tmp_path: Path, case: str) -> None:
    files = {"src/app/models.py": WHOLE[case], "src/app/audit.py": AUDITED}
    assert state(tmp_path, files, "RB302") is State.PASS


def test_what_is_no_table(tmp_path: Path) -> None:
    source = (
        "class A(Base):\n    __abstract__ = True\nclass B(BaseModel):\n    id: int\n"
        "class C(SQLModel):\n    id: int\nclass D(models.Model):\n    x = 1\n"
    )
    assert state(tmp_path, {"src/app/models.py": source}, "RB302") is State.NA


def test_a_base_from_elsewhere_may_bring_them(tmp_path: Path) -> None:
    source = "from lib import Stamped\nclass T(Stamped, Base):\n    __tablename__ = 't'\n"
    assert state(tmp_path, {"src/app/models.py": source}, "RB302") is State.UNKNOWN


def test_bases_that_go_round_end(tmp_path: Path) -> None:
    source = "class A(B): ...\nclass B(A): ...\nclass T(A, B):\n    __tablename__ = 't'\n"
    assert state(tmp_path, {"m.py": source}, "RB302") is State.FAIL


def migration(*calls: str) -> str:
    return "from alembic import op\nimport sqlalchemy as sa\ndef upgrade():\n" + "".join(
        f"    {call}\n" for call in calls
    )


HALF = "sa.Column('created_at'), sa.Column('updated_at')"
REST = "sa.Column('deleted_at'), sa.Column('deleted_by')"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (migration(f"op.create_table('t', {HALF})"), State.FAIL),
        (migration(f"op.create_table('t', {HALF}, {REST})"), State.PASS),
        (migration(f"op.create_table('t', {HALF}, *more())"), State.UNKNOWN),
        (migration("op.execute('CREATE TABLE t (id int, CHECK (id > 0))')"), State.FAIL),
        (migration(f"op.execute('CREATE UNLOGGED TABLE public.t ({COLUMNS})')"), State.PASS),
        (migration("op.execute('CREATE TABLE t (LIKE u INCLUDING ALL)')"), State.UNKNOWN),
        (
            migration(
                f"op.create_table('t', {HALF})",
                "op.add_column('t', sa.Column('deleted_at'))",
                "op.execute('ALTER TABLE t ADD COLUMN deleted_by text')",
            ),
            State.PASS,
        ),
        (
            migration(
                f"op.create_table('t', {HALF})",
                "with op.batch_alter_table('t') as batch:",
                "    batch.add_column(sa.Column('deleted_at'))",
                "    batch.add_column(sa.Column('deleted_by'))",
            ),
            State.PASS,
        ),
        (
            migration(f"op.create_table('t', {HALF}, {REST})", "op.drop_column('t', 'deleted_by')"),
            State.FAIL,
        ),
        (migration(f"op.create_table('t', {HALF})", "op.drop_table('t')"), State.NA),
        (migration("op.create_table('alembic_version', sa.Column('x'))"), State.NA),
        (migration("op.create_index('ix', 't', ['x'])"), State.NA),
    ],
)
def test_tables_of_migrations(tmp_path: Path, source: str, expected: State) -> None:
    assert state(tmp_path, {"migrations/versions/0001.py": source}, "RB302") is expected


def test_a_downgrade_makes_no_table(tmp_path: Path) -> None:
    source = "from alembic import op\ndef downgrade():\n    op.create_table('t')\n"
    assert state(tmp_path, {"migrations/0001.py": source}, "RB302") is State.NA


# RB303 ----------------------------------------------------------------------------------------

GONE = {
    "a session": "from sqlalchemy.orm import Session\ndef f(session: Session, x): session.delete(x)",
    "awaited": "from sqlmodel import select\nasync def f(db, x): await db.delete(x)",
    "of an object": "import sqlalchemy\nclass R:\n    def f(self, x): self.session.delete(x)",
    "Flask-SQLAlchemy": "from app import db\ndb.session.delete(row)",
    "a query": "from app import T\nT.query.filter_by(id=1).delete()",
    "a statement": "from sqlalchemy import delete\nq = delete(T).where(T.id == 1)",
    "through its module": "import sqlalchemy as sa\nq = sa.delete(T)",
    "SQL": "q = 'DELETE FROM users WHERE id = $1'",
    "truncated": "q = 'TRUNCATE users'",
    "filled in": "q = f'DELETE FROM {table} WHERE id = 1'",
}
KEPT = {
    "HTTP": "import requests, sqlalchemy\nsession = requests.Session()\nsession.delete(url, timeout=3)",
    "an address": "from sqlalchemy import select\nsession.delete('https://acme.invalid/x')",
    "a route": "from fastapi import APIRouter\nimport sqlalchemy\n@router.delete('/x')\ndef f(): ...",
    "a cache": "import redis, sqlalchemy\ncache.delete(key)\nr.delete('a', 'b')",
    "a file": "import os, sqlalchemy\nos.remove(path)\nstorage.delete(name)",
    "a foreign key": "import sqlalchemy\nq = 'CREATE TABLE t (x int REFERENCES u ON DELETE CASCADE)'",
    "a grant": "import asyncpg\nq = 'GRANT SELECT, UPDATE, DELETE ON t TO x'",
    "soft": "import sqlalchemy\nrepository.delete(row)\nq = 'UPDATE t SET deleted_at = now()'",
    "our own function": "from app.rows import delete\nimport sqlalchemy\ndelete(row)",
}


@pytest.mark.parametrize("case", GONE)
def test_rows_that_are_removed(tmp_path: Path, case: str) -> None:
    assert len(ask(tmp_path, {"src/app/r.py": GONE[case]}, "hard-delete").of(State.FAIL)) == 1


@pytest.mark.parametrize("case", KEPT)
def test_deletions_that_remove_no_row(tmp_path: Path, case: str) -> None:
    assert state(tmp_path, {"src/app/r.py": KEPT[case]}, "RB303") is State.PASS


def test_a_session_is_the_databases_where_there_is_one(tmp_path: Path) -> None:
    files = {"src/app/service.py": "def forget(session, row): session.delete(row)\n"}
    assert state(tmp_path, files, "RB303") is State.NA
    files["src/app/db.py"] = "import sqlalchemy\n"
    assert lines(ask(tmp_path, files, "RB303")) == ["src/app/service.py:1"]


def test_migrations_may_remove_rows(tmp_path: Path) -> None:
    files = {"migrations/0001.py": "import sqlalchemy\nop.execute('DELETE FROM t')\n"}
    assert state(tmp_path, files, "RB303") is State.NA
