"""Counting: what becomes of entries, on both databases."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import func, select, update

from archive import admitted, fill, finished, nothing
from articles import heads
from hegui.cases import find_case, open_case, take_step
from hegui.evidence import counting
from hegui.evidence.archive import Archive
from hegui.evidence.counting import Count, count, latest, recount
from hegui.evidence.verify import verify
from hegui.people.agreement import Agreements
from hegui.store.tables import check_changes, check_cursors, check_days
from hegui.store.writer import Entry

START = datetime(2026, 11, 2, 3, tzinfo=UTC)


@pytest.fixture
def clock():
    with time_machine.travel(START, tick=False) as moment:
        yield moment


def found(archive, name, today=None):
    return latest(archive, today)[name]


def numbers(archive, name, today=None):
    counted = found(archive, name, today).count
    return counted.population, counted.good, counted.missing


def report(archive):
    """Open a case, due in 15 days, and return its receipt."""
    person = archive.vault.person("test", "ann") or archive.vault.add_person("test", "ann", "2026")
    return open_case(archive, person, "0" * 32, "untrue", "why?")


def answer(archive, receipt):
    take_step(archive, find_case(archive, receipt), "staff-1", "answered", "so it is")


def opening(number, reason):
    facts = {"reason": reason}
    return Entry("content.opened", ("IM-11.1",), f"{number:032x}", facts)


def changes(archive, name="openings_reasoned"):
    """What the ledger says of a check's outcomes, the first first."""
    told = heads(archive, "check.changed")
    return [head.facts["outcome"] for head in told if head.subject == name]


def settle(archive):
    """Count until nothing is new: what a count says of itself is an entry too."""
    count(archive)
    while count(archive):
        pass


def test_each_entry_of_a_population_is_judged_once(archive):
    archive.writer.commit_now(opening(1, "a complaint"), opening(2, ""), opening(3, "an appeal"))
    assert count(archive) == 3
    assert numbers(archive, "openings_reasoned") == (3, 2, [f"{2:032x}"])
    count(archive)
    assert numbers(archive, "openings_reasoned") == (3, 2, [f"{2:032x}"])
    assert recount(archive) == {}


def test_before_the_first_count_nothing_is_known(on_sqlite):
    assert {each.outcome for each in latest(on_sqlite).values()} == {"empty"}
    assert found(on_sqlite, "openings_reasoned").at == ""
    count(on_sqlite)
    assert found(on_sqlite, "openings_reasoned").outcome == "good"  # nothing of it has happened
    assert found(on_sqlite, "moderation_ran").outcome == "empty"


def test_names_of_failures_are_bounded_and_their_number_is_not(on_sqlite):
    on_sqlite.writer.commit_now(*[opening(number, "") for number in range(counting.NAMED + 5)])
    count(on_sqlite)
    population, good, missing = numbers(on_sqlite, "openings_reasoned")
    assert (population, good) == (counting.NAMED + 5, 0)
    assert missing == [f"{number:032x}" for number in range(counting.NAMED)]


def test_what_must_end_and_does_not_counts_once_its_time_is_over(archive, clock):
    fill(archive, 1)
    archive.writer.commit_now(admitted(7))
    count(archive)
    assert numbers(archive, "exchanges_ended") == (1, 1, [])
    clock.shift(timedelta(days=1, seconds=1))
    count(archive)
    assert numbers(archive, "exchanges_ended") == (2, 1, [f"{7:032x}"])
    assert recount(archive) == {}


def test_a_complaint_is_answered_in_time_late_or_never(archive, clock):
    receipts = [report(archive) for _ in range(3)]
    answer(archive, receipts[0])
    count(archive)
    assert numbers(archive, "complaints_answered") == (1, 1, [])
    clock.shift(timedelta(days=15, hours=12, minutes=59))  # 15:59 UTC: the promised day in Beijing
    count(archive)
    assert numbers(archive, "complaints_answered") == (1, 1, [])
    clock.shift(timedelta(minutes=2))
    count(archive)
    assert sorted(numbers(archive, "complaints_answered")[2]) == sorted(receipts[1:])
    answer(archive, receipts[1])
    count(archive)
    assert numbers(archive, "complaints_answered")[:2] == (3, 1)
    assert recount(archive) == {}
    clock.shift(timedelta(days=40))  # what was late is behind us; what was never answered is not
    count(archive)
    assert numbers(archive, "complaints_answered") == (1, 0, [receipts[2]])
    assert recount(archive) == {}


def test_a_day_leaves_the_window(on_sqlite, clock):
    on_sqlite.writer.commit_now(opening(1, ""))
    count(on_sqlite)
    last = START.date() + timedelta(days=on_sqlite.settings.register.window_days - 1)
    assert numbers(on_sqlite, "openings_reasoned", last)[0] == 1
    assert numbers(on_sqlite, "openings_reasoned", last + timedelta(days=1)) == (0, 0, [])


def test_old_entries_counted_for_the_first_time_change_nothing_today(on_sqlite, clock):
    on_sqlite.writer.commit_now(opening(1, ""))
    clock.shift(timedelta(days=90))
    count(on_sqlite)
    assert found(on_sqlite, "openings_reasoned").outcome == "good"
    assert changes(on_sqlite) == ["good"]


