"""What is due 到期事项: one list of every day that somebody has to keep.

It is computed each time from the clocks of the register and what is on record: events and what was
done about them, people's reports, signed evidence that expires. Nothing in it is stored, so a new
calendar or a mended figure shows at once. A figure that was not checked (mark M) is listed with its
mark; it is a reason to ask, not law.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import Final, Literal

import msgspec

from hegui.cases import clocks, desk
from hegui.cases.clocks import BEIJING, Deadline, day_of, end_of, read_event
from hegui.cases.occurrences import (
    SERVICE_START,
    YEAR_END,
    Completion,
    Dated,
    Occurrence,
    Scope,
    dated,
    list_completions,
    list_occurrences,
    put_completion,
)
from hegui.evidence.archive import Archive
from hegui.evidence.scope import current
from hegui.evidence.signed import last_owners, list_signed
from hegui.evidence.status import Board, Next, board
from hegui.language import Problem, Text
from hegui.law import register

State = Literal["overdue", "due", "done"]
_ORDER: Final = {"overdue": 0, "due": 1, "done": 2}
_REPORTS: Final = "IM-15"
_EVERY_CASE: Final = 1 << 40


class Signed(msgspec.Struct, frozen=True):
    """Signed evidence that is good up to a day."""

    subject: str
    title: Text
    valid_until: date
    owner: str


class Due(msgspec.Struct, frozen=True):
    """Something with a day to keep.

    `by` is the last day or minute, in Beijing, or empty where the law gives no figure: then
    the operator's published limit counts. `exact` is false if this is only the earliest that it can be. `kind` is the clock's, or
    answer (a person's report) or expiry (signed evidence); `basis`, `verified` and `figure` are the
    clock's too. `uncertain`: the duty itself waits for counsel or for its text to be checked.
    """

    subject: str
    obligation: str
    duty: Text
    state: State
    by: str
    exact: bool
    kind: str
    basis: str = ""
    verified: str = ""
    figure: str = ""
    anchor: str = ""
    since: str = ""
    occurrence: str = ""
    uncertain: bool = False
    owner: str = ""
    done: str = ""  # the day
    reference: str = ""

    @property
    def late(self) -> bool:
        """Whether it was done too late; both texts are ISO 8601 in Beijing time."""
        known = 16 if "T" in self.by else 10  # as far as both say: the minute, or the day
        return bool(self.done and self.by) and self.done[:known] > self.by[:known]

    def explain(self, language: str) -> str:
        """Where the figure is from, and how far it can be relied on."""
        if not self.basis:
            return ""
        term = register().term
        words = [self.basis, f"{self.verified}: {term('mark', self.verified).say(language)}"]
        if self.verified != "M":
            words.append(term("figure", self.figure).say(language))
        return " · ".join(words)


def due_list(
    archive: Archive,
    now: datetime,
    scope: Scope | None = None,
    *,
    signed: Iterable[Signed] | None = None,
    owners: Mapping[str, str] | None = None,
) -> list[Due]:
    """What is overdue, due and done, each by its day; without a day first of those due.

    `now` needs a zone. Scope, signed evidence and who answers for each obligation are those on record,
    unless they are given; while no scope is, every duty counts as this service's. Reports of people are listed until they are answered; afterwards
    they are on the desk's own list.
    """
    scope = scope or current(archive)
    owners = last_owners(archive) if owners is None else owners
    signed = _on_record(archive) if signed is None else signed
    book = _Book(archive, now, scope, owners)
    found = [
        *book.of_occurrences(),
        *book.of_years(),
        *book.of_periods(),
        *_reports(archive, now, owners),
        *(_expiry(each, now) for each in signed),
    ]
    return sorted(found, key=lambda each: (_ORDER[each.state], each.by, each.subject))


def next_due(archive: Archive, now: datetime) -> dict[str, Next]:
    """For each duty with a day to keep, the nearest that is still open; what is overdue comes first."""
    found: dict[str, Next] = {}
    for each in due_list(archive, now):
        if each.state != "done" and each.by and each.kind != "expiry":
            found.setdefault(each.obligation, Next(each.by, each.state == "overdue"))
    return found


def board_of(archive: Archive) -> Board:
    """Where the service stands with every duty now, with what is due."""
    return board(archive, due=next_due(archive, datetime.now(BEIJING)))


def _on_record(archive: Archive) -> Iterator[Signed]:
    """The signed evidence that still counts, or has run out without another in its place."""
    later: set[str] = set()
    for paper in sorted(list_signed(archive), key=lambda each: each.valid_until, reverse=True):
        if not paper.ended and not later.issuperset(paper.about):
            title = register().term("human", paper.kind)
            until = date.fromisoformat(paper.valid_until)
            yield Signed(paper.proof, title, until, paper.owner)
        later.update(paper.about)


def is_started(archive: Archive) -> bool:
    """Whether the start of the service is on record, without which nothing yearly has a day."""
    return any(each.anchor == SERVICE_START for each in list_occurrences(archive))


class _Book:
    """The clocks, and all that is on record about them."""

    def __init__(
        self, archive: Archive, now: datetime, scope: Scope | None, owners: Mapping[str, str]
    ) -> None:
        self._now, self._owners = now, owners
        self._all = dated(scope)
        # A duty that takes its figure from another one of the list leaves the day to that one.
        held = {(each.duty.id, each.figure) for each in self._all}
        self._own = [
            each
            for each in self._all
            if each.clock.basis == each.duty.id or (each.clock.basis, each.figure) not in held
        ]
        self._events = list_occurrences(archive)
        self._done = list_completions(archive)
        starts = [day_of(e.event) for e in self._events if e.anchor == SERVICE_START]
        self._start = starts[-1] if starts else None  # a later record corrects an earlier one

    def of_occurrences(self) -> Iterator[Due]:
        """Deadlines that an event on record has started."""
        for event in self._events:
            for each in self._all if event.obligation else self._own:
                if event.starts(each) and each.clock.kind != "periodic":
                    deadline = clocks.due(each.clock, event.event)
                    subject = each.subject(event.occurrence)
                    yield self._due(each, subject, deadline, event.happened, event)

    def of_years(self) -> Iterator[Due]:
        """What hangs on the end of a year: the last one and this one."""
        for each in filter(_by_calendar_year, self._own):
            start = self._from(each)
            for year in (self._now.year - 1, self._now.year):
                end = date(year, 12, 31)
                if start is None or end < start:
                    continue
                periodic = each.clock.kind == "periodic"
                deadline = None if periodic else clocks.due(each.clock, end)
                whole = Deadline(end_of(end), True, "periodic") if periodic else deadline
                yield self._due(each, each.subject(year), whole, end.isoformat())

    def of_periods(self) -> Iterator[Due]:
        """What comes again, counted from when it was last done, else from the start."""
        for each in self._own:
            if each.clock.kind != "periodic" or _by_calendar_year(each):
                continue
            number = 1
            while done := self._done.get(each.subject(f"p{number}")):
                yield self._due(each, done.subject, None, "")
                number += 1
            last, start = self._last(each, number - 1), self._from(each)
            if base := last or start:
                anchor = SERVICE_START if base == self._start else ""  # else: since it is law
                deadline = clocks.due(each.clock, base)
                due = self._due(each, each.subject(f"p{number}"), deadline, base.isoformat())
                yield due if last else msgspec.structs.replace(due, anchor=anchor)

    def _last(self, each: Dated, number: int) -> date | None:
        """When it was last done, as a completion or the event itself says."""
        done = self._done.get(each.subject(f"p{number}"))
        days = [day_of(event.event) for event in self._events if event.starts(each)]
        days += [day_of(read_event(done.happened))] if done else []
        return max((day for day in days if day <= day_of(self._now)), default=None)

    def _from(self, each: Dated) -> date | None:
        """The day from which the duty has been this service's: its start, or the law's."""
        book = register()
        law = max(book.provision(row).valid_from for row in each.duty.provisions)
        return self._start and max(self._start, law)

    def _due(
        self,
        each: Dated,
        subject: str,
        deadline: Deadline | None,
        since: str,
        event: Occurrence | None = None,
    ) -> Due:
        clock, duty, done = each.clock, each.duty, self._done.get(subject)
        return Due(
            subject,
            duty.id,
            duty.duty,
            _state(deadline, self._now, done),
            done.due if done else deadline.by if deadline else "",
            exact=deadline is None or deadline.exact,
            kind=clock.kind,
            basis=clock.basis,
            verified=clock.verified,
            figure=clock.figure,
            anchor=clock.anchor,
            since=since,
            occurrence=event.occurrence if event else "",
            uncertain=duty.needs_check,
            owner=self._owners.get(duty.id, ""),
            done=done.happened if done else "",
            reference=done.reference if done else "",
        )


def _by_calendar_year(each: Dated) -> bool:
    clock = each.clock
    yearly = (clock.amount, clock.unit) == (1, "year")
    return clock.anchor == YEAR_END and (clock.kind != "periodic" or yearly)


def _state(deadline: Deadline | None, now: datetime, done: Completion | None) -> State:
    if done:
        return "done"
    return "overdue" if deadline and deadline.is_over(now) else "due"


def _reports(archive: Archive, now: datetime, owners: Mapping[str, str]) -> Iterator[Due]:
    duty = register().obligation(_REPORTS)
    for case in desk.list_cases(archive, settled=False, skip=0, limit=_EVERY_CASE):
        promised = Deadline(end_of(date.fromisoformat(case.due)), True, "max_delay")
        received = datetime.fromisoformat(case.at).astimezone(BEIJING)
        yield Due(
            case.receipt, duty.id, duty.duty, _state(promised, now, None), promised.by,
            exact=True, kind="answer", basis=duty.id, verified=duty.verified, figure="operator",
            anchor="request", since=received.date().isoformat(), owner=owners.get(duty.id, ""),
        )  # fmt: skip


def _expiry(each: Signed, now: datetime) -> Due:
    last = Deadline(end_of(each.valid_until), True, "before")
    return Due(
        each.subject, "", each.title, _state(last, now, None), last.by,
        exact=True, kind="expiry", owner=each.owner,
    )  # fmt: skip


# -- done ------------------------------------------------------------------------------------------


def complete(
    archive: Archive, name: str, reference: str, staff: str, happened: str = "",
    *, now: datetime, obligation: str = "",
) -> Due:  # fmt: skip
    """Put on record that something is done, by its subject, or by the occurrence that started it.

    `reference` says where the proof lies; `happened` is when, today if empty; `obligation` chooses
    where one occurrence started several clocks.

    Raises:
        Problem: `clock.unknown`, `clock.several`, `clock.future`, and what recording raises.
    """
    found = [
        each
        for each in due_list(archive, now)
        if each.state != "done" and each.kind not in {"answer", "expiry"}
        and name in {each.subject, each.occurrence} and obligation in {"", each.obligation}
    ]  # fmt: skip
    if not found:
        raise Problem(
            "clock.unknown",
            "Nothing that waits is called {name}: `hegui due` lists what does. A report is done by "
            "answering it.",
            name=name,
        )
    if len(found) > 1:
        raise Problem(
            "clock.several",
            "{name} started several clocks: name one of {subjects}.",
            name=name,
            subjects=", ".join(each.subject for each in found),
        )
    event = read_event(happened.strip()) if happened.strip() else day_of(now)
    if day_of(event) > day_of(now):
        raise Problem("clock.future", "It cannot have been done after today: mend the date.")
    put_completion(archive, found[0].subject, found[0].by, event, reference, staff)
    return found[0]
