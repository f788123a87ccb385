"""The one writer: a thread that commits whatever is waiting, and only then answers.

A unit of work is a handful of ledger entries (with the rows they describe) and, rarely, a function
that reads or checks inside the transaction. All units that wait are committed together, so the cost
of making them durable is shared. If one unit breaks a constraint, the batch is rolled back and each
unit is tried alone: the culprit gets its error, the others their commit.

A `check` sees the store as it was before the batch. That two units of one batch do not both pass is
the business of the tables' keys.

While the store is away, everything is refused at once but what `finish` hands in: that goes into the
outbox. Nothing is committed before the outbox is empty again. A second thread sees to it that nobody
waits longer than the limit for a database that does not even fail.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Final, Protocol

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError

from hegui.language import Problem
from hegui.store.away import StoreDownError, is_unreachable
from hegui.store.unit import Answers, Check, Entry, Outcome, Unit, answer

__all__ = ["Entry", "StoreDownError", "Writer", "WriterClosedError", "is_unreachable"]

log = structlog.get_logger()


_BATCH: Final = 512  # units in one transaction: bounds how long others wait for the lock
# After a batch of several units, wait this long for the callers just answered to come back with
# their next: it halves the number of commits (and their cost) for half a millisecond.
_GATHER_SECONDS: Final = 0.0005
_REST_SECONDS: Final = 10.0
_RETRY_SECONDS: Final = 1.0  # between two looks whether the store is back
# What may stand in the queue: units, and the bytes of those that are large. Beyond it is refused.
_WAITING: Final = 4_096
_WAITING_BYTES: Final = 64 * 1024 * 1024
_LARGE: Final = 16_384


class Book(Protocol):
    """What the writer needs of the ledger."""

    def open(self, connection: Connection) -> None:
        """Take the database's lock on the ledger and read where it ends."""

    def write(self, connection: Connection, entries: Sequence[Entry]) -> None:
        """Append the entries, their bodies and their rows."""

    def forget(self) -> None:
        """The transaction was rolled back: what was read is worth nothing."""


class Spare(Protocol):
    """What the writer needs of the outbox (see `evidence.outbox`)."""

    @property
    def waiting(self) -> bool: ...

    def put(self, entries: Sequence[Entry], *, ask_vault: bool) -> None: ...

    def deliver(self, commit: Callable[[Sequence[Entry]], Sequence[Outcome]]) -> int: ...


class WriterClosedError(RuntimeError):
    """The writer has stopped; nothing more can be made durable, so nothing more may happen."""


