"""Staff links, and the opening of sealed content, on both databases."""

import json

import pytest
from sqlalchemy import func, select, update

from archive import SECRET, admitted, finished, nothing
from hegui.cases import open_case
from hegui.evidence.erase import erase
from hegui.evidence.ledger import read_head
from hegui.evidence.opening import list_openings, open_exchange, open_report, read_body
from hegui.evidence.verify import verify
from hegui.language import Problem
from hegui.people.staff import ADMINISTRATOR, invited_by, make_link, role_of
from hegui.store.tables import body_table, body_table_name, entries, sessions, staff

NAME = f"{1:032x}"
ENDED = json.dumps({"answer": "shown", "withheld": "hidden"}).encode()


def keep(archive):
    first, last = admitted(1), finished(1, body=ENDED)
    archive.writer.commit_now(first, last)
    return first, last


def told(archive):
    with archive.store.read() as connection:
        heads = connection.execute(select(entries.c.head).order_by(entries.c.seq)).scalars()
        found = [read_head(bytes(head)) for head in heads]
    return [head for head in found if head.kind == "content.opened"]


def test_the_first_link_appoints_the_administrator_and_the_next_does_not(archive):
    links = [make_link(archive), make_link(archive)]
    invited = [invited_by(archive, link) for link in links]
    assert invited[0].staff == invited[1].staff
    assert role_of(archive, invited[0].staff) == ADMINISTRATOR
    with archive.store.read() as connection:
        assert connection.execute(select(func.count()).select_from(staff)).scalar() == 1
    assert verify(archive, nothing).verified


def test_a_link_ends(archive):
    link = make_link(archive)
    assert invited_by(archive, link + "x") is None
    with archive.vault_database.write() as connection:
        connection.execute(update(sessions).values(expires=1))
    assert invited_by(archive, link) is None


def test_who_is_no_staff_has_no_role(archive):
    assert role_of(archive, "nobody") is None


def test_opening_shows_both_parts_and_stands_in_the_ledger(archive):
    keep(archive)
    opened = open_exchange(archive, NAME, "staff-1", " a complaint ")
    assert (opened.question, opened.answer, opened.withheld) == (
        SECRET.decode(),
        "shown",
        "hidden",
    )
    (head,) = told(archive)
    assert (head.subject, head.time, head.carries) == (NAME, opened.at, ("IM-11.1",))
    assert head.facts["staff"] == "staff-1"
    assert head.facts["reason"] == "a complaint"
    assert verify(archive, nothing).verified


def test_an_exchange_that_runs_has_a_question_and_no_answer(archive):
    archive.writer.commit_now(admitted(1))
    opened = open_exchange(archive, NAME, "staff-1", "a complaint")
    assert (opened.question, opened.answer, opened.withheld) == (SECRET.decode(), "", "")


def test_every_opening_is_told_in_order(archive):
    keep(archive)
    for reason in ("a complaint", "another"):
        open_exchange(archive, NAME, "staff-1", reason)
    first, second = list_openings(archive, NAME)
    assert (first.staff, first.reason, second.reason) == ("staff-1", "a complaint", "another")
    assert first.seq < second.seq
    assert list_openings(archive, "other") == []
    assert verify(archive, nothing).verified


def test_the_words_of_a_report_open_as_evidence_too(archive):
    person = archive.vault.add_person("test", "ann", "2026")
    receipt = open_case(archive, person, NAME, "untrue", "not so")
    assert open_report(archive, receipt, "staff-1", "to handle it") == "not so"
    assert [opening.reason for opening in list_openings(archive, receipt)] == ["to handle it"]
    erase(archive, person, "request", "a")
    for number, code in ((receipt, "erased"), ("none", "no_report")):
        with pytest.raises(Problem) as caught:
            open_report(archive, number, "staff-1", "to handle it")
        assert caught.value.code == code
    assert len(list_openings(archive, receipt)) == 2
    assert verify(archive, nothing).verified


@pytest.mark.parametrize(
    "reason", ["", "abc", "   abc   ", "x" * 201, "with \0 in it", "two\nlines"]
)
def test_without_a_fit_reason_nothing_is_opened_or_recorded(on_sqlite, reason):
    keep(on_sqlite)
    with pytest.raises(Problem) as caught:
        open_exchange(on_sqlite, NAME, "staff-1", reason)
    assert caught.value.code == "opening_reason"
    assert told(on_sqlite) == []


def test_an_unknown_exchange_is_named(archive):
    with pytest.raises(Problem) as caught:
        open_exchange(archive, NAME, "staff-1", "a complaint")
    assert caught.value.code == "no_exchange"


def test_what_was_erased_stays_closed_and_the_attempt_is_recorded(archive):
    first, _ = keep(archive)
    erase(archive, "p", "request", "a")
    assert read_body(archive, first.seq) is None
    with pytest.raises(Problem) as caught:
        open_exchange(archive, NAME, "staff-1", "a complaint")
    assert caught.value.code == "erased"
    assert len(told(archive)) == 1


def test_a_key_that_is_only_condemned_opens_nothing(archive):
    first, _ = keep(archive)
    archive.vault.condemn("p", first.at, "request")
    assert read_body(archive, first.seq) is None


def test_a_changed_body_is_told(archive):
    first, _ = keep(archive)
    table = body_table(body_table_name("content", first.at[0:4] + first.at[5:7]))
    with archive.store.maintain() as connection:
        connection.execute(update(table).where(table.c.seq == first.seq).values(sealed=b"0" * 40))
    with pytest.raises(Problem) as caught:
        read_body(archive, first.seq)
    assert caught.value.code == "body_changed"