def test_many_entries_are_counted_in_batches(on_sqlite, monkeypatch):
    settle(on_sqlite)
    for start in range(0, 6_000, 1_000):
        on_sqlite.writer.commit_now(*[opening(start + n, "why") for n in range(1_000)])
    steps = []
    real = counting._count_batch
    monkeypatch.setattr(counting, "_count_batch", lambda a: steps.append(real(a)) or steps[-1])
    assert count(on_sqlite) == 6_000
    assert steps == [5_000, 1_000]
    assert numbers(on_sqlite, "openings_reasoned") == (6_000, 6_000, [])


def test_a_new_process_goes_on_where_the_last_one_stopped(archive, monkeypatch):
    settle(archive)
    monkeypatch.setattr(counting, "_BATCH", 4)
    monkeypatch.setattr(counting, "_SECONDS", -1)  # one batch a call
    archive.writer.commit_now(admitted(1), *[opening(n, "why") for n in range(6)], finished(1))
    assert count(archive) == 4
    assert numbers(archive, "openings_reasoned")[0] == 3
    other = Archive(archive.settings)
    assert count(other) == 4
    settle(other)
    other.close()
    assert numbers(archive, "openings_reasoned") == (6, 6, [])
    assert numbers(archive, "exchanges_ended") == (1, 1, [])


def race(archives, barrier):
    """Count at the same moment from several processes' archives; raises what any of them raised."""
    failures = []

    def one(archive):
        try:
            barrier.wait(10)
            count(archive)
        except BaseException as failure:  # noqa: BLE001 (raised where the test sees it)
            failures.append(failure)

    threads = [threading.Thread(target=one, args=(each,)) for each in archives]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    if failures:
        raise failures[0]


def test_two_that_count_at_once_never_count_twice(archive):
    other, barrier = Archive(archive.settings), threading.Barrier(2)
    for number in range(8):
        archive.writer.commit_now(opening(number, "" if number == 5 else "why"), admitted(number))
        race([archive, other], barrier)
    other.close()
    count(archive)
    assert numbers(archive, "openings_reasoned") == (8, 7, [f"{5:032x}"])
    assert recount(archive) == {}
    told = [(head.subject, head.facts["outcome"]) for head in heads(archive, "check.changed")]
    assert len(told) == len(set(told))
    assert verify(archive, nothing).findings == []


def test_a_result_that_is_not_new_is_written_again_only_so_that_it_is_fresh(on_sqlite, clock):
    settle(on_sqlite)
    first = found(on_sqlite, "openings_reasoned").at
    clock.shift(timedelta(minutes=9))
    count(on_sqlite)
    assert found(on_sqlite, "openings_reasoned").at == first
    clock.shift(timedelta(minutes=2))
    count(on_sqlite)
    assert found(on_sqlite, "openings_reasoned").at > first


def test_the_ledger_says_so_when_an_outcome_becomes_another_and_only_then(archive, clock):
    for reason in ("why", "why", "", "", "why"):
        archive.writer.commit_now(opening(1, reason))
        count(archive)
        count(archive)
    assert changes(archive) == ["good", "bad"]
    clock.shift(timedelta(days=31))
    archive.writer.commit_now(opening(2, "why"))
    count(archive)
    assert changes(archive) == ["good", "bad", "good"]
    with archive.store.read() as connection:
        rows = connection.execute(select(func.count()).select_from(check_changes)).scalar()
    assert rows == len(heads(archive, "check.changed"))
    assert verify(archive, nothing).findings == []


def tamper(archive, statement):
    with archive.store.maintain() as connection:
        assert connection.execute(statement).rowcount == 1


@pytest.mark.parametrize(
    "values", [{"good": 3}, {"population": 2}, {"day": "2020-01-01"}, {"missing": "another"}]
)
def test_a_recount_finds_a_count_that_was_changed(on_sqlite, values):
    on_sqlite.writer.commit_now(opening(1, "why"), opening(2, ""), opening(3, "why"))
    count(on_sqlite)
    mine = check_days.c.name == "openings_reasoned"
    tamper(on_sqlite, update(check_days).where(mine).values(**values))
    kept, counted = recount(on_sqlite)["openings_reasoned"]
    assert counted == Count(3, 2, [f"{2:032x}"])
    assert kept.good == values.get("good", 2)


def test_a_recount_finds_what_was_made_to_be_awaited_no_more(on_sqlite):
    on_sqlite.writer.commit_now(admitted(1))
    count(on_sqlite)
    mine = check_cursors.c.name == "exchanges_ended"
    tamper(on_sqlite, update(check_cursors).where(mine).values(pending="{}"))
    assert set(recount(on_sqlite)) == {"exchanges_ended"}


def test_a_look_says_how_it_is_now(on_sqlite):
    count(on_sqlite)
    assert found(on_sqlite, "agreement_published").outcome == "bad"
    assert numbers(on_sqlite, "notice_published")[2] == [
        "operator", "audience", "uses", "report_address",
    ]  # fmt: skip
    assert changes(on_sqlite, "agreement_published") == ["bad"]
    Agreements(on_sqlite).publish_sample()
    settle(on_sqlite)
    assert changes(on_sqlite, "agreement_published") == ["bad", "good"]
    assert numbers(on_sqlite, "agreement_published") == (1, 1, [])
