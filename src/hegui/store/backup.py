"""Back up and restore one database, and check its health.

Store and vault are backed up apart and kept for different times: whoever has an old vault and an
old store can read what was erased since. docs/evidence.md says how to rotate them.
"""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from hashlib import file_digest
from pathlib import Path
from typing import Final

import msgspec
from sqlalchemy import inspect, make_url, select, text

from hegui.language import Problem
from hegui.store.engine import Database
from hegui.store.schema import Name, is_current
from hegui.store.tables import ledger_head, periods

Progress = Callable[[int, int], object]  # done, in all

MANIFEST: Final = "manifest.json"
_PAGES: Final = 2_000  # copied at once; writers get their turn between
_ROOM: Final = 1 << 30  # bytes that should be free on the disk


class Manifest(msgspec.Struct):
    """What a backup holds: the ledger's `size` and right `edge` (hex) say which store it was."""

    name: Name
    kind: str
    at: str
    file: str
    sha256: str
    size: int = 0
    edge: str = ""


class Health(msgspec.Struct):
    """The state of one database; bytes where not said otherwise."""

    name: Name
    kind: str
    intact: str  # "ok", or what the database says is wrong
    current: bool  # has the schema of this version
    lost_periods: list[str]
    size: int
    log: int  # SQLite: the write-ahead log
    free: int | None  # on its disk; None when it is on another machine

    @property
    def well(self) -> bool:
        room = self.free is None or self.free >= _ROOM
        return self.intact == "ok" and self.current and not self.lost_periods and room


