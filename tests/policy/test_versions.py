from datetime import date

import pytest
from sqlalchemy import event, text

from hegui.evidence.archive import Archive
from hegui.evidence.verify import verify
from hegui.language import Problem
from hegui.policy import Policies, default_policy, rules, versions
from hegui.policy.body import Hot

FIRST = b"labels: {position: prefix}\n"
SECOND = b"labels: {position: corner}\n"
HOT = Hot(term="zorblefax", category="A.1.h")


@pytest.fixture
def other(archive):
    """The same store opened once more, as another process has it."""
    opened = Archive(archive.settings)
    yield opened
    opened.close()


def fails(code, act, *arguments, **options):
    with pytest.raises(Problem) as caught:
        act(*arguments, **options)
    assert caught.value.code == code
    assert caught.value.say("zh")


def standing(policies) -> dict[str, str]:
    return {each.version: each.stage for each in policies.list()}


def test_a_version_goes_from_draft_to_shadow_to_live_and_each_step_is_evidence(archive):
    policies, elsewhere = Policies(archive), Policies(archive)
    assert policies.live() is default_policy()
    assert elsewhere.shadow() is None
    version = policies.draft(FIRST, "staff-1")
    assert policies.draft(FIRST, "staff-2") == version
    assert standing(policies) == {version: "draft"}
    assert not elsewhere.refresh()
    policies.stage(version, "shadow", "staff-1")
    assert policies.live() is default_policy()
    assert elsewhere.refresh()
    assert elsewhere.shadow().version == version
    assert not elsewhere.refresh()
    policies.stage(version, "live", "staff-1")
    assert elsewhere.refresh()
    assert (elsewhere.live().version, elsewhere.shadow()) == (version, None)
    assert elsewhere.live().labels.position == "prefix"
    assert standing(policies) == {version: "live"}
    policies.stage(version, "retired", "staff-1")
    assert standing(policies) == {version: "retired"}
    assert policies.live() is default_policy()
    report = verify(archive, lambda *_: None)
    assert (report.findings, report.rows) == ([], 4)
    assert [each.author for each in policies.list()] == ["staff-1"]


def test_untried_rules_go_live_only_with_a_reason_that_is_evidence(archive):
    policies = Policies(archive)
    version = policies.draft(FIRST, "operator")
    fails("policy.untried", policies.stage, version, "live", "operator")
    fails("opening_reason", policies.stage, version, "live", "operator", urgent="?")
    assert policies.live() is default_policy()
    policies.stage(version, "live", "operator", urgent=" the ministry asks ")
    assert policies.list()[0].reason == "the ministry asks"
    assert policies.live().version == version
    # What was live once may be so again, without a reason: that is how one goes back.
    second = policies.draft(SECOND, "operator")
    policies.stage(second, "shadow", "operator")
    policies.stage(second, "live", "operator")
    assert standing(policies) == {version: "replaced", second: "live"}
    policies.stage(version, "live", "operator")
    assert standing(policies) == {version: "live", second: "replaced"}


def test_only_a_stage_that_makes_sense_is_taken(on_sqlite):
    policies = Policies(on_sqlite)
    fails("policy.unknown", policies.stage, "0" * 64, "shadow", "operator")
    fails("policy.unknown", policies.find, "abc")
    version = policies.draft(FIRST, "operator")
    assert policies.find(version[:6]) == version
    fails("policy.unknown", policies.find, version[:5])
    fails("policy.unknown", policies.find, "%%%%%%")
    fails("policy.stage", policies.stage, version, "retired", "operator")
    policies.stage(version, "shadow", "operator")
    mark = policies.version_mark()
    policies.stage(version, "shadow", "operator")  # it stands so already
    assert policies.version_mark() == mark
    policies.stage(version, "live", "operator")
    fails("policy.stage", policies.stage, version, "shadow", "operator")
    other = policies.draft(SECOND, "operator")
    policies.stage(other, "shadow", "operator")
    policies.stage(other, "retired", "operator")
    assert (policies.live().version, policies.shadow()) == (version, None)
    fails("policy.value", policies.draft, b"a: 1", "operator")
    # The shipped policy may be chosen too, though it never had to be drafted.
    shipped = default_policy().version
    assert policies.stage(shipped, "live", "operator") == shipped
    assert policies.live().body == default_policy().body


