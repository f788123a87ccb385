"""Which processes are alive, and what becomes of the exchanges of one that died.

Each process holds a lock for as long as it lives: a locked file beside an SQLite store, an advisory
lock in PostgreSQL. The system lets go of it when the process is killed, so no clock has to guess.
Whatever a dead process had admitted and not finished is *interrupted*, once; what it had finished
and left in its outbox comes into the store first.
"""

import fcntl
import socket
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Final

from sqlalchemy import Connection, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError

from hegui.evidence.archive import Archive
from hegui.evidence.outbox import deliver_left
from hegui.store.tables import closings, exchanges, instances, outcomes
from hegui.store.writer import Entry

CARRIES: Final = ("IM-13",)
_EARLIER_MS: Final = 60_000  # ids made by a clock that stood a little behind


class Instance:
    """This process, as the store knows it; alive until `close` or its death."""

    def __init__(self, archive: Archive) -> None:
        self.name = archive.process
        self._archive = archive
        self._lock = _Lock(archive, self.name)
        self._lock.take()
        facts = {"instance": self.name, "host": socket.gethostname()[:120]}
        archive.writer.commit_now(Entry("service.started", CARRIES, self.name, facts, instances))

    def close(self) -> None:
        """Say that this process ended in order."""
        try:
            interrupt_left(self._archive, self.name)
        finally:
            self._lock.release()


class _Lock:
    """A lock that only the living hold."""

    def __init__(self, archive: Archive, name: str) -> None:
        self._archive, self._name = archive, name
        self._file: IO[bytes] | None = None
        self._connection: Connection | None = None

    def take(self) -> bool:
        """Take the lock; False when its owner is alive."""
        if self._archive.store.is_sqlite:
            return self._take_file()
        connection = self._archive.store.engine("maintenance").connect()
        taken = connection.scalar(select(func.pg_try_advisory_lock(self._number())))
        connection.commit()  # the lock belongs to the session; an open transaction would block tick
        if not taken:
            connection.close()
            return False
        self._connection = connection
        return True

    def release(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._file is not None:
            self._path().unlink(missing_ok=True)
            self._file.close()

    def _take_file(self) -> bool:
        path = self._path()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = path.open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return False
        self._file = file
        return True

    def _path(self) -> Path:
        database = Path(make_url(self._archive.store.url).database or "")
        return database.parent / "run" / f"{self._name}.lock"

    def _number(self) -> int:
        return int(self._name[1:], 16) - (1 << 63)  # PostgreSQL's bigint is signed


def interrupt_dead(archive: Archive) -> int:
    """Close every process that is no longer alive; returns how many exchanges it had left open."""
    _deliver(archive)
    closed = select(closings.c.instance)
    with archive.store.read() as connection:
        names = connection.scalars(
            select(instances.c.instance).where(instances.c.instance.not_in(closed))
        ).all()
    count = 0
    for name in names:
        lock = _Lock(archive, name)
        if lock.take():
            _deliver(archive, name)  # it may have died since the first look
            count += interrupt_left(archive, name)
            lock.release()
    return count


def _deliver(archive: Archive, name: str = "*") -> None:
    folder = archive.settings.store.outbox
    deliver_left(folder, archive.vault, archive.writer.commit_each, name)


def interrupt_left(archive: Archive, instance: str) -> int:
    """Give each exchange that the process left open its end, then close the process's record."""
    left = _left_open(archive, instance)
    for exchange in left:
        with suppress(IntegrityError):  # it got its end meanwhile: then it has one, as it should
            archive.writer.commit_now(_interrupted(exchange))
    entry = Entry("service.stopped", CARRIES, instance, {"instance": instance}, closings)
    with suppress(IntegrityError):
        archive.writer.commit_now(entry)
    return len(left)


def _left_open(archive: Archive, instance: str) -> list[str]:
    with archive.store.read() as connection:
        started = connection.scalar(select(instances.c.at).where(instances.c.instance == instance))
        query = (
            select(exchanges.c.exchange)
            .outerjoin(outcomes, outcomes.c.exchange == exchanges.c.exchange)
            .where(exchanges.c.instance == instance, outcomes.c.exchange.is_(None))
        )
        if started:
            query = query.where(exchanges.c.exchange >= _first_id_after(started))
        return list(connection.scalars(query))


def _first_id_after(at: str) -> str:
    """The lowest exchange id that a process started at this time can have made."""
    milliseconds = int(datetime.fromisoformat(at).timestamp() * 1000)
    return f"{max(0, milliseconds - _EARLIER_MS):012x}"


def _interrupted(exchange: str) -> Entry:
    facts = {
        "exchange": exchange,
        "state": "interrupted",
        "control": "door",
        "category": "",
        "reason": "process_died",
        "label": "",
        "lexicon": "",
    }
    return Entry("exchange.interrupted", CARRIES, exchange, facts, outcomes)