def backup(database: Database, name: Name, folder: Path, on_progress: Progress) -> Manifest:
    """Copy the database, while it is in use, into a new folder with a manifest.

    Raises:
        Problem: `backup_there`, `backup_tool` or `backup_failed`.
    """
    if folder.exists() and any(folder.iterdir()):
        raise Problem("backup_there", "{folder} is not empty: name a new folder.", folder=folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if database.is_sqlite:
        file, size, edge = _copy_sqlite(database, name, folder, on_progress)
    else:
        file, size, edge = _dump_postgres(database, name, folder)
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    kind = "sqlite" if database.is_sqlite else "postgresql"
    manifest = Manifest(name, kind, at, file.name, _digest(file), size, edge.hex())
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
    return manifest


def _copy_sqlite(
    database: Database, name: Name, folder: Path, on_progress: Progress
) -> tuple[Path, int, bytes]:
    file = folder / f"{name}.db"
    with closing(sqlite3.connect(file)) as copy, closing(_plain(database)) as source:
        source.backup(
            copy,
            pages=_PAGES,
            progress=lambda _status, left, total: on_progress(total - left, total),
        )
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
        row = None
        if name == "store":
            row = copy.execute("SELECT size, edge FROM ledger_head").fetchone()
    file.chmod(0o600)
    return (file, *(row or (0, b"")))


def _plain(database: Database) -> sqlite3.Connection:
    return sqlite3.connect(_path(database), timeout=20)


def _path(database: Database) -> Path:
    return Path(make_url(database.url).database or "")


def _dump_postgres(database: Database, name: Name, folder: Path) -> tuple[Path, int, bytes]:
    """Dump with the snapshot in which size and edge are read."""
    file = folder / f"{name}.dump"
    engine = database.engine("reader").execution_options(isolation_level="REPEATABLE READ")
    with engine.begin() as connection:
        snapshot = connection.execute(text("SELECT pg_export_snapshot()")).scalar_one()
        row = connection.execute(select(ledger_head)).one() if name == "store" else None
        _run(
            database,
            *("pg_dump", "--format=custom", f"--snapshot={snapshot}", f"--file={file}"),
        )
    file.chmod(0o600)
    return (file, row.size, bytes(row.edge)) if row else (file, 0, b"")


def _run(database: Database, *command: str) -> None:
    """Run a tool of PostgreSQL on the database; the password goes by the environment."""
    url = make_url(database.url).set(drivername="postgresql")
    address = url.set(password=None).render_as_string()
    environment = {**os.environ, "PGPASSWORD": url.password or ""}
    tool = shutil.which(command[0])
    if tool is None:
        raise Problem(
            "backup_tool",
            "{tool} is not installed: install the PostgreSQL client of the server's version.",
            tool=command[0],
        )
    done = subprocess.run(  # noqa: S603 (our own arguments, no shell)
        [tool, f"--dbname={address}", *command[1:]],
        env=environment, check=False, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise Problem(
            "backup_failed",
            "{tool} failed: {reason} Its version must be the server's or newer.",
            tool=command[0],
            reason=done.stderr.strip(),
        )


def restore(database: Database, name: Name, folder: Path) -> Manifest:
    """Put a backup in the place of the database. What stood there before is set aside (SQLite).

    Raises:
        Problem: `backup_manifest`, `backup_damaged`, `backup_other` or `backup_in_use`.
    """
    manifest = _read_manifest(folder)
    kind = "sqlite" if database.is_sqlite else "postgresql"
    if (manifest.name, manifest.kind) != (name, kind):
        raise Problem(
            "backup_other",
            "{folder} holds the {found} of a {kind} database: name the backup of the {name}.",
            folder=folder,
            found=manifest.name,
            kind=manifest.kind,
            name=name,
        )
    file = folder / manifest.file
    if not file.exists() or _digest(file) != manifest.sha256:
        raise Problem(
            "backup_damaged",
            "{file} is not the file that the manifest describes: take another backup.",
            file=file,
        )
    database.close()
    if database.is_sqlite:
        _put_back(_path(database), file)
    else:
        _run(
            database,
            *("pg_restore", "--clean", "--if-exists", "--single-transaction", str(file)),
        )
    return manifest


def _read_manifest(folder: Path) -> Manifest:
    try:
        return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise Problem(
            "backup_manifest",
            "{folder} holds no readable {manifest}: name a folder that `hegui db backup` made.",
            folder=folder,
            manifest=MANIFEST,
        ) from error


def _put_back(path: Path, file: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.exists():
        _fold(path)
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        path.rename(path.with_name(f"{path.name}.before-{stamp}"))
    for left in ("-wal", "-shm"):  # of a database that is no more: never to be applied to this one
        path.with_name(path.name + left).unlink(missing_ok=True)
    fresh = path.with_name(f".{path.name}.restoring")
    shutil.copyfile(file, fresh)
    fresh.chmod(0o600)
    fresh.rename(path)


def _fold(path: Path) -> None:
    """Fold the log into the file; SQLite does so only for whoever is alone with it."""
    try:
        with closing(sqlite3.connect(path, timeout=1)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.OperationalError as error:
        raise Problem(
            "backup_in_use",
            "{path} is in use: stop the service and everything else that has it open, then restore.",
            path=path,
        ) from error


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def check(database: Database, name: Name) -> Health:
    """Look at the database's health; may take minutes for a large SQLite file."""
    current = is_current(database, name)
    lost = _lost_periods(database) if name == "store" and current else []
    if not database.is_sqlite:
        with database.read() as connection:
            query = text("SELECT pg_database_size(current_database())")
            size = connection.execute(query).scalar_one()
        return Health(name, "postgresql", "ok", current, lost, size, 0, None)
    path = _path(database)
    intact = _integrity(database)
    log = path.with_name(path.name + "-wal")
    logged = log.stat().st_size if log.exists() else 0
    free = shutil.disk_usage(path.parent).free
    return Health(name, "sqlite", intact, current, lost, path.stat().st_size, logged, free)


def _integrity(database: Database) -> str:
    """What SQLite says of its file; takes no lock, so writers go on."""
    try:
        with closing(_plain(database)) as connection:
            return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
    except sqlite3.DatabaseError as error:
        return str(error)


def _lost_periods(database: Database) -> list[str]:
    with database.read() as connection:
        there = set(inspect(connection).get_table_names())
        listed = connection.execute(select(periods.c.name)).scalars().all()
    return sorted(name for name in listed if name not in there)