def test_a_hot_term_acts_at_once_everywhere_and_outlives_a_change_of_policy(archive, other):
    policies, elsewhere = Policies(archive), Policies(other)
    elsewhere.refresh()
    version = policies.draft(FIRST, "operator")
    policies.stage(version, "shadow", "operator")
    policies.add_hot(HOT, "operator")
    assert elsewhere.refresh()
    assert elsewhere.live().acting == (HOT,)
    assert elsewhere.shadow().version == version
    assert [each.entry.term for each in elsewhere.live().hot.scan("a zorblefax")] == ["zorblefax"]
    fails("policy.hot-acting", policies.stage, policies.live().version, "retired", "operator")
    arrived = policies.stage(version, "live", "operator")
    assert arrived != version
    assert policies.live().labels.position == "prefix"
    assert policies.live().acting == (HOT,)
    assert policies.shadow() is None
    assert policies.stage(version, "live", "operator") == arrived
    changed = Hot(term="Zorblefax", category="A.1.h", action="mask")
    policies.add_hot(changed, "operator")
    assert policies.live().acting == (changed,)
    fails("policy.no-hot", policies.remove_hot, "quindrasp", "operator")
    policies.remove_hot("zorblefax", "operator")
    assert policies.live().acting == ()
    assert elsewhere.refresh()
    assert elsewhere.live().hot is None
    assert verify(archive, lambda *_: None).findings == []


def test_a_hot_term_that_acts_takes_the_place_of_one_that_has_ended(on_sqlite):
    policies = Policies(on_sqlite)
    ended = b"hot: [{term: ZORBLEFAX, category: A.1.h, until: 2020-01-01}]\n"
    version = policies.draft(FIRST + ended, "operator")
    policies.stage(version, "shadow", "operator")
    policies.add_hot(HOT, "operator")
    policies.stage(version, "live", "operator")
    assert policies.live().body.hot == (HOT,)


@pytest.mark.parametrize("author", ["", "x" * 25, "a\nb"])
def test_an_author_fits_into_the_ledger(on_sqlite, author):
    fails("policy.author", Policies(on_sqlite).draft, FIRST, author)
    fails("policy.author", Policies(on_sqlite).add_hot, HOT, author)


def test_a_hot_term_ends_with_its_day_in_every_process(on_sqlite, monkeypatch):
    policies = Policies(on_sqlite)
    today = date(2026, 12, 31)
    for module in (rules, versions):
        monkeypatch.setattr(module, "beijing_today", lambda: today)
    policies.add_hot(Hot(term="zorblefax", category="A.1.h", until=today), "operator")
    version = policies.live().version
    assert policies.live().acting
    today = date(2027, 1, 1)
    assert policies.refresh()
    assert policies.live().acting == ()
    assert policies.live().version == version
    policies.stage(version, "retired", "operator")  # nothing acts any more that would be lost


def test_of_two_who_decide_on_the_same_state_one_fails_and_no_hot_term_is_lost(archive, other):
    one = Policies(archive)
    seen = one._fresh()
    Policies(other).add_hot(HOT, "operator")
    second = Hot(term="quindrasp", category="A.1.h")
    fails("policy.stale", one._put_hot, seen, [second], "operator")
    one.add_hot(second, "operator")
    assert one.live().acting == (HOT, second)


def test_a_changed_text_does_not_come_to_act(on_sqlite):
    policies, fresh = Policies(on_sqlite), Policies(on_sqlite)
    version = policies.draft(FIRST, "operator")
    policies.stage(version, "shadow", "operator")
    policies.stage(version, "live", "operator")
    with on_sqlite.store.maintain() as connection:
        connection.execute(text("UPDATE policy_texts SET body = x'61'"))
    fails("policy.changed-text", fresh.refresh)
    fails("policy.changed-text", fresh.live)
    assert policies.live().version == version  # what acted goes on acting


def test_asking_whether_something_changed_is_cheap(on_sqlite):
    policies = Policies(on_sqlite)
    policies.refresh()
    statements = []
    engine = on_sqlite.store.engine("reader")

    @event.listens_for(engine, "before_cursor_execute")
    def _count(_connection, _cursor, statement, *_):
        statements.append(statement)

    assert not policies.refresh()
    assert len(statements) == 1
