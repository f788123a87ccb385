"""Open what is sealed: the opening stands in the ledger before a byte is decrypted (Art. 11(1))."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from secrets import token_hex
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from sqlalchemy import Connection, or_, select

from hegui.evidence.archive import Archive
from hegui.evidence.ledger import Head, read_head
from hegui.evidence.proofs import entry_bytes
from hegui.language import Problem
from hegui.store.tables import (
    body_table,
    body_table_name,
    cases,
    exchanges,
    keys,
    openings,
    outcomes,
    tombstones,
)
from hegui.store.writer import Entry

CARRIES: Final = ("IM-11.1",)
SHORTEST: Final = 4  # characters of a reason
LONGEST: Final = 200
_MANY: Final = 1_000  # exchanges that one entry names: keeps its head far below the limit
_BATCH: Final = "batch-"  # begins the subject of an opening of many


class Opened(msgspec.Struct, frozen=True):
    """The request as it came in, what the user saw, and what was withheld ("" if nothing)."""

    question: str
    answer: str
    withheld: str
    at: str  # when it was opened: the time of the ledger entry


class Opening(msgspec.Struct, frozen=True):
    """One opening of sealed content, as the ledger's entry `seq` tells it."""

    staff: str
    reason: str
    at: str
    seq: int


class _Answer(msgspec.Struct):
    answer: str = ""
    withheld: str = ""


def open_exchange(archive: Archive, exchange: str, staff: str, reason: str) -> Opened:
    """Record that `staff` opens an exchange, then decrypt it.

    The reason is a public fact of the ledger and stays for ever.

    Raises:
        Problem: `opening_reason`, `no_exchange`, `erased`, `body_changed`.
    """
    check_reason(reason)
    admitted, finished = _numbers(archive, exchange)
    at = _record(archive, exchange, staff, reason)
    return _exchange(archive, admitted, finished, at)


def _exchange(archive: Archive, admitted: int, finished: int | None, at: str) -> Opened:
    question = _opened(archive, admitted)
    ended = _opened(archive, finished) if finished is not None else b"{}"
    answer = msgspec.json.decode(ended, type=_Answer)
    return Opened(question.decode(errors="replace"), answer.answer, answer.withheld, at)


def open_many(
    archive: Archive, wanted: Sequence[str], staff: str, reason: str
) -> Iterator[tuple[str, Opened | None]]:
    """Record that `staff` has these exchanges read by machine, then decrypt one after the other.

    One entry names a thousand of them. An exchange that was erased comes as None.

    Raises:
        Problem: `opening_reason`, `no_exchange`, `body_changed`.
    """
    check_reason(reason)
    for start in range(0, len(wanted), _MANY):
        some = wanted[start : start + _MANY]
        at = _record(archive, _BATCH + token_hex(12), staff, reason, exchanges=list(some))
        for exchange in some:
            admitted, finished = _numbers(archive, exchange)
            try:
                yield exchange, _exchange(archive, admitted, finished, at)
            except Problem as problem:
                if problem.code != "erased":
                    raise
                yield exchange, None


def open_report(archive: Archive, receipt: str, staff: str, reason: str) -> str:
    """Record that `staff` opens the words of a report, then decrypt them.

    Raises:
        Problem: `opening_reason`, `no_report`, `erased`, `body_changed`.
    """
    check_reason(reason)
    query = select(cases.c.seq).where(cases.c.receipt == receipt)
    with archive.store.read() as connection:
        seq = connection.execute(query).scalar()
    if seq is None:
        raise Problem(
            "no_report",
            "There is no report {receipt}: choose one from the list.",
            receipt=receipt,
        )
    _record(archive, receipt, staff, reason)
    return _opened(archive, seq).decode(errors="replace")


def list_openings(archive: Archive, subject: str) -> list[Opening]:
    """Every opening of an exchange, alone or among many, or of a report's words; the first first."""
    batch = openings.c.subject.startswith(_BATCH, autoescape=True)
    query = select(openings).where(or_(openings.c.subject == subject, batch))
    with archive.store.read() as connection:
        return [
            Opening(row.staff, row.reason, row.at, row.seq)
            for row in connection.execute(query.order_by(openings.c.seq)).all()
            if row.subject == subject or subject in _named(connection, row.seq)
        ]


