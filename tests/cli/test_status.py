"""`hegui status` and `hegui evidence`, from a fresh service to one whose duties are seen to."""

import json
import re

import pytest
import time_machine
from sqlalchemy import update
from typer.testing import CliRunner

from hegui.cli import app, evidence
from hegui.evidence.archive import Archive
from hegui.evidence.status import ORDER
from hegui.law import register
from hegui.settings import load
from hegui.store.tables import check_days
from hegui.store.writer import Entry
from hegui.tick import tick

runner = CliRunner(env={"HEGUI_LANGUAGE": "en", "COLUMNS": "200"})
COMMANDS = [f"evidence {each.name or each.callback.__name__}"
            for each in evidence.app.registered_commands]  # fmt: skip
OWN = """
[service]
operator = "Wombat Ltd."
report_address = "hear@wombat.example"
audience = {zh = "成年客户", en = "Adult customers"}
uses = {zh = "查询订单", en = "Asking about orders"}
"""


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel("2026-11-02T09:00:00Z", tick=True) as moment:
        yield moment


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "hegui.toml"
    path.write_text("[store]\nurl = 'sqlite:///hegui.db'\nvault_url = 'sqlite:///vault.db'\n" + OWN)
    archive = Archive(load(path, {}))
    archive.prepare()
    archive.close()
    return path


@pytest.fixture
def run(config):
    def call(*arguments, code=0, own=True):
        given = [str(each) for each in arguments]
        result = runner.invoke(app, [*given, *(["--config", str(config)] if own else [])])
        assert result.exit_code == code, result.output + str(result.exception)
        return result

    return call


def problem(result):
    """What `main` would print before it ends with exit code 2."""
    return result.exception


def counted(config, *entries):
    archive = Archive(load(config, {}))
    if entries:
        archive.writer.commit_now(*entries)
    tick(archive)
    archive.close()


def shown(run, *arguments, code=0):
    """The duties of the JSON, by id."""
    told = json.loads(run("status", *arguments, "--json", code=code).stdout)
    return {duty["id"]: duty for duty in told["duties"]}


def opening(reason):
    return Entry("content.opened", ("IM-11.1",), "0" * 32, {"reason": reason})


def hand_in(run, file, *more, kind="annotation_rules", until="2027-06-30"):
    names = ("--signer", "Zhang San", "--owner", "Li Si")
    return run("evidence", "add", file, "--kind", kind, *names, "--valid-until", until, *more)


@pytest.fixture
def paper(tmp_path):
    file = tmp_path / "[b]rules.pdf"
    file.write_bytes(b"signed on paper")
    return file


@pytest.mark.parametrize("command", ["status", *COMMANDS])
def test_every_command_has_an_example_that_is_its_own(command):
    told = runner.invoke(app, [*command.split(), "--help"]).output
    assert f"Example: hegui {command}" in re.sub(r"[\s│`]+", " ", told)


def test_before_the_first_check_it_says_so(run):
    told = run("status", code=1).stdout
    assert "The checks have never run" in told
    assert f"{len(register())} duties" in told


def test_the_overview_has_a_line_for_each_article_with_duties(run, config):
    counted(config)
    told = run("status", code=1).stdout
    for row in ("IM-4 ", "IM-8 ", "IM-14 ", "IM-15 "):
        assert len(re.findall(rf"^{row}", told, re.MULTILINE)) == 1
    assert re.search(r"^IM-15 +met ", told, re.MULTILINE)
    assert "IM-14.1: every answer was moderated" in told
    assert "The checks last ran at 2026-11-02 09:00 (UTC)." in told


def test_an_article_is_shown_duty_by_duty_with_its_reason_and_exit_code(run, config):
    counted(config)
    assert re.search(r"^IM-10\.1 +met ", run("status", "--article", 10).stdout, re.MULTILINE)
    counted(config, opening(""))
    told = run("status", "--article", 11, code=1).stdout
    assert re.search(r"^IM-11\.1 +not met .*1 of 1", told, re.MULTILINE)
    assert "IM-10.1" not in told
    assert "IM-17" in run("status", "--article", 17, "--instrument", "im").stdout


def test_a_state_and_an_instrument_choose(run, config):
    counted(config)
    failing = shown(run, "--state", "not_met", code=1)
    assert {duty["state"] for duty in failing.values()} == {"not_met"}
    assert {each.split("-")[0] for each in shown(run, "--instrument", "LB")} == {"LB"}
    assert "No duty stands so." in run("status", "--state", "uncertain").stdout
    waiting = run("status", "--state", "human_pending").stdout
    assert "waits for people" in waiting


def test_the_json_says_what_proves_a_duty_and_what_failed(run, config):
    counted(config, opening("why"), opening(""))
    duty = shown(run, "--article", "11", code=1)["IM-11.1"]
    assert (duty["state"], duty["binds"], duty["missing"]) == ("not_met", True, ["0" * 32])
    [check] = duty["checks"]
    assert (check["name"], check["coverage"]) == ("openings_reasoned", "partial")
    assert (check["population"], check["good"]) == (2, 1)
    assert "1 of 2" in duty["reasons"][0]
    assert duty["stale_on"] == "2026-11-04"
    told = json.loads(run("status", "--json", code=1).stdout)
    assert set(told["counts"]) == set(ORDER)
    assert sum(told["counts"].values()) == len(told["duties"]) == len(register())


