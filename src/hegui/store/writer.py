"""The one writer: a thread that commits whatever is waiting, and only then answers.

A unit of work is a handful of ledger entries (with the rows they describe) and, rarely, a function
that reads or checks inside the transaction. All units that wait are committed together, so the cost
of making them durable is shared. If one unit breaks a constraint, the batch is rolled back and each
unit is tried alone: the culprit gets its error, the others their commit.

A `check` sees the store as it was before the batch. That two units of one batch do not both pass is
the business of the tables' keys.
"""

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Final, Protocol

import msgspec
from sqlalchemy import Connection, Engine, Table
from sqlalchemy.exc import DBAPIError, IntegrityError

from hegui.language import Problem

Check = Callable[[Connection], object]

_BATCH: Final = 512  # units in one transaction: bounds how long others wait for the lock
# After a batch of several units, wait this long for the callers just answered to come back with
# their next: it halves the number of commits (and their cost) for half a millisecond.
_GATHER_SECONDS: Final = 0.0005


_REST_SECONDS: Final = 10.0


class Entry(msgspec.Struct, gc=False):
    """One fact to be written: a ledger entry, and the row that is its projection.

    `facts` are public and stay for ever, so they name no person. What is private goes into `body`,
    sealed under a key of `person` and the `retention` class. After the commit `seq` is the entry's
    number in the ledger and `at` its time (UTC, RFC 3339 with microseconds).
    """

    kind: str
    carries: tuple[str, ...]
    subject: str
    facts: dict[str, Any]
    table: Table | None = None
    body: bytes | None = None
    person: str = ""
    retention: str = "content"
    seq: int = -1
    at: str = ""
    head: bytes = b""
    key_id: str = ""


class Book(Protocol):
    """What the writer needs of the ledger."""

    def open(self, connection: Connection) -> None:
        """Take the database's lock on the ledger and read where it ends."""

    def write(self, connection: Connection, entries: Sequence[Entry]) -> None:
        """Append the entries, their bodies and their rows."""

    def forget(self) -> None:
        """The transaction was rolled back: what was read is worth nothing."""


class Unit(msgspec.Struct, gc=False):
    entries: Sequence[Entry]
    check: Check | None
    future: "asyncio.Future[None] | Future[None]"


class WriterClosedError(RuntimeError):
    """The writer has stopped; nothing more can be made durable, so nothing more may happen."""


class Writer:
    """Owns the only connection that writes to the store. Start one for each process."""

    def __init__(self, engine: Engine, book: Book) -> None:
        self._engine, self._book = engine, book
        self._waiting: SimpleQueue[Unit | None] = SimpleQueue()
        self._closed = False
        self._connection: Connection | None = None
        self._used = 0.0
        self._thread = threading.Thread(target=self._run, name="hegui-writer", daemon=True)
        self._thread.start()

    def submit(self, *entries: Entry, check: Check | None = None) -> "asyncio.Future[None]":
        """Hand the entries in; the future is done when they are durable.

        It raises what the database or `check` raised. Letting go of the future does not call the
        entries back.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._submit(Unit(entries, check, future))
        return future

    async def commit(self, *entries: Entry, check: Check | None = None) -> None:
        """As `submit`, and wait."""
        await self.submit(*entries, check=check)

    def commit_now(self, *entries: Entry, check: Check | None = None) -> None:
        """As `commit`, for a thread without an event loop."""
        future: Future[None] = Future()
        self._submit(Unit(entries, check, future))
        future.result()

    def close(self) -> None:
        """Commit what is waiting, then stop. Later commits raise `WriterClosedError`."""
        self._closed = True
        self._waiting.put(None)
        self._thread.join()

    def _submit(self, unit: Unit) -> None:
        if self._closed:
            raise WriterClosedError
        self._waiting.put(unit)

    # -- the thread --------------------------------------------------------------------------------

    def _run(self) -> None:
        while units := self._next_batch():
            answers: Answers = []
            self._commit(units, answers)
            _answer(answers)
            if len(units) > 1:
                time.sleep(_GATHER_SECONDS)
        self._disconnect()

    def _next_batch(self) -> list[Unit]:
        """Wait for a unit and take all that wait with it; empty when the writer closes."""
        unit = self._waiting.get()
        units: list[Unit] = []
        try:
            while unit is not None and len(units) < _BATCH:
                units.append(unit)
                unit = self._waiting.get_nowait()
        except Empty:
            return units
        if unit is None:
            self._waiting.put(None)  # close after this batch
        else:
            units.append(unit)
        return units

    def _commit(self, units: list[Unit], answers: "Answers") -> None:
        try:
            self._transact(units)
        except BaseException as error:  # noqa: BLE001 (whatever it is, every caller must hear it)
            self._book.forget()
            at_fault = isinstance(error, (IntegrityError, Problem))  # not the connection
            if not at_fault:
                self._disconnect()
            one_is_to_blame = at_fault and len(units) > 1
            for unit in units:
                if one_is_to_blame:
                    self._commit([unit], answers)
                else:
                    answers.append((unit.future, error))
            return
        answers.extend((unit.future, None) for unit in units)

    def _transact(self, units: list[Unit]) -> None:
        with self._connect().begin() as transaction:
            connection = transaction.connection
            self._book.open(connection)
            for unit in units:
                if unit.check:
                    unit.check(connection)
            try:
                self._book.write(connection, [entry for unit in units for entry in unit.entries])
            except self._engine.dialect.loaded_dbapi.IntegrityError as error:
                # The book speaks to the driver; callers know the error by SQLAlchemy's name.
                raise IntegrityError("", None, error) from error

    def _connect(self) -> Connection:
        """The connection that stays open from batch to batch.

        Taking one from the pool each time costs a tenth of a commit. One that has rested may be
        dead, and the pool asks before it hands one out.
        """
        now = time.monotonic()
        if self._connection is not None and now - self._used > _REST_SECONDS:
            self._disconnect()
        if self._connection is None:
            self._connection = self._engine.connect()
        self._used = now
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(DBAPIError):  # it may be the reason why we let go of it
                self._connection.close()
            self._connection = None


Answers = list[tuple["asyncio.Future[None] | Future[None]", BaseException | None]]


def _answer(answers: Answers) -> None:
    """Tell every caller; those of one event loop together, in that loop's thread."""
    loops: defaultdict[asyncio.AbstractEventLoop, Answers] = defaultdict(list)
    for future, error in answers:
        if isinstance(future, Future):
            _resolve([(future, error)])
        else:
            loops[future.get_loop()].append((future, error))
    for loop, theirs in loops.items():
        with suppress(RuntimeError):  # that loop has closed: nobody is waiting any more
            loop.call_soon_threadsafe(_resolve, theirs)


def _resolve(answers: Answers) -> None:
    for future, error in answers:
        if future.done():  # the caller was cancelled; the commit stands all the same
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
