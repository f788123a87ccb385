"""What each check makes of an entry; `test_counting` tells what becomes of the whole."""

import pytest

from hegui.evidence.checks import CHECKS, FOLDS, RARE
from hegui.evidence.ledger import PERIOD_DROPPED, Head
from hegui.law import register

BY_NAME = {check.name: check for check in FOLDS}


def head(kind, time="2026-11-02T09:00:00.000000Z", **facts):
    return Head(1, time, kind, (), "x", "", "", "", facts)


def judged(name, *of, **facts):
    return BY_NAME[name].judge(head(*of, **facts))


def test_the_checks_are_those_of_the_register_and_each_proves_something():
    assert sorted(CHECKS) == sorted(register().vocabulary["evidence"])
    linked = {link.evidence for links in register().proves.values() for link in links}
    assert linked == set(CHECKS)
    assert set(CHECKS) >= RARE


@pytest.mark.parametrize("control", ["identity", "agreement", "limits", "moderation"])
def test_every_request_passed_the_control_by_its_whole_name(control):
    name = f"{control}_ran"
    assert judged(name, "exchange.admitted", ran=f"a {control} b")
    assert not judged(name, "exchange.admitted", ran=f"{control}s")
    assert not judged(name, "exchange.admitted")
    assert judged(name, "exchange.finished", ran=control) is None


@pytest.mark.parametrize(
    ("name", "facts"),
    [("answers_labelled", {"label": "v1"}), ("answers_moderated", {"watched": "moderation"})],
)
def test_answers_are_what_somebody_read(name, facts):
    for state in ("finished", "withheld"):
        assert judged(name, "exchange.finished", route="messages", state=state, **facts)
        assert not judged(name, "exchange.finished", route="messages", state=state)
    for state in ("refused", "interrupted"):
        assert judged(name, "exchange.finished", route="messages", state=state) is None
    assert judged(name, "exchange.finished", route="embeddings", state="finished") is None


@pytest.mark.parametrize("state", ["refused", "withheld"])
def test_a_stop_gives_its_reason(state):
    assert judged("stops_explained", "exchange.finished", state=state, reason="input_refused")
    assert not judged("stops_explained", "exchange.finished", state=state, reason="")
    assert judged("stops_explained", "exchange.finished", state="finished", reason="") is None


@pytest.mark.parametrize(
    ("month", "time", "kept"),
    [
        ("202601", "2026-07-31T23:59:59.999999Z", False),
        ("202601", "2026-08-01T00:00:00.000000Z", True),
        ("202606", "2026-12-31T00:00:00.000000Z", False),
        ("202606", "2027-01-01T00:00:00.000000Z", True),
        ("202612", "2027-06-30T00:00:00.000000Z", False),
        ("202612", "2027-07-01T00:00:00.000000Z", True),
    ],
)
def test_a_month_of_logs_is_kept_for_six_whole_ones(month, time, kept):
    assert judged("logs_kept", PERIOD_DROPPED, time, table=f"body_content_{month}") is kept


def test_other_tables_are_no_logs():
    assert judged("logs_kept", PERIOD_DROPPED, table="body_account_all") is None
    assert judged("logs_kept", "exchange.admitted", table="body_content_202601") is None


def test_an_exchange_must_end_within_a_day():
    check = BY_NAME["exchanges_ended"]
    assert check.opens(head("exchange.admitted")) == "2026-11-03T09:00:00.000000Z"
    assert check.opens(head("exchange.finished")) is None
    assert [check.closes(head(kind)) for kind in
            ("exchange.finished", "exchange.interrupted", "exchange.admitted")] == [
        True, True, False,
    ]  # fmt: skip


def test_a_complaint_must_be_answered_by_the_end_of_its_day_in_beijing():
    check = BY_NAME["complaints_answered"]
    assert check.opens(head("case.opened", due="2026-11-17")) == "2026-11-17T16:00:00.000000Z"
    assert [check.closes(head(f"case.{state}")) for state in ("answered", "closed", "working")] == [
        True, True, False,
    ]  # fmt: skip
