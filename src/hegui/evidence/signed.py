"""Signed evidence: what people hand in, who reviewed an open reading, who owns a duty.

A duty that only people can meet is met by a record of who did what, with the file's digest and the day
until which it holds; never by ticking a box. The file itself stays with whoever signed it.
"""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Any, BinaryIO, Final, Literal

import msgspec
from sqlalchemy import Table, func, select
from sqlalchemy.exc import IntegrityError

from hegui.evidence.archive import Archive
from hegui.evidence.ledger import now
from hegui.language import Problem
from hegui.law import Obligation, register
from hegui.store.tables import owners, reviews, signed, signed_ends
from hegui.store.writer import Entry

LARGEST: Final = 512 * 1024 * 1024  # bytes of a file
_PIECE: Final = 1024 * 1024
_LONGEST_YEARS: Final = 10  # that a proof may hold: longer, nobody would look at it again
Capacity = Literal["counsel", "internal"]


class Signed(msgspec.Struct, frozen=True):
    """A piece of signed evidence; dates are ISO days, `valid_until` the last one."""

    proof: str
    kind: str
    about: tuple[str, ...]
    name: str
    sha256: str
    signer: str
    owner: str
    valid_from: str
    valid_until: str
    note: str
    staff: str
    seq: int
    at: str
    ended: str  # why it counts no more, "" while it does

    def holds(self, day: date) -> bool:
        return not self.ended and self.valid_from <= day.isoformat() <= self.valid_until


class Review(msgspec.Struct, frozen=True):
    """What a named person found about a row that is uncertain, or was not read."""

    obligation: str
    step: int
    reviewer: str
    capacity: str
    finding: str
    valid_until: str
    seq: int
    at: str

    def holds(self, day: date) -> bool:
        return day.isoformat() <= self.valid_until


def add(
    archive: Archive, file: Path | BinaryIO, *, kind: str, signer: str, owner: str,
    valid_until: date, about: Iterable[str] = (), valid_from: date | None = None,
    name: str = "", note: str = "", staff: str = "",
) -> Signed:  # fmt: skip
    """Put signed evidence on record; without `about` it counts for every duty that asks for its kind.

    Raises:
        Problem: `proof.kind`, `proof.about`, `proof.dates`, `proof.signer`, `proof.file`,
            `proof.size`.
    """
    today = datetime.fromisoformat(now()).date()
    start = valid_from or today
    duties = _duties(kind, tuple(about))
    _check_days(start, valid_until)
    if not signer.strip() or not owner.strip():
        raise Problem("proof.signer", "Name who signed it, and who will see to the next one.")
    title, digest = _read(file, name)
    facts = {
        "proof": f"proof_{token_hex(8)}", "kind": kind, "about": " ".join(duties),
        "name": title[:200], "sha256": digest, "signer": signer.strip()[:80],
        "owner": owner.strip()[:80], "valid_from": start.isoformat(),
        "valid_until": valid_until.isoformat(), "note": note.strip()[:400], "staff": staff[:24],
    }  # fmt: skip
    entry = Entry("proof.added", duties, facts["proof"], facts, signed)
    archive.writer.commit_now(entry)
    return list_signed(archive, facts["proof"])[0]


def _check_days(start: date, until: date) -> None:
    if not start <= until <= start + timedelta(days=366 * _LONGEST_YEARS):
        raise Problem(
            "proof.dates",
            "The evidence must hold until a day after it begins, and for {years} years at most: give such a day.",
            years=_LONGEST_YEARS,
        )


def _duties(kind: str, about: tuple[str, ...]) -> tuple[str, ...]:
    book = register()
    if kind not in book.vocabulary["human"]:
        raise Problem(
            "proof.kind",
            "There is no kind of evidence {kind}. These are known: {known}.",
            kind=kind,
            known=", ".join(book.vocabulary["human"]),
        )
    asked = tuple(duty.id for duty in book if duty.human == kind)
    if wrong := [each for each in about if book.obligation(each).id not in asked]:
        raise Problem(
            "proof.about",
            "{duties} is not met by evidence of this kind. It serves for: {asked}.",
            duties=", ".join(wrong),
            asked=", ".join(asked[:30]),
        )
    return tuple(dict.fromkeys(about)) or asked


def _read(file: Path | BinaryIO, name: str) -> tuple[str, str]:
    """The file's name and SHA-256, read in pieces."""
    try:
        if isinstance(file, Path):
            with file.open("rb") as stream:
                return name or file.name, _digest(stream)
        return name, _digest(file)
    except OSError as error:
        raise Problem(
            "proof.file",
            "The file {file} cannot be read: {reason}.",
            file=str(file),
            reason=error.strerror,
        ) from error