def _named(connection: Connection, seq: int) -> list[str]:
    """The exchanges that an opening of many names."""
    named: list[str] = read_head(entry_bytes(connection, seq)).facts["exchanges"]
    return named


def check_reason(reason: str) -> None:
    """Refuse a reason that says nothing, or that no page could show.

    Raises:
        Problem: `opening_reason`.
    """
    given = reason.strip()
    if not SHORTEST <= len(given) <= LONGEST or not given.isprintable():
        raise Problem(
            "opening_reason",
            "Give a reason of {shortest} to {longest} printable characters. It stays in the "
            "ledger: name no person in it.",
            shortest=SHORTEST,
            longest=LONGEST,
        )


def _record(archive: Archive, subject: str, staff: str, reason: str, **more: object) -> str:
    """Put the opening on record, with `more` facts about it; returns its time."""
    facts = {"subject": subject, "staff": staff, "reason": reason.strip(), **more}
    entry = Entry("content.opened", CARRIES, subject, facts, openings)
    archive.writer.commit_now(entry)
    return entry.at


def _opened(archive: Archive, seq: int) -> bytes:
    body = read_body(archive, seq)
    if body is None:
        raise Problem(
            "erased",
            "This content was erased: its key is destroyed and nobody can open it. The ledger "
            "entries and their proofs remain.",
        )
    return body


def read_body(archive: Archive, seq: int) -> bytes | None:
    """The body of entry `seq`, decrypted; None when its key was destroyed.

    Records nothing: for a person's own content. Staff use `open_exchange` and `open_report`.

    Raises:
        Problem: `no_entry`, `body_changed`.
    """
    with archive.store.read() as connection:
        head = read_head(entry_bytes(connection, seq))
    place = _place(archive, head.key) if head.body else None  # whose key is gone, has no place
    key = archive.vault.open_key(head.key) if place else None
    sealed = _sealed(archive, place, seq) if place else None
    if key is None or sealed is None:
        return None
    try:
        body = key.unseal(sealed, head.subject)
    except InvalidTag as error:
        raise _changed(seq) from error
    if not _is_bound(head, sealed, key.commit):
        raise _changed(seq)
    return body


def _is_bound(head: Head, sealed: bytes, commit: str) -> bool:
    return sha256(sealed).hexdigest() == head.body and commit == head.commit


def _numbers(archive: Archive, exchange: str) -> tuple[int, int | None]:
    """The ledger's numbers of the exchange's two entries; the second is None while it runs."""
    query = select(exchanges.c.seq, outcomes.c.seq).join_from(
        exchanges, outcomes, exchanges.c.exchange == outcomes.c.exchange, isouter=True
    )
    with archive.store.read() as connection:
        row = connection.execute(query.where(exchanges.c.exchange == exchange)).first()
    if row is None:
        raise Problem(
            "no_exchange",
            "There is no exchange {exchange}: choose one from the register.",
            exchange=exchange,
        )
    return row[0], row[1]


def _place(archive: Archive, key_id: str) -> str | None:
    """The table of bodies that a key's month has; None from the moment the key is condemned."""
    query = select(keys.c.retention, keys.c.period).where(
        keys.c.key_id == key_id,
        ~select(tombstones.c.key_id).where(tombstones.c.key_id == key_id).exists(),
    )
    with archive.vault_database.read() as connection:
        row = connection.execute(query).first()
    return body_table_name(row.retention, row.period) if row else None


def _sealed(archive: Archive, place: str, seq: int) -> bytes | None:
    table = body_table(place)
    with archive.store.read() as connection:
        sealed = connection.execute(select(table.c.sealed).where(table.c.seq == seq)).scalar()
    return bytes(sealed) if sealed is not None else None


def _changed(seq: int) -> Problem:
    return Problem(
        "body_changed",
        "The sealed content of entry {seq} is not what the ledger recorded: verify the whole "
        "ledger and compare it with a backup.",
        seq=seq,
    )
