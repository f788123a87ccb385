from datetime import date, datetime, timedelta

import msgspec
import pytest
from sqlalchemy import false, select

from archive import archive_fixture, nothing, on_sqlite_fixture  # noqa: F401 (two are fixtures)
from duties import WORDS, clock, duty, use
from hegui.cases import reminders as reminding
from hegui.cases.clocks import BEIJING
from hegui.cases.due import Signed, complete
from hegui.cases.occurrences import record
from hegui.cases.reminders import raise_reminders
from hegui.evidence.archive import Archive
from hegui.evidence.verify import verify
from hegui.store.tables import reminders

YEARLY = duty("ZZ-1", clock("periodic", "last_audit", 1, "year"))
START = datetime(2026, 3, 1, 9, tzinfo=BEIJING)


def raised(archive):
    with archive.store.read() as connection:
        query = select(reminders.c.due, reminders.c.days).order_by(reminders.c.seq)
        return [tuple(row) for row in connection.execute(query)]


def after(days):
    return START + timedelta(days=days)


@pytest.fixture(name="started")
def started_fixture(archive, monkeypatch):
    use(monkeypatch, YEARLY)
    record(archive, "service_start", "2026-03-01", "s")
    return archive


def test_each_is_raised_once_as_its_day_comes(started):
    days = range(320, 380)
    counts = {day: raise_reminders(started, after(day)) for day in days for _ in range(2)}
    assert set(counts.values()) == {0}  # the second time of each day
    assert raised(started) == [("2027-03-01", days) for days in (30, 7, 1, -1)]
    assert verify(started, nothing).verified


def test_whoever_comes_late_raises_the_nearest_alone(started):
    assert raise_reminders(started, after(360)) == 1
    assert raised(started) == [("2027-03-01", 7)]


def test_what_is_done_or_has_no_day_is_not_reminded_of(started, monkeypatch):
    complete(started, "ZZ-1@p1", "r", "s", "2026-12-01", now=after(300))
    assert raise_reminders(started, after(364)) == 0
    use(monkeypatch, duty("ZZ-2", clock("max_delay", "finding")))
    record(started, "finding", "2026-03-01", "s")
    assert raise_reminders(started, after(364)) == 0


def test_a_short_period_is_not_reminded_of_as_it_begins(on_sqlite, monkeypatch):
    use(monkeypatch, duty("ZZ-1", clock("max_delay", "finding", 15, "day")))
    record(on_sqlite, "finding", "2026-03-01", "s")
    assert [raise_reminders(on_sqlite, after(day)) for day in (0, 7, 8, 13, 14, 16)] == [
        0, 0, 1, 0, 1, 1,
    ]  # fmt: skip


def test_the_settings_say_how_long_ahead(on_sqlite):
    settings = msgspec.structs.replace(
        on_sqlite.settings,
        clocks=msgspec.structs.replace(on_sqlite.settings.clocks, remind_days=(3,)),
    )
    archive = Archive(settings)
    licence = Signed("licence", WORDS, date(2026, 3, 4), "counsel")
    assert raise_reminders(archive, after(-1), signed=[licence]) == 0
    assert raise_reminders(archive, after(0), signed=[licence]) == 1
    assert raised(archive) == [("2026-03-04", 3)]
    archive.close()


def test_of_two_processes_one_raises_it(started, monkeypatch):
    monkeypatch.setattr(reminding, "select", lambda *columns: select(*columns).where(false()))
    assert [raise_reminders(started, after(360)) for _ in range(2)] == [1, 0]
    assert raised(started) == [("2027-03-01", 7)]