def _digest(stream: BinaryIO) -> str:
    size = stream.seek(0, 2)
    stream.seek(0)
    if not 0 < size <= LARGEST:
        raise Problem(
            "proof.size",
            "The file is empty or larger than {limit} MB: hand in the signed document itself.",
            limit=LARGEST // 1024 // 1024,
        )
    digest = sha256()
    while piece := stream.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest()


def end(archive: Archive, proof: str, reason: str, staff: str = "") -> None:
    """From now on the proof counts no more.

    Raises:
        Problem: `proof.reason`, `proof.unknown`, `proof.ended`.
    """
    if not reason.strip():
        raise Problem("proof.reason", "Say why the evidence counts no more.")
    if not list_signed(archive, proof):
        raise Problem(
            "proof.unknown",
            "There is no evidence {proof}: `hegui evidence list` shows all.",
            proof=proof,
        )
    facts = {"proof": proof, "reason": reason.strip()[:400], "staff": staff[:24]}
    try:
        archive.writer.commit_now(Entry("proof.ended", (), proof, facts, signed_ends))
    except IntegrityError as error:
        raise Problem(
            "proof.ended", "The evidence {proof} has already been ended.", proof=proof
        ) from error


def review(
    archive: Archive, obligation: str, reviewer: str, capacity: Capacity, finding: str,
    valid_until: date, staff: str = "",
) -> None:  # fmt: skip
    """Put on record what a named person found about an open reading, or an unread text.

    Raises:
        Problem: `review.needless` where nothing is open, `proof.signer`, `proof.dates`, or as the
            register does.
    """
    duty = register().obligation(obligation)
    if not duty.needs_check:
        raise Problem(
            "review.needless", "Nothing about {id} is open: it needs no review.", id=obligation
        )
    if not reviewer.strip() or not finding.strip():
        raise Problem("proof.signer", "Name the reviewer, and say what was found.")
    _check_days(datetime.fromisoformat(now()).date(), valid_until)
    facts = {"reviewer": reviewer.strip()[:80], "capacity": capacity,
             "finding": finding.strip()[:1000], "valid_until": valid_until.isoformat()}  # fmt: skip
    _step(archive, reviews, "review.added", duty, facts | {"staff": staff[:24]})


def assign(archive: Archive, obligation: str, owner: str, staff: str = "") -> None:
    """Say who sees to a duty from now on."""
    duty = register().obligation(obligation)
    _step(archive, owners, "owner.named", duty, {"owner": owner.strip()[:80], "staff": staff[:24]})


def _step(
    archive: Archive, table: Table, kind: str, duty: Obligation, facts: dict[str, Any]
) -> None:
    with archive.store.read() as connection:
        last = connection.execute(
            select(func.max(table.c.step)).where(table.c.obligation == duty.id)
        ).scalar()
    facts = {"obligation": duty.id, "step": (last or 0) + 1, **facts}
    try:
        archive.writer.commit_now(Entry(kind, (duty.id,), duty.id, facts, table))
    except IntegrityError as error:
        raise Problem(
            "step.taken",
            "Somebody else changed {id} at the same moment: look at it again.",
            id=duty.id,
        ) from error


# -- reading ---------------------------------------------------------------------------------------


def list_signed(archive: Archive, proof: str = "") -> list[Signed]:
    """Every piece of signed evidence, the newest first; with `proof`, that one alone."""
    query = select(signed, signed_ends.c.reason).join_from(
        signed, signed_ends, signed.c.proof == signed_ends.c.proof, isouter=True
    )
    if proof:
        query = query.where(signed.c.proof == proof)
    with archive.store.read() as connection:
        rows = connection.execute(query.order_by(signed.c.seq.desc())).all()
    return [
        Signed(
            row.proof, row.kind, tuple(row.about.split()), row.name, row.sha256, row.signer, row.owner,
            row.valid_from, row.valid_until, row.note, row.staff, row.seq, row.at,
            row.reason or "",
        )
        for row in rows
    ]  # fmt: skip


def last_reviews(archive: Archive) -> dict[str, Review]:
    """The last review of every row that has one."""
    with archive.store.read() as connection:
        rows = connection.execute(select(reviews).order_by(reviews.c.step)).all()
    return {
        row.obligation: Review(row.obligation, row.step, row.reviewer, row.capacity, row.finding,
                               row.valid_until, row.seq, row.at)
        for row in rows
    }  # fmt: skip


def last_owners(archive: Archive) -> dict[str, str]:
    """Who sees to each duty that has been given to somebody."""
    with archive.store.read() as connection:
        rows = connection.execute(select(owners).order_by(owners.c.step)).all()
    return {row.obligation: row.owner for row in rows}
