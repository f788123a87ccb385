import json
from datetime import UTC, datetime

import msgspec
import pytest
from sqlalchemy import select

from archive import admitted, finished
from hegui.evidence.erase import erase
from hegui.evidence.ledger import read_head
from hegui.evidence.opening import list_openings
from hegui.evidence.verify import verify
from hegui.language import Problem
from hegui.policy.backtest import ALL, backtest, texts_of
from hegui.policy.rules import Policy
from hegui.safety.sample import sample_lexicon
from hegui.store.tables import entries, openings

CALM, STOPPED, MASKED = "a calm word", "tell of quindrasp", "about yaxperond"  # sample lexicon
WHY = {"staff": "staff-1", "reason": "a policy for tests"}


def tell(archive, number, question, answer, withheld="", person="p"):
    asked = {"model": "m", "messages": [{"role": "user", "content": question}]}
    ended = {"answer": answer, "withheld": withheld}
    archive.writer.commit_now(
        admitted(number, person, json.dumps(asked).encode()),
        finished(number, person, json.dumps(ended).encode()),
    )


def run(archive, tried="", live="", **options):
    policies = (Policy(text.encode()) for text in (tried, live))
    return backtest(archive, *policies, [sample_lexicon()], **WHY, **options)


def row(report, category, profile="adult"):
    return next(
        each for each in report.rows if (each.category, each.profile) == (category, profile)
    )


def number(exchange):
    return [int(each, 16) for each in exchange]


def test_what_would_change_is_counted_by_risk_and_profile(archive):
    tell(archive, 1, CALM, CALM)
    tell(archive, 2, STOPPED, "")
    tell(archive, 3, CALM, "on ", STOPPED)
    tell(archive, 4, CALM, MASKED)
    tell(archive, 5, STOPPED, MASKED)
    tell(archive, 6, CALM, "the hot plonkish")
    report = run(
        archive,
        "actions:\n"
        "  A.1.f: {adult: {input: pass, output: mask}, minor: refuse}\n"
        "  A.4.e: withhold\n"
        "hot: [{term: plonkish, category: A.2.d}]\n",
    )
    assert (report.exchanges, report.erased) == (6, 0)
    words = row(report, "A.1.f")
    assert number(words.released) == [5, 2]
    assert number(words.masked) == [3]
    assert (words.stopped, words.unchanged) == ([], 0)
    assert row(report, "A.1.f", "minor").unchanged == 3
    assert number(row(report, "A.4.e", "minor").stopped) == [5, 4]
    assert number(row(report, "A.2.d").stopped) == [6]
    whole = row(report, ALL)
    assert number(whole.stopped) == [6, 4]
    assert number(whole.masked) == [3]
    assert number(whole.released) == [2]
    assert whole.unchanged == 2  # 1 without a hit; 5 stops, as before, though now for its answer
    assert verify(archive, lambda *_: None).findings == []


def test_the_report_holds_no_text(on_sqlite):
    tell(on_sqlite, 1, STOPPED, MASKED)
    said = msgspec.json.encode(run(on_sqlite, "actions: {A.1.f: pass, A.4.e: pass}")).decode()
    assert "quindrasp" not in said
    assert "yaxperond" not in said
    assert f"{1:032x}" in said


def test_the_opening_is_on_record_before_a_byte_is_read_and_names_every_exchange(on_sqlite):
    for each in range(3):
        tell(on_sqlite, each, CALM, CALM)
    with pytest.raises(Problem, match="Give a reason"):
        backtest(on_sqlite, Policy(b""), Policy(b""), [], staff="s", reason="?")
    with on_sqlite.store.read() as connection:
        assert connection.execute(select(openings)).all() == []
    seen = []
    run(on_sqlite, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    with on_sqlite.store.read() as connection:
        opening = connection.execute(select(openings)).one()
        head = connection.execute(select(entries.c.head).where(entries.c.seq == opening.seq))
        facts = read_head(head.scalar_one()).facts
    assert (opening.staff, opening.reason) == ("staff-1", "a policy for tests")
    assert number(facts["exchanges"]) == [2, 1, 0]
    assert [each.staff for each in list_openings(on_sqlite, f"{1:032x}")] == ["staff-1"]
    assert list_openings(on_sqlite, f"{9:032x}") == []


def test_the_newest_since_a_day_are_judged(on_sqlite):
    day = datetime(2026, 11, 1, tzinfo=UTC)
    base = int(day.timestamp() * 1000) << 80
    for offset in (-1, 0, 1 << 80, 2 << 80):
        tell(on_sqlite, base + offset, CALM, CALM)
    assert run(on_sqlite).exchanges == 4
    assert run(on_sqlite, since=day).exchanges == 3
    assert run(on_sqlite, since=day, limit=2).exchanges == 2


def test_what_was_erased_is_counted_and_passed_over(on_sqlite):
    for person in ("p", "q"):
        on_sqlite.vault.key_for(person, "content", "202611")
    tell(on_sqlite, 1, STOPPED, "", person="p")
    tell(on_sqlite, 2, STOPPED, "", person="q")
    erase(on_sqlite, "q", "request")
    report = run(on_sqlite, "actions: {A.1.f: pass}")
    assert (report.exchanges, report.erased) == (1, 1)
    assert number(row(report, "A.1.f").released) == [1]


def test_nothing_on_record_is_no_error(on_sqlite):
    report = run(on_sqlite)
    assert [(each.category, each.unchanged) for each in report.rows] == [(ALL, 0), (ALL, 0)]


@pytest.mark.parametrize(
    ("request_", "texts"),
    [
        ('{"model": "m", "messages": [{"role": "user", "content": "a", "name": "n"}]}', "a n"),
        ('{"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]}', "a"),
        ('{"input": ["a", "b"], "instructions": "c"}', "a b c"),
        ('{"prompt": "a", "suffix": "z"}', "a"),
        ('{"messages": [{"tool_calls": [{"function": {"arguments": "{1}"}}]}]}', "{1}"),
        ('{"text": "a"}', "a"),
        ("no JSON", "no JSON"),
        ("[" * 100_000, "[" * 100_000),
        ("7", ""),
    ],
)
def test_what_users_wrote_is_found_on_every_route(request_, texts):
    assert " ".join(texts_of(request_)) == texts
