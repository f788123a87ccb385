import msgspec
import pytest
from sqlalchemy import insert, select, text

from hegui.evidence import scope as scopes
from hegui.evidence.archive import Archive
from hegui.evidence.ledger import read_head
from hegui.evidence.scope import COUNTER, answer, counters, current, history, reopened
from hegui.evidence.verify import verify
from hegui.language import Problem
from hegui.store.tables import entries, persons, scopings
from hegui.tick import tick

APP = {
    "generates": "content", "offered": "hosted", "internal": False, "reach": "public",
    "provider_abroad": False, "sector": False, "companionship": "companion", "personal": True,
}  # fmt: skip


def join(archive, count, start=0):
    """Let so many persons be known to the vault."""
    with archive.vault_database.write() as connection:
        rows = [
            {"person": f"p{n:031d}", "issuer": "page", "subject": f"s{n}", "created": ""}
            for n in range(start, start + count)
        ]
        connection.execute(insert(persons), rows)


def rows(archive):
    with archive.store.read() as connection:
        return connection.execute(select(scopings).order_by(scopings.c.step)).all()


def test_answers_are_evidence_and_the_last_ones_count(archive):
    assert current(archive) is None
    assert history(archive) == []
    first = answer(archive, APP, "staff-1")
    assert first.outcomes["measures"] is True
    answer(archive, APP | {"reach": "hmt"}, "counsel")
    again = answer(archive, APP | {"reach": "hmt"}, "staff-1")
    assert current(archive).answers == again.answers
    assert current(archive).outcomes["measures"] is False
    steps = history(archive)
    assert [(step.step, step.staff) for step in steps] == [(1, "staff-1"), (2, "counsel")]
    assert {step.version for step in steps} == {first.version}
    assert steps[1].changes.facts == {"reach": ("public", "hmt")}
    assert steps[1].changes.rows["measures"] == (("a6",), ("a10",))
    report = verify(archive, lambda *_: None)
    assert (report.findings, report.rows) == ([], 2)


def test_the_entry_carries_article_2_and_the_very_answers(archive):
    answer(archive, APP, "staff-1")
    with archive.store.read() as connection:
        head = read_head(connection.execute(select(entries.c.head)).scalar())
    assert (head.kind, head.carries, head.subject) == ("scope.answered", ("IM-2.1",), "scope-1")
    stored = head.facts["answers"]
    assert msgspec.json.decode(stored) == APP | {"registered_users": 0, "monthly_users": 0}
    assert stored == rows(archive)[0].answers
    assert list(msgspec.json.decode(stored)) == sorted(msgspec.json.decode(stored))


def test_a_row_that_was_changed_behind_the_ledger_is_found(archive):
    answer(archive, APP, "staff-1")
    with archive.store.maintain() as connection:
        connection.execute(text("UPDATE scopings SET staff = 'nobody'"))
    (finding,) = verify(archive, lambda *_: None).findings
    assert (finding.code, finding.table) == ("row-changed", "scopings")


@pytest.mark.parametrize("staff", ["", "x" * 81, "two\nlines"])
def test_somebody_answers(on_sqlite, staff):
    with pytest.raises(Problem) as caught:
        answer(on_sqlite, APP, staff)
    assert caught.value.code == "scope.staff"
    assert rows(on_sqlite) == []


def test_a_wrong_answer_is_refused_even_where_hegui_counts(on_sqlite):
    for wrong in ({"colour": "red"}, {"registered_users": "many"}):
        with pytest.raises(Problem):
            answer(on_sqlite, wrong, "staff-1")
    assert rows(on_sqlite) == []


def test_of_two_who_answer_at_once_one_is_told(archive, monkeypatch):
    answer(archive, APP, "staff-1")
    other = Archive(archive.settings)
    before = scopes._last(other)
    answer(archive, APP | {"sector": True}, "staff-1")
    monkeypatch.setattr(scopes, "_last", lambda _: before)
    with pytest.raises(Problem) as caught:
        answer(other, APP | {"reach": "invited"}, "staff-2")
    other.close()
    assert caught.value.code == "scope.stale"
    assert len(rows(archive)) == 2


def test_users_are_counted_and_the_larger_number_counts(archive):
    join(archive, 3)
    # Whoever uses the service gets a key of this month.
    archive.vault.key_for("p" + "0" * 31, "content", scopes.period_of("content", scopes.now()))
    archive.vault.key_for("p" + "0" * 31, "content", "202001")
    assert counters(archive) == {"registered_users": 3, "monthly_users": 1}
    found = answer(archive, APP | {"registered_users": 900_000, "monthly_users": "unknown"}, "s")
    assert found.answers["registered_users"] == 900_000
    assert found.answers["monthly_users"] == 1


def test_a_crossed_threshold_is_a_step_of_its_own_once(archive, monkeypatch):
    assert reopened(archive) == 0
    answer(archive, APP | {"people": 5}, "staff-1")
    join(archive, 5)
    assert reopened(archive) == 0
    assert len(rows(archive)) == 1
    counted = {"registered_users": 1_000_000, "monthly_users": 5}
    monkeypatch.setattr(scopes, "counters", lambda _: counted)
    # The row of the scale, and the circumstance of one million people.
    assert tick(archive)["scope decisions reopened"] == 2
    assert tick(archive)["scope decisions reopened"] == 0
    last = history(archive)[-1]
    assert (last.step, last.staff) == (2, COUNTER)
    assert last.changes.names == {"people_1m": (False, True)}
    (was, now) = last.changes.rows["filing"]
    assert set(now) - set(was) == {"b10-scale"}


def test_an_answer_that_today_s_tables_do_not_ask_for_is_open_again(on_sqlite):
    facts = {"step": 1, "version": "0" * 64, "staff": "s"}
    facts |= {"answers": '{"colour":"red","generates":"song","internal":true}'}
    entry = scopes.Entry("scope.answered", scopes.CARRIES, "scope-1", facts, scopings)
    on_sqlite.writer.commit_now(entry)
    assert current(on_sqlite).answers == {"internal": True}
    assert history(on_sqlite)[0].version == "0" * 64
    assert reopened(on_sqlite) == 0
