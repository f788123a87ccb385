"""Clocks 期限: how a period of the register becomes a date. Pure: no store, no "now".

Everything counts in Beijing. The day of the event itself is not counted: our reading, after the
way civil law counts periods. A period that ends on a day off is not drawn out to the next working
day: we know of no rule for filings that says so, and the earlier date is the safe one.

Working days follow the State Council's yearly notices, with their make-up weekends (library
chinesecalendar). Where no notice is known yet, the earliest possible date is given and marked: all
weekdays count, and besides as many weekend days as notices have ever turned into working days.
"""

from calendar import monthrange
from datetime import date, datetime, time, timedelta, timezone
from typing import Final

import msgspec
from chinese_calendar import is_workday
from chinese_calendar.constants import holidays

from hegui.language import Problem
from hegui.law import Clock
from hegui.law.model import Calendar, ClockKind

BEIJING: Final = timezone(timedelta(hours=8))

# The days of which we know whether they are worked. The notice for a year may move days of the
# December before it, so the last week of the newest year is not known yet.
FIRST_KNOWN: Final = date(min(holidays).year, 1, 1)
LAST_KNOWN: Final = date(max(holidays).year, 12, 24)
# By how many days a stretch of any length was worked more than its weekdays (2013: 3), and by how
# many less, for each 40 working days begun (7): the most since 2004. Tests count them again.
MOST_EXTRA: Final = 3
MOST_OFF: Final = 7
_OFF_WITHIN: Final = 40

Event = date | datetime  # a day in Beijing, or a moment with its zone


class Deadline(msgspec.Struct, frozen=True):
    """The last moment that is still in time, in Beijing; `timed` if the hour counts, not the day.

    `exact` is false where the calendar, or the hour of the event, was not known: then this is the
    earliest that the deadline can be.
    """

    at: datetime
    exact: bool
    kind: ClockKind
    timed: bool = False

    @property
    def by(self) -> str:
        """The last day, `2026-12-08`, or where the hour counts the minute, with its offset."""
        return self.at.isoformat(timespec="minutes") if self.timed else self.at.date().isoformat()

    def is_over(self, now: datetime) -> bool:
        return now > self.at


def due(clock: Clock, event: Event) -> Deadline | None:
    """When the clock that the event started runs out; None where no figure is given at all.

    For a periodic clock, `event` is when it was last done. `before` without a figure ends as the
    event begins; with one, that long before it. Hours run through nights and days off. A period of
    months or years ends on the day of the same number, or the last of a shorter month.
    """
    if clock.amount is None or clock.unit is None:
        return _until(event) if clock.kind == "before" else None
    amount = -clock.amount if clock.kind == "before" else clock.amount
    if clock.unit == "hour":
        at = moment_of(event) + timedelta(hours=amount)
        return Deadline(at, _is_moment(event), clock.kind, timed=True)
    day, exact = day_of(event), True
    if clock.unit == "day":
        day, exact = add_days(day, amount, clock.calendar)
    else:
        day = add_months(day, amount * (12 if clock.unit == "year" else 1))
    return Deadline(end_of(day), exact, clock.kind)


def _until(event: Event) -> Deadline:
    if _is_moment(event):
        return Deadline(moment_of(event), True, "before", timed=True)
    return Deadline(end_of(day_of(event) - timedelta(days=1)), True, "before")


# -- days ------------------------------------------------------------------------------------------


def add_days(day: date, n: int, calendar: Calendar) -> tuple[date, bool]:
    """The day that lies `n` civil or working days after `day`, and whether that is exact."""
    if calendar == "prc_working":
        return add_working_days(day, n)
    return day + timedelta(days=n), True


def add_working_days(day: date, n: int) -> tuple[date, bool]:
    """The `n`th working day after `day` (before it, if `n` is negative), and whether it is exact.

    Where the calendar is not known, no date that it may turn out to be is earlier.
    """
    forward, left, exact = n > 0, abs(n), True
    spare = MOST_EXTRA if forward else MOST_OFF * (1 + left // _OFF_WITHIN)
    while left:
        day += timedelta(days=1 if forward else -1)
        known = FIRST_KNOWN <= day <= LAST_KNOWN
        works = is_workday(day) if known else day.weekday() < 5
        exact = exact and known
        if not known and spare and works is not forward:
            works, spare = forward, spare - 1
        left -= works
    return day, exact


def add_months(day: date, n: int) -> date:
    """The same day `n` months on; 31 January and one month is the last of February."""
    year, month = divmod(day.year * 12 + day.month - 1 + n, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def next_yearly(month: int, day: int, after: date) -> date:
    """The first such day of a year after `after`: 31 January, say; 29 February may be the 28th."""
    for year in (after.year, after.year + 1):
        found = date(year, month, min(day, monthrange(year, month)[1]))
        if found > after:
            break
    return found


# -- events ----------------------------------------------------------------------------------------


def read_event(text: str) -> Event:
    """A day `2026-11-24`, or a moment `2026-11-24T09:30`; without an offset it is Beijing time.

    Raises:
        Problem: `clock.event`.
    """
    try:
        event: Event = date.fromisoformat(text[:10])
        if len(text) > 10:
            event = datetime.fromisoformat(text)
    except ValueError:
        event = date.min
    if not 2000 <= event.year <= 2100:
        raise Problem(
            "clock.event",
            "{text} is no date from 2000 to 2100: write a day as 2026-11-24, or with its hour as "
            "2026-11-24T09:30.",
            text=text or "–",
        )
    if isinstance(event, datetime):
        event = event.replace(tzinfo=event.tzinfo or BEIJING).astimezone(BEIJING)
    return event


def write_event(event: Event) -> str:
    """As `read_event` reads it: ISO 8601, a moment to the second with Beijing's offset."""
    return moment_of(event).isoformat(timespec="seconds") if _is_moment(event) else str(event)


def day_of(event: Event) -> date:
    """The day of the event in Beijing."""
    return moment_of(event).date()


def moment_of(event: Event) -> datetime:
    """The moment in Beijing; of a day, its first.

    Raises:
        ValueError: a moment without a zone.
    """
    if not isinstance(event, datetime):
        return datetime.combine(event, time.min, BEIJING)
    if event.tzinfo is None:
        raise ValueError("a moment without a zone")
    return event.astimezone(BEIJING)


def end_of(day: date) -> datetime:
    """The last moment of a day in Beijing."""
    return datetime.combine(day, time.max, BEIJING)


def _is_moment(event: Event) -> bool:
    return isinstance(event, datetime)


# -- the calendar itself ---------------------------------------------------------------------------


class Year(msgspec.Struct, frozen=True):
    """How a year differs from its weeks: weekdays that are off, weekend days that are worked."""

    working: int  # working days in all
    off: tuple[date, ...]
    made_up: tuple[date, ...]


def year_of(year: int) -> Year:
    """The working days of a year.

    Raises:
        Problem: `clock.year`.
    """
    if not FIRST_KNOWN.year <= year <= LAST_KNOWN.year:
        raise Problem(
            "clock.year",
            "The working days of {year} are not known here, only those of {first} to {last}: update "
            "the package chinesecalendar once the State Council has announced them.",
            year=year,
            first=FIRST_KNOWN.year,
            last=LAST_KNOWN.year,
        )
    first = date(year, 1, 1)
    days = [first + timedelta(days=n) for n in range((date(year + 1, 1, 1) - first).days)]
    working = [day for day in days if is_workday(day)]
    return Year(
        len(working),
        tuple(day for day in days if day.weekday() < 5 and not is_workday(day)),
        tuple(day for day in working if day.weekday() > 4),
    )
