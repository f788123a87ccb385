"""Occurrences 事件: what starts the clocks of the register, and what was done about them.

A person puts both on record; nothing of it can be taken back. What was recorded by mistake is
completed with a reference that says so.
"""

from secrets import token_hex
from typing import Final, Protocol, TypeVar

import msgspec
from sqlalchemy import Table, select
from sqlalchemy.exc import IntegrityError

from hegui.cases.clocks import Event, read_event, write_event
from hegui.evidence.archive import Archive
from hegui.language import Problem, Text
from hegui.law import Clock, Obligation, register
from hegui.store.tables import completions, occurrences
from hegui.store.writer import Entry

T = TypeVar("T")
SERVICE_START: Final = "service_start"
YEAR_END: Final = "year_end"  # comes by itself
LONGEST: Final = 200  # characters of a note, and of a reference
LONGEST_STAFF: Final = 80
_DATED: Final = ("max_delay", "before", "periodic")
_NOT_OURS: Final = {"A", "U"}  # authorities and users keep their own clocks
_NO_LAW: Final = ("draft", "superseded")
# How long somebody may go on, within a session or a day: for the running service to keep.
_OF_USE: Final = {"session_start", "day_under_sixteen", "day_from_sixteen"}


class Applies(Protocol):
    @property
    def counts(self) -> bool: ...


class Scope(Protocol):
    """What is known of the service; a duty whose `applies` does not count is not this service's."""

    def applies(self, duty: Obligation, /) -> Applies: ...


class Dated(msgspec.Struct, frozen=True):
    """A clock that people work against; `tag` tells apart those of one duty with one anchor."""

    duty: Obligation
    clock: Clock
    tag: str

    def subject(self, of: object) -> str:
        """The name of what is due: the duty, and what its clock runs from."""
        return f"{self.duty.id}@{of}{self.tag}"

    @property
    def figure(self) -> tuple[object, ...]:
        clock = self.clock
        return (clock.anchor, clock.kind, clock.amount, clock.unit)


def dated(scope: Scope | None = None) -> list[Dated]:
    """Every clock that ends on a day: no retention, nothing that only a program can keep.

    Left out: drafts and what was superseded, duties of authorities and users alone, what is merely
    allowed, and what `scope` says is not this service's. A periodic duty without a figure has no
    day; `hegui law list` shows it.
    """
    return [each for duty in register() if _is_ours(duty, scope) for each in _clocks(duty)]


def _is_ours(duty: Obligation, scope: Scope | None) -> bool:
    if duty.modality in {"none", "may"} or set(duty.actors) <= _NOT_OURS:
        return False
    if register().instrument(duty.id.partition("-")[0]).status in _NO_LAW:
        return False
    return scope is None or scope.applies(duty).counts


def _clocks(duty: Obligation) -> list[Dated]:
    found: list[Dated] = []
    for clock in duty.clocks:
        periodic = clock.kind == "periodic"
        if clock.kind not in _DATED or clock.anchor in _OF_USE:
            continue
        if periodic and (clock.amount is None or clock.unit == "hour"):
            continue
        same = sum(each.clock.anchor == clock.anchor for each in found)
        found.append(Dated(duty, clock, f"#{same + 1}" if same else ""))
    return found


def anchors(scope: Scope | None = None) -> dict[str, Text]:
    """The events that a person may record, by code: those that a clock runs from."""
    known = register().vocabulary["anchor"]
    used = {each.clock.anchor for each in dated(scope)} | {SERVICE_START}
    return {code: text for code, text in known.items() if code in used and code != YEAR_END}


# -- recording -------------------------------------------------------------------------------------


class Occurrence(msgspec.Struct, frozen=True):
    """An event; `obligation` names the one duty whose clock it starts, or is empty for all."""

    occurrence: str
    anchor: str
    happened: str
    obligation: str
    note: str
    staff: str
    seq: int

    @property
    def event(self) -> Event:
        return read_event(self.happened)

    def starts(self, each: Dated) -> bool:
        return each.clock.anchor == self.anchor and self.obligation in {"", each.duty.id}


class Completion(msgspec.Struct, frozen=True):
    """That something was done, when, and where the proof lies; `due` as it stood at that time."""

    subject: str
    due: str
    happened: str
    reference: str
    staff: str
    seq: int


def record(
    archive: Archive, anchor: str, happened: str, staff: str, obligation: str = "", note: str = ""
) -> str:
    """Put on record that an event took place, or (for what is due before it) will; returns its id.

    `happened` is a day or a moment as `clocks.read_event` takes it.

    Raises:
        Problem: `clock.anchor`, `clock.event`, `clock.words`, or that there is no such duty.
    """
    obligation, event = obligation.strip(), read_event(happened.strip())
    if obligation:
        register().obligation(obligation)
    started = [
        each.duty.id
        for each in dated()
        if each.clock.anchor == anchor and obligation in {"", each.duty.id}
    ]
    if anchor not in anchors() or (obligation and not started):
        raise Problem(
            "clock.anchor",
            "No clock of {duty} starts with {anchor}. Events that start one: {known}.",
            duty=obligation or "–",
            anchor=anchor or "–",
            known=", ".join(_anchors_of(obligation)) or "–",
        )
    occurrence = f"o{token_hex(8)}"
    facts = {
        "occurrence": occurrence,
        "anchor": anchor,
        "happened": write_event(event),
        "obligation": obligation,
        "note": _words(note, LONGEST),
        "staff": _words(staff, LONGEST_STAFF, required=True),
    }
    carries = tuple(dict.fromkeys(started))
    entry = Entry("occurrence.recorded", carries, occurrence, facts, occurrences)
    archive.writer.commit_now(entry)
    return occurrence


def _anchors_of(obligation: str) -> list[str]:
    if not obligation:
        return list(anchors())
    return sorted({each.clock.anchor for each in dated() if each.duty.id == obligation})


def put_completion(
    archive: Archive, subject: str, due: str, happened: Event, reference: str, staff: str
) -> None:
    """Put on record that what was due is done; `due.complete` looks up what that is.

    Raises:
        Problem: `clock.words`, `clock.done`.
    """
    facts = {
        "subject": subject,
        "due": due,
        "happened": write_event(happened),
        "reference": _words(reference, LONGEST, required=True),
        "staff": _words(staff, LONGEST_STAFF, required=True),
    }
    carries = (subject.partition("@")[0],)
    try:
        archive.writer.commit_now(Entry("duty.done", carries, subject, facts, completions))
    except IntegrityError as error:
        raise Problem(
            "clock.done",
            "{subject} was completed already: look at the list again.",
            subject=subject,
        ) from error


def _words(text: str, longest: int, *, required: bool = False) -> str:
    words = " ".join(text.split())
    if len(words) > longest or (required and not words):
        raise Problem(
            "clock.words",
            "Write 1 to {longest} characters: what it is, and where the proof lies. Name no person "
            "in it, since the ledger keeps it for ever.",
            longest=longest,
        )
    return words


# -- reading ---------------------------------------------------------------------------------------


def list_occurrences(archive: Archive) -> list[Occurrence]:
    """Every event on record, in the order of recording."""
    return _rows(archive, occurrences, Occurrence)


def list_completions(archive: Archive) -> dict[str, Completion]:
    """What was done, by its subject, in the order of recording."""
    return {each.subject: each for each in _rows(archive, completions, Completion)}


def _rows(archive: Archive, table: Table, kind: type[T]) -> list[T]:
    with archive.store.read() as connection:
        rows = connection.execute(select(table).order_by(table.c.seq))
        return [msgspec.convert(row, kind, from_attributes=True) for row in rows]
