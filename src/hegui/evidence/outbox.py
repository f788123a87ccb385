"""The outbox 发件箱: where a finished exchange waits, sealed and fsynced, while the store is away.

One file for each process, made at its full size when the process starts, so that a disk which fills
up later cannot take the room from it. Its name is the process's; whoever holds its lock is alive. A
body lies in it under its person's own key of the vault, so it dies with that key like any other.

The file: magic, epoch, then records, each with its length and a checksum that the epoch seeds. A new
epoch empties it: nothing that was written under an older one is ever read again.
"""

import fcntl
import os
import struct
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from secrets import token_bytes
from typing import Any, Final

import msgspec
import structlog
from cryptography.exceptions import InvalidTag
from sqlalchemy.exc import IntegrityError

from hegui.evidence.ledger import now
from hegui.evidence.vault import DataKey, Vault
from hegui.language import Problem
from hegui.store.away import StoreDownError, is_unreachable
from hegui.store.periods import period_of
from hegui.store.tables import RECORDS
from hegui.store.unit import Entry

log = structlog.get_logger()

_MAGIC: Final = b"hegui-outbox-1\n\x00"
_HEADER: Final = struct.Struct(f">{len(_MAGIC)}sI")
_FRAME: Final = struct.Struct(">II")  # length, CRC-32
_BATCH: Final = 128  # records committed together
_TABLES: Final = {table.name: table for table in RECORDS}

# Commits each entry; returns what became of each. Raises nothing.
Commit = Callable[[Sequence[Entry]], Sequence[BaseException | None]]


class _Record(msgspec.Struct, array_like=True):
    """An entry on its way. Names no person: the vault knows whose the key is."""

    kind: str
    carries: tuple[str, ...]
    subject: str
    facts: dict[str, Any]
    table: str
    retention: str
    ended: str  # when it was put here
    key_id: str
    sealed: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Record).decode


