"""What is handed to the writer: entries, together in units, and how their callers are answered."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import msgspec
from sqlalchemy import Connection, Table

Check = Callable[[Connection], object]
Outcome = BaseException | None


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


class Unit(msgspec.Struct, gc=False, eq=False):
    entries: Sequence[Entry]
    check: Check | None
    future: "asyncio.Future[None] | Future[None]"
    may_wait: bool = False  # in the outbox
    since: float = 0.0
    bytes: int = 0  # of its bodies, if they are large


Answers = list[tuple[Unit, Outcome]]


def answer(answers: Answers) -> None:
    """Tell every caller; those of one event loop together, in that loop's thread."""
    loops: defaultdict[asyncio.AbstractEventLoop, list[tuple[Any, Outcome]]] = defaultdict(list)
    for unit, error in answers:
        if isinstance(unit.future, Future):
            _resolve([(unit.future, error)])
        else:
            loops[unit.future.get_loop()].append((unit.future, error))
    for loop, theirs in loops.items():
        with suppress(RuntimeError):  # that loop has closed: nobody is waiting any more
            loop.call_soon_threadsafe(_resolve, theirs)


def _resolve(answers: Sequence[tuple[Any, Outcome]]) -> None:
    for future, error in answers:
        if future.done():  # the caller was cancelled; the commit stands all the same
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
