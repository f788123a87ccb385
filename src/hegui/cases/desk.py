"""The desk 案件: what people report, with a receipt, and how it goes on (Interim Measures, Art. 15).

A case is opened with one entry and goes on with one a step; the person's own words, and the answer
to them, are sealed under the person's key. The deadline is the operator's published one: the
Measures give no figure. The receipt names it, so it is a fact of the case and later settings do not
move it.
"""

from datetime import date, datetime
from secrets import choice
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import Row, Select, and_, func, select
from sqlalchemy.exc import IntegrityError

from hegui.cases.clocks import BEIJING, add_days
from hegui.evidence.archive import Archive
from hegui.evidence.opening import read_body
from hegui.language import N_, Problem
from hegui.store.tables import case_steps, cases
from hegui.store.writer import Entry

CARRIES: Final = ("IM-15",)
State = Literal["received", "working", "answered", "closed"]

# Why a person reports an answer; the texts are in the catalogue of messages.
REASONS: Final = {
    "unlawful": N_("It looks unlawful"),
    "harmful": N_("It could harm someone"),
    "untrue": N_("It is wrong or misleading"),
    "personal": N_("It contains personal information"),
    "rights": N_("It infringes someone's rights"),
    "appeal": N_("It was withheld without good reason"),
    "other": N_("Something else"),
}
LONGEST: Final = 4000  # characters of a report, and of the answer to it
_WAITING: Final = ("received", "working")
_NEXT: Final[dict[State, tuple[State, ...]]] = {
    "received": ("working", "answered"),
    "working": ("answered",),
    "answered": ("closed",),
    "closed": (),
}
_ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # no letters that read as digits


class Case(msgspec.Struct, frozen=True):
    """A case as it stands after its last step; `due` is a day in Beijing, `at` a ledger time."""

    receipt: str
    kind: str
    exchange: str
    reason: str
    due: str
    at: str
    seq: int
    key_id: str  # leads, in the vault, to the person
    state: State
    step: int

    @property
    def late(self) -> bool:
        """Whether the promised day has passed without an answer."""
        return self.state in _WAITING and self.due < _today().isoformat()


class Step(msgspec.Struct, frozen=True):
    """What a member of the staff did with a case."""

    state: State
    staff: str
    at: str
    seq: int


def _today() -> date:
    return datetime.now(BEIJING).date()


def open_case(archive: Archive, person: str, exchange: str, reason: str, text: str) -> str:
    """Open a complaint about an exchange and return its receipt number.

    Raises:
        Problem: `reason` or `too_long`.
    """
    if reason not in REASONS:
        raise Problem("reason", "Choose one of the reasons.")
    if len(text) > LONGEST:
        raise Problem("too_long", "Use at most {longest} characters.", longest=LONGEST)
    digits = "".join(choice(_ALPHABET) for _ in range(12))
    receipt = f"{digits[:4]}-{digits[4:8]}-{digits[8:]}"
    kind = "appeal" if reason == "appeal" else "complaint"
    promised = archive.settings.service
    due, _ = add_days(_today(), promised.report_days, promised.report_calendar)
    facts = {"receipt": receipt, "kind": kind, "exchange": exchange, "reason": reason}
    entry = Entry(
        "case.opened", CARRIES, receipt, facts | {"due": due.isoformat()}, cases,
        text.encode(), person, "account",
    )  # fmt: skip
    archive.writer.commit_now(entry)
    return receipt


# -- reading ---------------------------------------------------------------------------------------


def find_case(archive: Archive, receipt: str) -> Case | None:
    """The case with this receipt, or None."""
    with archive.store.read() as connection:
        row = connection.execute(_standing().where(cases.c.receipt == receipt)).first()
    return _case(row) if row else None


def list_cases(archive: Archive, *, settled: bool, skip: int, limit: int) -> list[Case]:
    """The cases that wait for an answer, or those that have one, the nearest deadline first."""
    waiting = case_steps.c.state.is_(None) | case_steps.c.state.in_(_WAITING)
    query = _standing().where(~waiting if settled else waiting)
    query = query.order_by(cases.c.due, cases.c.seq).offset(skip).limit(limit)
    with archive.store.read() as connection:
        return [_case(row) for row in connection.execute(query)]


def list_steps(archive: Archive, receipt: str) -> list[Step]:
    """Every step of a case, the first first."""
    query = select(case_steps).where(case_steps.c.receipt == receipt).order_by(case_steps.c.step)
    with archive.store.read() as connection:
        rows = connection.execute(query)
        return [Step(row.state, row.staff, row.at, row.seq) for row in rows]


def read_answer(archive: Archive, receipt: str) -> str | None:
    """What the operator answered; None before that, and once the person is erased."""
    for step in list_steps(archive, receipt):
        if step.state == "answered":
            body = read_body(archive, step.seq)
            return body.decode() if body is not None else None
    return None


def _standing() -> Select[Any]:
    """Every case with the last of its steps."""
    later = case_steps.alias()
    last = (
        select(func.max(later.c.step))
        .where(later.c.receipt == cases.c.receipt)
        .correlate(cases)
        .scalar_subquery()
    )
    is_last = and_(case_steps.c.receipt == cases.c.receipt, case_steps.c.step == last)
    columns = (cases, case_steps.c.state, case_steps.c.step)
    return select(*columns).join_from(cases, case_steps, is_last, isouter=True)


def _case(row: Row[Any]) -> Case:
    return Case(
        row.receipt, row.kind, row.exchange, row.reason, row.due, row.at, row.seq, row.key_id,
        row.state or "received", row.step or 0,
    )  # fmt: skip


# -- handling --------------------------------------------------------------------------------------


def next_states(archive: Archive, case: Case) -> tuple[State, ...]:
    """What staff may do next: nobody's case is closed unanswered, unless the person was erased."""
    if case.state in _WAITING and archive.vault.person_of(case.key_id) is None:
        return ("closed",)
    return _NEXT[case.state]


def take_step(archive: Archive, case: Case, staff: str, state: str, answer: str = "") -> None:
    """Put on record that `staff` takes up, answers or closes a case; an answer is sealed.

    Raises:
        Problem: `report_state`, `report_answer`, `report_changed`.
    """
    if state not in next_states(archive, case):
        raise Problem("report_state", "This cannot be done to a report that stands as this one "
                      "does: look at its state and choose again.")  # fmt: skip
    facts = {"receipt": case.receipt, "step": case.step + 1, "state": state, "staff": staff}
    entry = Entry(f"case.{state}", CARRIES, case.receipt, facts, case_steps)
    if state == "answered":
        answer = answer.strip()
        if not answer or len(answer) > LONGEST:
            raise Problem(
                "report_answer",
                "Write an answer of 1 to {longest} characters: the person reads it on the receipt.",
                longest=LONGEST,
            )
        entry.body, entry.retention = answer.encode(), "account"
        entry.person = archive.vault.person_of(case.key_id) or ""
    try:
        archive.writer.commit_now(entry)
    except IntegrityError as error:
        raise Problem(
            "report_changed",
            "Somebody else changed this report at the same moment: look at it again.",
        ) from error
