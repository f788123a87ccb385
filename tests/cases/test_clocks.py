"""Deadlines against real calendars: the State Council's notices, long hours, short months."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from chinese_calendar import is_workday
from hypothesis import example, given
from hypothesis import strategies as st

from hegui.cases import clocks
from hegui.cases.clocks import (
    BEIJING,
    FIRST_KNOWN,
    LAST_KNOWN,
    Deadline,
    add_days,
    add_months,
    add_working_days,
    day_of,
    due,
    end_of,
    moment_of,
    next_yearly,
    read_event,
    write_event,
    year_of,
)
from hegui.language import Problem
from hegui.law import Clock

D = date.fromisoformat
NEW_YORK = timezone(timedelta(hours=-5))
KNOWN = st.dates(FIRST_KNOWN, LAST_KNOWN)
COUNTS = st.integers(1, 60)


def clock(amount=None, unit=None, kind="max_delay", calendar="civil"):
    return Clock(kind, "finding", "statute", "IM-1", "T", amount, unit, calendar)


# -- working days ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "n", "end"),
    [
        # National Day 2025: off 1 to 8 October; Sunday 28 September and Saturday 11 October worked.
        ("2025-09-26", 1, "2025-09-28"),
        ("2025-09-26", 4, "2025-10-09"),
        ("2025-09-30", 1, "2025-10-09"),
        ("2025-09-30", 3, "2025-10-11"),
        ("2025-09-30", 4, "2025-10-13"),
        # Mid-Autumn 2026: off 25 to 27 September. National Day 2026: off 1 to 7 October; Sunday 20 September and Saturday 10 October worked.
        ("2026-09-18", 1, "2026-09-20"),
        ("2026-09-30", 1, "2026-10-08"),
        ("2026-09-30", 3, "2026-10-10"),
        ("2026-09-23", 10, "2026-10-14"),
        # Spring Festival 2026: off 15 to 23 February; Saturdays 14 and 28 worked.
        ("2026-02-13", 1, "2026-02-14"),
        ("2026-02-13", 2, "2026-02-24"),
        ("2026-02-13", 10, "2026-03-05"),
        # A Sunday as the day of the event; nothing to count.
        ("2026-11-22", 1, "2026-11-23"),
        ("2026-11-22", 0, "2026-11-22"),
        # Back through National Day.
        ("2026-10-08", -1, "2026-09-30"),
    ],
)
def test_working_days_of_real_calendars(start, n, end):
    assert add_working_days(D(start), n) == (D(end), True)


@given(day=KNOWN, n=COUNTS)
def test_a_working_day_is_never_a_day_off_and_the_count_is_right(day, n):
    end, exact = add_working_days(day, n)
    if exact:
        assert is_workday(end)
        between = (day + timedelta(days=k) for k in range(1, (end - day).days + 1))
        assert sum(map(is_workday, between)) == n


@given(day=st.dates(FIRST_KNOWN + timedelta(days=200), LAST_KNOWN), n=COUNTS)
def test_back_and_forth_again_is_the_day_or_the_next_that_is_worked(day, n):
    back, exact = add_working_days(day, -n)
    assert exact
    assert is_workday(back)
    there, exact = add_working_days(back, n)
    assert there >= day
    assert not (exact and is_workday(day)) or there == day


# Where the notice is not known: cut the calendar at the end of any past year and count on.


@given(year=st.integers(2005, LAST_KNOWN.year - 1), ahead=st.integers(0, 90), n=COUNTS)
@example(year=2012, ahead=0, n=40)
@example(year=2018, ahead=8, n=3)  # Saturday 29 December 2018 was worked
def test_beyond_the_calendar_no_later_date_is_given_than_the_true_one(year, ahead, n):
    day = date(year, 12, 24) - timedelta(days=ahead)
    truth, _ = add_working_days(day, n)
    back_from = date(year + 1, 1, 1) + timedelta(days=ahead)
    truth_back, _ = add_working_days(back_from, -n)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clocks, "LAST_KNOWN", date(year, 12, 24))
        given_, exact = add_working_days(day, n)
        assert given_ <= truth
        assert exact is (given_ <= date(year, 12, 24))
        assert add_working_days(back_from, -n)[0] <= truth_back


def test_what_notices_have_moved_at_most_is_what_is_allowed_for():
    size = (LAST_KNOWN - FIRST_KNOWN).days + 1
    days = [FIRST_KNOWN + timedelta(days=n) for n in range(size)]
    moved = [is_workday(day) - (day.weekday() < 5) for day in days]
    more = less = most_more = most_less = 0
    for change in moved:  # the largest sum of any stretch
        more = max(0, more + change)
        most_more = max(most_more, more)
    for end in range(size):  # and the smallest of those about as long as 40 working days
        less = 0
        for change in reversed(moved[max(0, end - 62) : end]):
            less += change
            most_less = min(most_less, less)
    assert (most_more, -most_less) == (clocks.MOST_EXTRA, clocks.MOST_OFF)


@pytest.mark.parametrize(
    ("start", "n", "end"),
    [
        # Three weekend days after 24 December 2026 may turn out to be worked: 26, 27 and 2 January.
        ("2026-12-22", 2, ("2026-12-24", True)),
        ("2026-12-22", 10, ("2027-01-01", False)),
        ("2026-12-22", 30, ("2027-01-28", False)),
        ("2027-06-01", 1, ("2027-06-02", False)),
    ],
)
def test_over_the_end_of_2026_the_earliest_date_is_given_and_marked(start, n, end):
    assert date(2026, 12, 24) == LAST_KNOWN, "a newer chinesecalendar: count these again"
    assert add_working_days(D(start), n) == (D(end[0]), end[1])


# -- the kinds of clocks ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "by"),
    [
        (datetime(2026, 12, 31, 22, 15, tzinfo=BEIJING), "2027-01-01T02:15+08:00"),
        (datetime(2026, 11, 23, 17, 30, tzinfo=UTC), "2026-11-24T05:30+08:00"),
        (datetime(2026, 3, 8, 1, 30, tzinfo=NEW_YORK), "2026-03-08T18:30+08:00"),
    ],
)
def test_four_hours_run_across_midnight_and_zones(event, by):
    found = due(clock(4, "hour"), event)
    assert (found.by, found.exact, found.timed) == (by, True, True)
    assert not found.is_over(event + timedelta(hours=4))
    assert found.is_over(event + timedelta(hours=4, seconds=1))


def test_hours_after_a_day_without_an_hour_count_from_its_first_moment():
    found = due(clock(4, "hour"), D("2026-11-24"))
    assert (found.by, found.exact) == ("2026-11-24T04:00+08:00", False)


@pytest.mark.parametrize(
    ("event", "amount", "unit", "by"),
    [
        ("2026-01-31", 1, "month", "2026-02-28"),
        ("2024-01-31", 1, "month", "2024-02-29"),
        ("2026-08-31", 6, "month", "2027-02-28"),
        ("2026-11-30", 1, "month", "2026-12-30"),
        ("2024-02-29", 1, "year", "2025-02-28"),
        ("2024-02-29", 4, "year", "2028-02-29"),
        ("2026-12-31", 1, "month", "2027-01-31"),
        ("2026-12-20", 15, "day", "2027-01-04"),
    ],
)
def test_months_and_years_end_on_the_last_of_a_shorter_month(event, amount, unit, by):
    found = due(clock(amount, unit), D(event))
    assert (found.by, found.exact, found.timed) == (by, True, False)
    assert not found.is_over(datetime.combine(D(by), datetime.max.time(), BEIJING))
    assert found.is_over(moment_of(D(by) + timedelta(days=1)))


def test_the_day_of_the_event_is_that_of_beijing_and_is_not_counted():
    late = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)  # the 24th in Beijing
    assert day_of(late) == D("2026-11-24")
    assert due(clock(10, "day", calendar="prc_working"), late).by == "2026-12-08"


def test_beforehand_ends_as_the_event_begins():
    assert due(clock(kind="before"), D("2026-12-01")).by == "2026-11-30"
    launch = datetime(2026, 12, 1, 10, tzinfo=BEIJING)
    assert due(clock(kind="before"), launch).by == "2026-12-01T10:00+08:00"
    assert due(clock(30, "day", "before"), launch).by == "2026-11-01"
    worked = due(clock(3, "day", "before", "prc_working"), D("2026-10-09"))
    assert (worked.by, worked.exact) == ("2026-09-29", True)


def test_without_a_figure_there_is_no_date():
    assert due(clock(), D("2026-12-01")) is None
    assert due(clock(None, "day"), D("2026-12-01")) is None


def test_a_periodic_clock_counts_from_when_it_was_last_done():
    assert due(clock(2, "year", "periodic"), D("2026-03-01")) == Deadline(
        end_of(D("2028-03-01")), True, "periodic"
    )


@pytest.mark.parametrize(
    ("month", "day", "after", "found"),
    [
        (1, 31, "2026-11-24", "2027-01-31"),
        (1, 31, "2027-01-30", "2027-01-31"),
        (1, 31, "2027-01-31", "2028-01-31"),
        (2, 29, "2026-03-01", "2027-02-28"),
        (2, 29, "2027-02-28", "2028-02-29"),
    ],
)
def test_the_next_day_of_a_year(month, day, after, found):
    assert next_yearly(month, day, D(after)) == D(found)


@given(day=st.dates(date(1990, 1, 1), date(2090, 1, 1)), n=st.integers(-60, 60))
def test_months_keep_the_day_or_take_the_last(day, n):
    end = add_months(day, n)
    assert (end.year * 12 + end.month) - (day.year * 12 + day.month) == n
    assert end.day == day.day or (end.day < day.day and (end + timedelta(days=1)).day == 1)


def test_civil_days_know_no_days_off():
    assert add_days(D("2026-09-30"), 1, "civil") == (D("2026-10-01"), True)


# -- events and the calendar -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("2026-11-24", "2026-11-24"),
        ("2026-11-24T09:30", "2026-11-24T09:30:00+08:00"),
        ("2026-11-24T01:30:00Z", "2026-11-24T09:30:00+08:00"),
    ],
)
def test_an_event_is_a_day_or_a_moment_of_beijing(text, kept):
    assert write_event(read_event(text)) == kept
    assert read_event(kept) == read_event(text)


@pytest.mark.parametrize(
    "text", ["", "soon", "2026-02-30", "1999-12-31", "9999-12-31", "2026-11-24T25:00"]
)
def test_what_is_no_event(text):
    with pytest.raises(Problem, match="write a day as 2026-11-24"):
        read_event(text)


def test_a_moment_without_a_zone_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="without a zone"):
        due(clock(4, "hour"), datetime(2026, 1, 1))  # noqa: DTZ001 (that is the mistake)


def test_a_year_names_what_differs_from_its_weeks():
    year = year_of(2025)
    assert (year.working, len(year.off)) == (248, 18)
    assert [str(day) for day in year.made_up] == [
        "2025-01-26", "2025-02-08", "2025-04-27", "2025-09-28", "2025-10-11",
    ]  # fmt: skip
    with pytest.raises(Problem, match="not known here"):
        year_of(LAST_KNOWN.year + 1)