class Writer:
    """Owns the only connection that writes to the store. Start one for each process.

    Nobody waits longer than `wait_seconds` for the store; without an `outbox`, nothing outlasts its
    absence.
    """

    def __init__(
        self, engine: Engine, book: Book, outbox: Spare | None = None, wait_seconds: float = 20.0
    ) -> None:
        self._engine, self._book, self._outbox = engine, book, outbox
        self._wait = wait_seconds
        self._waiting: SimpleQueue[Unit | None] = SimpleQueue()
        self._waiting_bytes = 0
        self._closed = False
        self._connection: Connection | None = None
        self._used = 0.0
        self.is_down = False  # as far as we know; new requests need not try
        self._retry_at = 0.0
        self._refused: set[str] = set()  # subjects whose beginning was: they may not end either
        # The batch in hand and since when, shared with the thread that watches over it.
        self._lock = threading.Lock()
        self._in_hand: list[Unit] | None = None  # None: nothing, or given up
        self._since = 0.0
        self._stuck = False  # the thread has not come back from a batch that was given up
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hegui-writer", daemon=True)
        self._thread.start()
        self._watcher = threading.Thread(target=self._watch, name="hegui-watch", daemon=True)
        self._watcher.start()

    def submit(self, *entries: Entry, check: Check | None = None) -> "asyncio.Future[None]":
        """Hand the entries in; the future is done when they are durable.

        It raises what the database or `check` raised, or `StoreDownError`. Letting go of the future
        does not call the entries back.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.is_down:
            future.set_exception(StoreDownError())
        else:
            self._submit(Unit(entries, check, future))
        return future

    def finish(self, *entries: Entry) -> "asyncio.Future[None]":
        """As `submit`, for the end of an exchange that is running: it may wait in the outbox."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._submit(Unit(entries, None, future, may_wait=True))
        return future

    async def commit(self, *entries: Entry, check: Check | None = None) -> None:
        """As `submit`, and wait."""
        await self.submit(*entries, check=check)

    def commit_now(self, *entries: Entry, check: Check | None = None) -> None:
        """As `commit`, for a thread without an event loop."""
        future: Future[None] = Future()
        self._submit(Unit(entries, check, future))
        future.result()

    def commit_each(self, entries: Sequence[Entry]) -> list[Outcome]:
        """As `commit_now`, each entry for itself, all at once; returns what became of each."""
        futures: list[Future[None]] = [Future() for _ in entries]
        for entry, future in zip(entries, futures, strict=True):
            self._submit(Unit([entry], None, future))
        return [future.exception() for future in futures]

    def close(self) -> None:
        """Commit what is waiting, then stop. Later commits raise `WriterClosedError`."""
        self._closed = True
        self._waiting.put(None)
        self._thread.join(3 * self._wait)  # one that hangs in the database ends with the process
        self._over.set()
        self._watcher.join(self._wait)

    def _submit(self, unit: Unit) -> None:
        if self._closed:
            raise WriterClosedError
        unit.since = time.monotonic()
        size = 0
        for entry in unit.entries:
            size += len(entry.body or b"")
        full = self._waiting.qsize() >= _WAITING
        if size > _LARGE and not full:  # the others are counted without a lock
            with self._lock:
                full = self._waiting_bytes + size > _WAITING_BYTES
                unit.bytes = 0 if full else size
                self._waiting_bytes += unit.bytes
        if full:
            answer([(unit, StoreDownError())])
        else:
            self._waiting.put(unit)

    # -- the thread --------------------------------------------------------------------------------

    def _run(self) -> None:
        while units := self._next_batch():
            self._take_in_hand(units)
            answers = self._work(units)
            if self._let_go():
                answer(answers)
            if len(units) > 1:
                time.sleep(_GATHER_SECONDS)
        if self._outbox and self._outbox.waiting:
            self._look_again()
        self._disconnect()

    def _next_batch(self) -> list[Unit]:
        """Wait for a unit and take all that wait with it; empty when the writer closes."""
        unit = self._first()
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

    def _first(self) -> Unit | None:
        """The next unit; until it comes, look from time to time whether a lost store is back."""
        while self.is_down:
            try:
                return self._waiting.get(timeout=max(0.0, self._retry_at - time.monotonic()))
            except Empty:
                self._look_again()
        return self._waiting.get()

    def _take_in_hand(self, units: list[Unit]) -> None:
        size = sum([unit.bytes for unit in units])
        with self._lock:
            self._waiting_bytes -= size
            self._in_hand = units
            self._since = units[0].since if units else time.monotonic()

    def _let_go(self) -> bool:
        """Say whether it is still for us to answer those whom we had in hand."""
        with self._lock:
            ours, self._in_hand, self._stuck = self._in_hand is not None, None, False
            return ours

    def _work(self, units: list[Unit]) -> "Answers":
        if self.is_down and not (time.monotonic() >= self._retry_at and self._look_again(units)):
            return [] if self._in_hand is None else self._put_by(units, StoreDownError())
        answers: Answers = []
        self._commit(units, answers)
        away = [error for _, error in answers if error and is_unreachable(error)]
        if not away or self._in_hand is None:
            return answers
        self._mark_down(away[0])
        told = [pair for pair in answers if pair[1] not in away]
        return told + self._put_by([unit for unit, error in answers if error in away], away[0])

    def _commit(self, units: list[Unit], answers: "Answers") -> None:
        try:
            self._transact(units)
        except BaseException as error:  # noqa: BLE001 (whatever it is, every caller must hear it)
            self._book.forget()
            away = is_unreachable(error)
            at_fault = isinstance(error, (IntegrityError, Problem)) and not away
            if not at_fault:  # the connection may be
                self._disconnect()
            one_is_to_blame = at_fault and len(units) > 1
            for unit in units:
                if one_is_to_blame:
                    self._commit([unit], answers)
                else:
                    answers.append((unit, error))
            return
        answers.extend((unit, None) for unit in units)

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
            if self._in_hand is None:  # given up: the callers have been told that this is not done
                raise StoreDownError

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

    # -- the store away ----------------------------------------------------------------------------

    def _mark_down(self, error: BaseException) -> None:
        """From now on nobody waits in vain; the first look whether it is back follows at once."""
        log.error("store.down", error=type(getattr(error, "orig", None) or error).__name__)
        self.is_down, self._retry_at = True, time.monotonic()

    def _look_again(self, units: Sequence[Unit] = ()) -> bool:
        """Whether the store is back; if so, it is first given what waited in the outbox."""
        if not units:
            self._take_in_hand([])
        try:
            with self._connect().begin() as transaction:
                self._book.open(transaction.connection)
            while self._outbox and self._outbox.waiting:
                count = self._outbox.deliver(self._commit_records)
                log.info("outbox.delivered", count=count)
        except Exception:  # noqa: BLE001 (whatever it is, the next look will tell)
            self._book.forget()
            self._disconnect()
            self._retry_at = time.monotonic() + _RETRY_SECONDS
            return False
        finally:
            if not units:
                self._let_go()
        self.is_down = False
        self._refused.clear()
        return True

    def _commit_records(self, entries: Sequence[Entry]) -> list[Outcome]:
        answers: Answers = []
        self._since = time.monotonic()  # a long outbox is not a store that hangs
        self._commit([Unit([entry], None, Future()) for entry in entries], answers)
        return [error for _, error in answers]

    def _put_by(
        self, units: Sequence[Unit], error: BaseException, *, ask_vault: bool = True
    ) -> "Answers":
        """Put into the outbox what may wait there, and answer; the others hear `error`."""
        self._refused |= {e.subject for unit in units if not unit.may_wait for e in unit.entries}
        may = [
            unit
            for unit in units
            if unit.may_wait and self._refused.isdisjoint(entry.subject for entry in unit.entries)
        ]
        answers: Answers = [(unit, error) for unit in units if unit not in may]
        if not may or self._outbox is None:
            return [(unit, error) for unit in units]
        try:
            self._outbox.put([e for unit in may for e in unit.entries], ask_vault=ask_vault)
        except Exception as failure:  # noqa: BLE001 (every caller must hear it)
            if len(may) > 1:  # not all of them need be to blame
                for unit in may:
                    answers += self._put_by([unit], error, ask_vault=ask_vault)
                return answers
            log.error("outbox.failed", error=type(failure).__name__)  # noqa: TRY400 (no trace: it may hold data)
            return [*answers, (may[0], error)]
        return answers + [(unit, None) for unit in may]

    def _watch(self) -> None:
        """The second thread: give up on a batch whose time is over, and on all that wait behind it."""
        while not self._over.wait(self._wait / 20):
            with self._lock:
                late = time.monotonic() - self._since > self._wait
                units = self._in_hand if late else None
                if units is not None:
                    self._in_hand, self._stuck = None, True
                stuck = self._stuck
            if stuck:
                if units is not None:
                    self._mark_down(StoreDownError())
                answer(
                    self._put_by(
                        [*(units or ()), *self._drain()], StoreDownError(), ask_vault=False
                    )
                )

    def _drain(self) -> list[Unit]:
        """All that wait; the mark of closing stays for the thread."""
        units: list[Unit] = []
        closing = False
        with suppress(Empty):
            while True:
                unit = self._waiting.get_nowait()
                if unit is None:
                    closing = True
                else:
                    units.append(unit)
        if closing:
            self._waiting.put(None)
        with self._lock:
            self._waiting_bytes -= sum(unit.bytes for unit in units)
        return units