class Outbox:
    """The outbox of one process. `put` and `deliver` may be called from any thread."""

    def __init__(self, path: Path, max_bytes: int, vault: Vault) -> None:
        self.path, self._max_bytes, self._vault = path, max_bytes, vault
        self._file = -1
        self._epoch, self._end = 0, _HEADER.size
        self._lock = threading.Lock()

    @property
    def waiting(self) -> bool:
        """Whether anything is in it."""
        return self._end > _HEADER.size

    def reserve(self) -> None:
        """Make the file, at its full size; raises OSError when there is no room for it."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.posix_fallocate(self._file, 0, self._max_bytes)
        self._empty()

    def adopt(self) -> bool:
        """Take over the file of a process that died; False while its owner lives, or without one."""
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._let_go()
            return False
        head = os.pread(self._file, _HEADER.size, 0)
        if len(head) == _HEADER.size and head.startswith(_MAGIC):
            self._epoch = _HEADER.unpack(head)[1]
            self._end = max((end for _, end in self._records()), default=_HEADER.size)
        return True

    def close(self) -> None:
        """Let go of the file; an empty one is removed."""
        if self._file >= 0 and not self.waiting:
            with suppress(OSError):
                self.path.unlink()
        self._let_go()

    def _let_go(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def put(self, entries: Sequence[Entry], *, ask_vault: bool) -> None:
        """Seal these entries and make them durable here.

        Their persons' keys are in memory, having sealed *admitted* a moment ago; with `ask_vault`
        one that is not is looked up.

        Raises:
            StoreDownError: there is no room, or no key to seal with.
            OSError: the file cannot be written.
        """
        ended = now()
        records = [_encode(self._seal(entry, ended, ask_vault=ask_vault)) for entry in entries]
        with self._lock:
            data = b"".join(map(self._frame, records))
            if self._file < 0 or self._end + len(data) > self._max_bytes:
                raise StoreDownError
            os.pwrite(self._file, data, self._end)
            os.fdatasync(self._file)
            self._end += len(data)

    def _frame(self, record: bytes) -> bytes:
        return _FRAME.pack(len(record), zlib.crc32(record, self._epoch)) + record

    def _seal(self, entry: Entry, ended: str, *, ask_vault: bool) -> _Record:
        key: DataKey | None = None
        if entry.person:
            name = entry.person, entry.retention, period_of(entry.retention, ended)
            key = self._vault.held(*name) or (self._vault.key_for(*name) if ask_vault else None)
            if key is None:
                raise StoreDownError
        sealed = b"" if key is None or entry.body is None else key.seal(entry.body, entry.subject)
        table = "" if entry.table is None else str(entry.table.name)
        return _Record(
            entry.kind, entry.carries, entry.subject, entry.facts, table, entry.retention, ended,
            key.key_id if key else "", sealed,
        )  # fmt: skip

    # -- delivery ----------------------------------------------------------------------------------

    def deliver(self, commit: Commit) -> int:
        """Hand everything on, in order, and empty the box; returns how many it held.

        May be repeated after a crash at any moment: what is in the store already, is passed over.
        Raises what says that the store cannot be reached; then everything stays here.
        """
        count, end = 0, _HEADER.size
        batch: list[_Record] = []
        for record, end in self._records():  # noqa: B007 (`end` is wanted after the loop)
            batch.append(record)
            if len(batch) == _BATCH:
                count += self._hand_on(batch, commit)
                batch = []
        count += self._hand_on(batch, commit)
        with self._lock:
            if end == self._end:  # nothing came in meanwhile
                self._empty()
        return count

    def _hand_on(self, batch: Sequence[_Record], commit: Commit) -> int:
        entries = [self._open(record) for record in batch]
        for entry, error in zip(entries, commit(entries), strict=True):
            if error is None or isinstance(error, IntegrityError):
                continue  # it is in the store: now, or since the last attempt
            if is_unreachable(error):
                raise error
            if isinstance(error, Problem):  # the person was erased: what happened still stands
                _raise_unreachable(commit([_bare(entry)])[0])
            else:
                log.error("outbox.refused", subject=entry.subject, error=type(error).__name__)
        return len(entries)

    def _open(self, record: _Record) -> Entry:
        facts = record.facts | {"ended": record.ended}
        entry = Entry(record.kind, record.carries, record.subject, facts, _TABLES.get(record.table))
        person = self._vault.person_of(record.key_id) if record.key_id else None
        key = self._vault.open_key(record.key_id) if person else None
        if person and key:
            entry.person, entry.retention = person, record.retention
            with suppress(InvalidTag):
                entry.body = key.unseal(record.sealed, record.subject) if record.sealed else None
        return entry

    def _records(self) -> Iterator[tuple[_Record, int]]:
        """Every record with the offset behind it, up to the first that is not whole."""
        at, size = _HEADER.size, os.fstat(self._file).st_size
        while len(frame := os.pread(self._file, _FRAME.size, at)) == _FRAME.size:
            length, checksum = _FRAME.unpack(frame)
            if not 0 < length <= size - at:
                return
            data = os.pread(self._file, length, at + _FRAME.size)
            if len(data) != length or zlib.crc32(data, self._epoch) != checksum:
                return
            at += _FRAME.size + length
            yield _decode(data), at

    def _empty(self) -> None:
        self._epoch = int.from_bytes(token_bytes(4))
        os.pwrite(self._file, _HEADER.pack(_MAGIC, self._epoch), 0)
        os.fdatasync(self._file)
        self._end = _HEADER.size


def _bare(entry: Entry) -> Entry:
    return msgspec.structs.replace(entry, person="", body=None)


def _raise_unreachable(error: BaseException | None) -> None:
    if error is not None and is_unreachable(error):
        raise error


def deliver_left(folder: Path, vault: Vault, commit: Commit, name: str = "*") -> int:
    """Deliver the outboxes of processes that died, or of the one called `name`; how many entries."""
    count = 0
    for path in sorted(folder.glob(f"{name}.outbox")):
        outbox = Outbox(path, 0, vault)
        if outbox.adopt():
            try:
                count += outbox.deliver(commit)
            finally:
                outbox.close()
    return count