def test_stale_checks_are_due_and_end_with_1(run, config, clock):
    counted(config)
    assert shown(run, "--article", "15")["IM-15"]["state"] == "met"
    clock.move_to("2026-11-05T09:00:00Z")
    told = run("status", "--article", 15, code=1).stdout
    assert "Run `hegui tick`" in told


def test_drafts_and_mere_encouragement_do_not_fail(run, config):
    counted(config)
    every = shown(run, code=1)
    for duty in register():
        law = register().instrument(duty.id.partition("-")[0])
        if law.status != "in_force" or duty.modality not in {"must", "must_not"}:
            assert not every[duty.id]["binds"]
    assert every["IM-14.1"]["binds"]


def test_a_recount_agrees_until_somebody_changes_a_count(run, config):
    counted(config, opening("why"), opening(""))
    assert "✓ Counted anew" in run("status", "--article", 15, "--recount").stdout
    archive = Archive(load(config, {}))
    with archive.store.maintain() as connection:
        mine = check_days.c.name == "openings_reasoned"
        connection.execute(update(check_days).where(mine).values(good=2, missing=""))
    archive.close()
    assert shown(run, "--article", "11")["IM-11.1"]["state"] == "partly"  # the lie is believed …
    told = run("status", "--article", 11, "--recount", code=1).stdout  # … until it is checked
    assert "2 of 2 are kept, the ledger gives 1 of 2" in told
    differ = json.loads(run("status", "--recount", "--json", code=1).stdout)["differ"]
    assert differ["openings_reasoned"]["counted"]["good"] == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--state", "fine"), "status.state"),
        (("--article", "99"), "law.unknown"),
        (("--instrument", "XYZ"), "law.unknown"),
    ],
)
def test_what_cannot_be_asked_is_a_problem(run, arguments, code):
    assert problem(run("status", *arguments, code=1)).code == code


def test_handing_in_makes_a_duty_met_and_ending_it_due(run, config, paper):
    counted(config)
    assert shown(run, "--article", "8")["IM-8.1"]["state"] == "human_pending"
    told = hand_in(run, paper, "--note", "edition 1").stdout
    proof = re.search(r"proof_[0-9a-f]{16}", told)[0]
    assert "counts for IM-8.1 until 2027-06-30" in told
    duty = shown(run, "--article", "8")["IM-8.1"]
    assert (duty["state"], duty["proofs"], duty["owner"]) == ("met", [proof], "Li Si")
    listed = run("evidence", "list").stdout
    assert "[b]rules.pdf" in listed
    assert "Zhang San" in listed
    run("evidence", "end", proof, "--reason", "replaced [b]")
    [ended] = json.loads(run("evidence", "list", "--json").stdout)
    assert (ended["proof"], ended["ended"]) == (proof, "replaced [b]")
    assert shown(run, "--article", "8", code=1)["IM-8.1"]["state"] == "due"
    assert "replaced [b]" in run("status", "--article", 8, code=1).stdout
    assert problem(run("evidence", "end", proof, "--reason", "x", code=1)).code == "proof.ended"


def test_what_was_handed_in_names_its_duties_and_who_did_it(run, paper):
    assert "Nothing has been handed in yet" in run("evidence", "list").stdout
    hand_in(run, paper, "--about", "IM-17", "--author", "staff-7", kind="filing_receipt")
    [proof] = json.loads(run("evidence", "list", "--json").stdout)
    assert (proof["about"], proof["staff"]) == (["IM-17"], "staff-7")


def test_a_wrong_call_tells_what_is_known(run, paper):
    names = ("--signer", "Z", "--owner", "L", "--valid-until", "2027-06-30")
    wrong = run("evidence", "add", paper, "--kind", "hunch", *names, code=1)
    assert problem(wrong).code == "proof.kind"
    assert "annotation_rules" in str(problem(wrong))
    assert "Missing option" in run("evidence", "add", paper, code=2).output
    bad_day = run("evidence", "own", "IM-99", "--owner", "L", code=1)
    assert problem(bad_day).code == "law.unknown"


def test_a_review_closes_an_open_reading_and_an_owner_is_shown(run, config, paper):
    counted(config)
    hand_in(run, paper, kind="filing_receipt")
    assert shown(run, "--article", "17")["IM-17"]["state"] == "uncertain"
    named = ("--reviewer", "Wang & Partners", "--finding", "must be filed")
    until = ("--valid-until", "2027-03-31")
    run("evidence", "review", "IM-17", *named, "--capacity", "counsel", *until)
    run("evidence", "own", "IM-17", "--owner", "Filing desk")
    duty = shown(run, "--article", "17")["IM-17"]
    assert (duty["state"], duty["owner"], duty["stale_on"]) == ("met", "Filing desk", "2027-04-01")
    assert "Filing desk" in run("status", "--article", 17).stdout
    refused = run("evidence", "review", "IM-17", *named, "--capacity", "friend", *until, code=2)
    assert "counsel" in refused.output


def test_kinds_are_listed_with_the_duties_that_ask_for_them(run):
    told = run("evidence", "kinds", own=False).stdout
    assert re.search(r"annotation_rules +approved annotation rules +IM-8\.1", told)
    asked = json.loads(run("evidence", "kinds", "--json", own=False).stdout)
    assert asked["annotation_rules"] == ["IM-8.1"]
    assert {duty.id for duty in register() if duty.human} == {
        each for duties in asked.values() for each in duties
    }
