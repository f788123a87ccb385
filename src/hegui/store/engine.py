"""Engines for SQLite and PostgreSQL, and how each connection is hardened.

Three kinds of connection, told apart by what they may do:
*writer* (inserts; updates and deletes only where `MUTABLE` says so), *reader* (reads only) and
*maintenance* (schema changes: migrations, period tables, backup; never opened by a request).
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool, QueuePool

from hegui.language import Problem

Kind = Literal["writer", "reader", "maintenance"]

MUTABLE: Final = frozenset(
    {"ledger_head", "check_days", "check_cursors", "persons", "keys", "sessions"}
)
_READING: Final = frozenset(
    {
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_TRANSACTION,
        sqlite3.SQLITE_FUNCTION,
    }
    | {sqlite3.SQLITE_SAVEPOINT, sqlite3.SQLITE_RECURSIVE}
)
_WAIT_SECONDS: Final = 20.0
_SHARE: Final = 0.8  # of the wait, so that the database says what is wrong before we give up on it


def _authorize(action: int, first: str | None, *_: str | None) -> int:
    """Allow a run-time connection to read and insert; nothing that changes or drops history."""
    if action in _READING or action == sqlite3.SQLITE_INSERT:
        return sqlite3.SQLITE_OK
    if action in {sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE} and first in MUTABLE:
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


def _harden_sqlite(connection: sqlite3.Connection, kind: Kind, wait: float, *, shred: bool) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves: pysqlite's own starts too late
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",  # what was answered survives a power cut, not only a crash
        f"busy_timeout = {int(wait * 1000)}",
        "trusted_schema = OFF",
        "cell_size_check = ON",
        f"secure_delete = {'ON' if shred else 'OFF'}",  # a destroyed key is overwritten, not unlinked
        "cache_size = -16000",  # KiB
    ):
        connection.execute(f"PRAGMA {pragma}").close()
    if kind == "reader":
        connection.execute("PRAGMA query_only = ON").close()
    if kind != "maintenance":
        connection.set_authorizer(_authorize)


def _sqlite_engine(url: URL, kind: Kind, wait: float, *, shred: bool) -> Engine:
    path = Path(url.database or "")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    pool = NullPool if kind == "maintenance" else QueuePool
    engine = create_engine(url, poolclass=pool, connect_args={"check_same_thread": False})
    begin = "BEGIN" if kind == "reader" else "BEGIN IMMEDIATE"

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: object) -> None:
        _harden_sqlite(connection, kind, wait, shred=shred)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.connection.cursor().execute(begin)

    return engine


def _postgres_engine(url: URL, kind: Kind, wait: float) -> Engine:
    limits: dict[str, Any] = {
        "connect_timeout": max(1, round(wait)),
        "tcp_user_timeout": int(wait * 1000),  # a host that is gone says nothing for ever
    }
    if kind == "writer":
        limits["options"] = f"-c lock_timeout={int(wait * 1000)}"
    options: dict[str, Any] = {"pool_pre_ping": True, "connect_args": limits}
    if kind == "maintenance":
        options = {"poolclass": NullPool}
    return create_engine(url.set(drivername="postgresql+psycopg"), **options)


def make_engine(
    url: str, kind: Kind, *, shred: bool = False, wait_seconds: float = _WAIT_SECONDS
) -> Engine:
    """Open an engine for `url` (`sqlite:///FILE` or `postgresql+psycopg://…`).

    It waits `wait_seconds` at most for a lock or a server; maintenance has more patience.

    Raises:
        Problem: `store_url` when the URL names no database that we can use.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise _bad_url(url) from error
    wait = _WAIT_SECONDS if kind == "maintenance" else wait_seconds * _SHARE
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        return _sqlite_engine(parsed, kind, wait, shred=shred)
    if parsed.get_backend_name() != "postgresql":
        raise _bad_url(url)
    engine = _postgres_engine(parsed, kind, wait)
    if kind == "reader":
        return engine.execution_options(postgresql_readonly=True)
    return engine


def _bad_url(url: str) -> Problem:
    return Problem(
        "store_url",
        "The store address {url!r} is not one hegui can use: "
        "write sqlite:///path/to/file.db or postgresql://user@host/database.",
        url=_without_password(url),
    )


def _without_password(url: str) -> str:
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return url.rsplit("@", maxsplit=1)[-1]


class Database:
    """One database with its three kinds of connection; engines are opened when first used.

    With `shred`, what is deleted is overwritten on disk (the vault: a destroyed key must be gone).
    """

    def __init__(
        self, url: str, *, shred: bool = False, wait_seconds: float = _WAIT_SECONDS
    ) -> None:
        self.url, self._shred, self._wait = url, shred, wait_seconds
        self.is_sqlite = url.startswith("sqlite")
        self._engines: dict[Kind, Engine] = {}

    def engine(self, kind: Kind) -> Engine:
        if kind not in self._engines:
            self._engines[kind] = make_engine(
                self.url, kind, shred=self._shred, wait_seconds=self._wait
            )
        return self._engines[kind]

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent, read-only view."""
        with self.engine("reader").begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction of its own. Only for the vault: the store is written by the one writer."""
        with self.engine("writer").begin() as connection:
            yield connection

    @contextmanager
    def maintain(self) -> Iterator[Connection]:
        """A transaction that may change the schema (never on a request's path)."""
        with self.engine("maintenance").begin() as connection:
            yield connection

    def close(self) -> None:
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()
