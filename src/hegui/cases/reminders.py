"""Reminders 提醒: that something will soon be due, or is overdue, on record once each.

Whoever sends messages reads them from the record; raising one sends nothing.
"""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from hegui.cases.clocks import BEIJING, day_of
from hegui.cases.due import Due, Signed, due_list
from hegui.cases.occurrences import Scope
from hegui.evidence.archive import Archive
from hegui.store.tables import reminders
from hegui.store.writer import Entry

OVERDUE: Final = -1


def raise_reminders(
    archive: Archive,
    now: datetime | None = None,
    scope: Scope | None = None,
    signed: Iterable[Signed] | None = None,
) -> int:
    """Raise what `clocks.remind_days` asks for and was not raised yet; returns how many."""
    moment = now or datetime.now(BEIJING)
    ahead = sorted(archive.settings.clocks.remind_days)
    columns = (reminders.c.subject, reminders.c.due, reminders.c.days)
    with archive.store.read() as connection:
        raised = {tuple(row) for row in connection.execute(select(*columns))}
    wanted = []
    for each in due_list(archive, moment, scope, signed=signed):
        days = _days(each, day_of(moment), ahead)
        if days is not None and (each.subject, each.by, days) not in raised:
            wanted.append(_entry(each, days))
    outcomes = archive.writer.commit_each(wanted)
    for outcome in outcomes:
        if outcome is not None and not isinstance(outcome, IntegrityError):
            raise outcome
    return outcomes.count(None)  # the others were raised by another process meanwhile


def _days(each: Due, today: date, ahead: list[int]) -> int | None:
    """The nearest of the days ahead that was reached; None if it is too early, or all is done.

    A period that is no longer than that itself needs no reminder as soon as it begins.
    """
    if each.state == "done" or not each.by:
        return None
    if each.state == "overdue":
        return OVERDUE
    last = date.fromisoformat(each.by[:10])
    reached = next((days for days in ahead if (last - today).days <= days), None)
    since = date.fromisoformat(each.since[:10]) if each.since else None
    if reached is None or (since and (last - since).days <= reached):
        return None
    return reached


def _entry(each: Due, days: int) -> Entry:
    facts = {"subject": each.subject, "due": each.by, "days": days}
    carries = (each.obligation,) if each.obligation else ()
    return Entry("reminder.raised", carries, each.subject, facts, reminders)
