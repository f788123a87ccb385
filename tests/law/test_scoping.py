import re
from pathlib import Path

import msgspec
import pytest

from hegui.language import Problem, Text
from hegui.law import Register, Tables, register
from hegui.law.model import (
    AtLeast,
    Choice,
    DecisionRow,
    DecisionTable,
    Fact,
    Instrument,
    Interpretation,
)
from hegui.law.reading import UNKNOWN, Reading, is_valid
from hegui.law.scoping import (
    changed_facts,
    check,
    decide,
    fitting,
    next_question,
    version,
)

REFERENCE = Path(__file__).parents[3] / "shared" / "reference" / "obligations.md"
TABLES = register().tables
FACTS = {fact.id: fact for fact in TABLES.facts}
# A public chat app; the tests of the rows change what they need.
APP = {
    "generates": "content", "offered": "hosted", "internal": False, "reach": "public",
    "provider_abroad": False, "sector": False,
}  # fmt: skip
TOOL = APP | {"internal": True, "reach": "nobody"}
FORUM = {"forum_functions": True, "opinion_channel": False}
CHANNEL = {"forum_functions": False, "opinion_channel": True}
NEITHER = {"forum_functions": False, "opinion_channel": False}

# The facts of each row of the first table, in the order of its columns.
ROWS_A = {
    "a1": {"generates": "none"},
    "a2": {"generates": "content", "offered": "none", "internal": True},
    "a3": TOOL,
    "a4": APP | {"reach": "nobody"},
    "a5": APP | {"reach": "customer"},
    "a6": APP,
    "a7": APP | {"reach": "invited"},
    "a8": APP | {"provider_abroad": True},
    "a9": APP | {"reach": "fenced", "provider_abroad": True},
    "a10": APP | {"reach": "hmt"},
    "a11": APP | {"reach": "abroad"},
    "a12": APP | {"sector": True},
    "a13": {"generates": "content", "offered": "weights", "internal": False},
    "a14": APP | {"offered": "onprem", "reach": "customer"},
    "a15": APP | {"generates": "narrow"},
    "a16": {"generates": UNKNOWN},
}
ROWS_B = {
    "b1": TOOL | NEITHER,
    "b2": TOOL | FORUM,
    "b3": APP | FORUM | {"model": "own"},
    "b4": APP | CHANNEL | {"model": "own"},
    "b5": APP | CHANNEL | {"model": "filed"},
    "b6": APP | {"model": "fine_tuned"},
    "b7": APP | {"model": "rag"},
    "b8": APP | NEITHER | {"model": "own"},
    "b9": ROWS_A["a4"],
    "b10": APP | {"companionship": "companion"},
    "b10-scale": APP | {"companionship": "companion", "monthly_users": 100_000},
    "b11": APP | FORUM | {"model": "unfiled"},
}


def table(table_id):
    return next(table for table in TABLES.decisions if table.id == table_id)


def ids(rows):
    return [row.id for row in rows]


def held(scope, table_id):
    return ids(scope.decision(table_id).rows)


def answered(script):
    """Answer what is asked, with what the script says, else with the quiet answer of its kind."""
    quiet = {"yes_no": False, "number": 0, "several": [], "date": "2026-12-01", "choice": UNKNOWN}
    answers = {}
    while (fact := next_question(answers)) is not None:
        assert fact.id not in answers
        answers[fact.id] = script.get(fact.id, quiet[fact.kind])
    return answers


# -- the tables as data ----------------------------------------------------------------------------


def test_every_row_of_a_has_its_facts_and_is_reached_by_them():
    assert list(ROWS_A) == ids(table("measures").rows)
    for row, facts in ROWS_A.items():
        assert held(decide(facts), "measures") == [row]


def test_every_row_of_b_has_its_facts_and_is_reached_by_them():
    assert list(ROWS_B) == ids(table("filing").rows)
    for row, facts in ROWS_B.items():
        assert row in held(decide(facts), "filing"), row


@pytest.mark.parametrize("name", ["labels", "minors", "human_like_scope", "incidents"])
def test_every_row_of_the_other_tables_can_hold(name):
    """Each rule is met by answers made from its own tests."""
    for row in table(name).rows:
        answers = {}
        for rule in (table(name).when, row.when):
            _meet(rule, answers)
        assert row.id in held(decide(answers), name), row.id


def _meet(rule, answers):
    """Answer the facts so that the first group of a rule holds."""
    for key, test in (rule[0] if rule else {}).items():
        if key in FACTS:
            fact = FACTS[key]
            value = test.at_least if isinstance(test, AtLeast) else test
            if fact.kind == "choice":
                answers.setdefault(key, test[0])
            elif fact.kind == "several":
                answers.setdefault(key, []).append(test[0])
            else:
                answers[key] = value
        elif key in TABLES.circumstances:
            if test:
                _meet(TABLES.circumstances[key], answers)
            else:
                answers["companionship"] = "task"
                assert key == "human_like"
        else:
            assert (key, test) == ("measures", True)
            answers.update(APP)


def test_every_circumstance_has_a_rule():
    assert set(TABLES.circumstances) >= set(register().vocabulary["circumstance"])


def test_a_circumstance_without_a_rule_is_never_known_and_counts():
    rules = {code: rule for code, rule in TABLES.circumstances.items() if code != "elderly"}
    scope = decide(APP, Register(msgspec.structs.replace(TABLES, circumstances=rules)))
    assert scope.circumstances["elderly"] is None
    assert scope.applies(duty(id="RA-19", applies=("elderly",))).counts


def test_every_actor_but_everybody_and_the_authority_has_a_rule():
    actors = set(register().vocabulary["actor"])
    assert set(TABLES.roles) == actors - {"U", "X", "A"}


def rules():
    for each in TABLES.decisions:
        yield each.when
        yield from (row.when for row in each.rows)
    yield from TABLES.circumstances.values()
    yield from TABLES.roles.values()


def test_every_name_in_a_rule_is_known_and_tested_in_its_own_form():
    sets = {name for each in TABLES.decisions for row in each.rows for name in row.sets}
    derived = sets | TABLES.circumstances.keys()
    assert not derived & FACTS.keys()
    tests = [item for rule in rules() for group in rule for item in group.items()]
    assert len(tests) > 150
    for name, test in tests:
        kind = FACTS[name].kind if name in FACTS else "yes_no"
        if isinstance(test, AtLeast):
            assert kind == "number", name
        elif isinstance(test, bool):
            assert kind == "yes_no", name
            assert name in FACTS or name in derived
        else:
            assert set(test) <= {choice.id for choice in FACTS[name].choices}, name


def test_every_fact_and_every_choice_is_used():
    used: dict[str, set] = {}
    for rule in rules():
        for group in rule:
            for name, test in group.items():
                used.setdefault(name, set()).update(test if isinstance(test, tuple) else ())
    asked = {name for each in TABLES.decisions for row in each.rows for name in row.asks}
    assert FACTS.keys() == (used.keys() & FACTS.keys()) | asked
    # What is left out is what no rule needs to see: the quiet choices, which are no row's condition.
    quiet = {"generates.none", "model.unfiled", "minors_use.excluded", "incident_grade.ordinary"}
    quiet |= {"offered.none", "reach.hmt"}
    unused = {
        f"{fact.id}.{choice.id}"
        for fact in TABLES.facts
        for choice in fact.choices
        if choice.id not in used.get(fact.id, set())
    }
    assert unused <= quiet, unused


def test_choices_belong_to_the_kinds_that_have_them_and_ids_are_given_once():
    for fact in TABLES.facts:
        assert bool(fact.choices) is (fact.kind in {"choice", "several"}), fact.id
        assert UNKNOWN not in {choice.id for choice in fact.choices}
        assert register().term("fact_group", fact.group)
    rows = [row.id for each in TABLES.decisions for row in each.rows]
    assert len(rows) == len(set(rows))
    assert len(TABLES.facts) == len(FACTS)


def test_what_decides_first_can_be_followed_fact_by_fact():
    """The search goes through the values of a fact: a number or several choices have too many."""
    for each in TABLES.decisions:
        if each.mode == "first":
            rows = [row for row in each.rows if not row.besides]
            for name in {name for row in rows for group in row.when for name in group}:
                assert name not in FACTS or FACTS[name].kind in {"yes_no", "choice"}, name


def test_only_one_table_sets_a_name_and_its_words_are_there():
    setters = {}
    for each in TABLES.decisions:
        for row in each.rows:
            for name in row.sets:
                assert setters.setdefault(name, each.id) == each.id
                assert not row.besides
    assert setters.keys() == register().vocabulary["outcome"].keys()


def test_articles_lead_to_rows_of_the_register_where_it_has_them():
    book = register()
    loaded = {row.instrument for row in book.provisions}
    named = [name for fact in TABLES.facts for name in fact.articles]
    named += [name for each in TABLES.decisions for row in each.rows for name in row.articles]
    for name in named:
        code = book.instrument(name.partition("-")[0]).code
        known = {row.id for row in book.provisions if row.instrument == code}
        assert code not in loaded or name in known or book.find(name).provisions, name


def test_every_open_row_asks_counsel_and_has_a_default():
    rows = [row for each in TABLES.decisions for row in each.rows]
    open_rows = {row.id for row in rows if row.uncertain}
    assert open_rows == {
        "a4", "a5", "a7", "a9", "a11", "a13", "a14", "a15",
        "b6", "b7", "b8", "b9", "b11",
        "c2", "c3", "c4", "c6", "c11", "c20", "c21",
        "d7", "d14", "d15", "e3",
    }  # fmt: skip


@pytest.mark.skipif(not REFERENCE.exists(), reason="the research notes are not at hand")
def test_the_tables_hold_every_row_of_the_research_notes():
    text = REFERENCE.read_text("utf-8").partition("## 6. Decision tables")[2]
    noted = re.findall(r"^\| ([a-f][0-9]+) \|", text.partition("## 7.")[0], re.MULTILINE)
    rows = [row.id for each in TABLES.decisions for row in each.rows]
    assert len(noted) > 70
    assert [row for row in rows if row != "b10-scale"] == noted


def test_the_version_follows_every_word_of_the_tables():
    changed = msgspec.structs.replace(TABLES, facts=TABLES.facts[1:])
    assert re.fullmatch("[0-9a-f]{64}", version())
    assert version() == version()
    assert version(Register(changed)) != version()


# -- reading in three values -----------------------------------------------------------------------


def test_nothing_answered_is_nothing_decided_and_never_no():
    scope = decide({})
    assert held(scope, "measures") == ["a16"]
    assert set(scope.circumstances.values()) == {None}
    assert set(scope.outcomes.values()) == {None}
    assert {code for code, is_it in scope.roles.items() if is_it is not None} == {"U", "X", "A"}
    ruled_out = {duty.id.split("-")[0] for duty in register() if scope.applies(duty).answer == "no"}
    assert ruled_out == {"DH"}  # a draft binds nobody, whatever is answered
    assert scope.applies(register().obligation("IM-9.3")).counts


def test_an_answer_of_unknown_stays_open_but_is_not_asked_again():
    scope = decide({"generates": UNKNOWN})
    assert next_question({}).id == "generates"
    assert next_question({"generates": UNKNOWN}).id != "generates"
    assert "generates" in [fact.id for fact in scope.open_facts]
    assert scope.outcomes["measures"] is None


def test_where_all_that_is_possible_says_the_same_it_is_known():
    facts = {name: value for name, value in APP.items() if name != "sector"}
    scope = decide(facts)
    assert ids(scope.decision("measures").possible) == ["a6", "a12"]
    assert scope.decision("measures").missing == ("sector",)
    assert held(scope, "measures") == ["a16"]
    assert scope.outcomes["measures"] is True


def test_answers_that_fit_no_row_stop_and_count_as_applying():
    scope = decide(APP | {"internal": True})
    decision = scope.decision("measures")
    assert (ids(decision.rows), decision.possible, decision.missing) == (["a16"], (), ())
    assert decision.gap
    assert scope.outcomes["measures"] is None
    told = scope.applies(register().obligation("IM-15"))
    assert (told.answer, told.counts, told.row.id) == ("unknown", True, "a16")


def test_only_what_matters_is_asked():
    offered = [fact.id for fact in decide({}).open_facts]
    assert "service_start" not in offered
    assert "incident" not in offered
    tool = {fact.id for fact in decide(TOOL).open_facts}
    assert not tool & {"minors_use", "companionship", "intimate", "monthly_users", "unlabelled"}
    assert {"personal", "forum_functions"} <= tool
    nothing = {fact.id for fact in decide({"generates": "none"}).open_facts}
    assert not nothing & {"model", "outputs", "likeness"}
    assert "service_start" in {f.id for f in decide(ROWS_B["b3"]).open_facts}
    small = answered(APP | {"registered_users": 5, "monthly_users": 5})
    assert "complex_platform" not in small
    large = answered(APP | {"registered_users": 60_000_000})
    assert "complex_platform" in large


def test_a_row_that_stands_beside_adds_to_the_one_that_decides():
    facts = APP | NEITHER | {"model": "unfiled", "companionship": "mixed"}
    assert held(decide(facts), "filing") == ["b8", "b10", "b11"]
    assert held(decide(facts | FORUM), "filing") == ["b10", "b11"]
    assert decide(facts | FORUM).decision("filing").gap
    assert decide(facts | FORUM).outcomes["genai_filing"] is None


def test_the_scale_of_a_human_like_service_counts_from_the_figure_itself():
    facts = APP | {"companionship": "companion", "monthly_users": 0}
    for count, there in ((999_999, False), (1_000_000, True)):
        rows = held(decide(facts | {"registered_users": count}), "filing")
        assert ("b10-scale" in rows) is there


@pytest.mark.parametrize(
    ("fact", "good", "bad"),
    [
        ("internal", [True, UNKNOWN], ["yes", 1, None]),
        ("reach", ["public"], ["everybody", True, ["public"]]),
        ("activities", [[], ["posts", "sells"]], ["posts", ["nothing"], {}]),
        ("registered_users", [0, 5], [-1, True, "5", 1.5]),
        ("service_start", ["2026-02-28"], ["2026-02-30", 20260228, ""]),
    ],
)
def test_an_answer_has_the_form_of_its_fact(fact, good, bad):
    assert all(is_valid(FACTS[fact], value) for value in good)
    assert not any(is_valid(FACTS[fact], value) for value in bad)
    for value in bad:
        with pytest.raises(Problem) as caught:
            check({fact: value})
        assert (caught.value.code, fact in str(caught.value)) == ("law.answer", True)
        assert fitting({fact: value, "gone": 1, "internal": True}).keys() <= {"internal"}


def test_an_answer_to_no_fact_is_refused():
    with pytest.raises(Problem, match="no fact colour") as caught:
        decide({"colour": "red"})
    assert caught.value.code == "law.no-fact"


def test_the_reading_is_three_valued_throughout():
    reading = Reading(TABLES, {"internal": False})
    unsure = ({"internal": False, "provider_abroad": True},)
    assert reading.holds(()) is True
    assert reading.holds(({"internal": True, "provider_abroad": True},)) is False
    assert reading.holds(unsure) is None
    assert reading.holds((*unsure, {"internal": False})) is True
    assert list(reading.missing(unsure)) == ["provider_abroad"]
    assert list(reading.missing(({"opinion": True},))) == ["forum_functions", "opinion_channel"]


# -- three services --------------------------------------------------------------------------------


def explained(scope):
    for row in scope.rows:
        assert row.result.zh
        assert row.articles
    return {name: held(scope, name) for name in ("measures", "filing", "labels", "minors")}


def test_a_public_chat_app_on_its_own_fine_tuned_model():
    wanted = APP | FORUM | {
        "model": "own", "outputs": ["chat", "export"], "minors_use": "possible",
        "companionship": "task", "personal": True, "labels_data": True, "registered_users": 1_200_000,
    }  # fmt: skip
    scope = decide(answered(wanted))
    assert explained(scope) == {
        "measures": ["a6"],
        "filing": ["b3"],
        "labels": ["c1", "c3"],
        "minors": ["d5", "d11", "d12", "d13", "d16"],
    }
    assert held(scope, "human_like_scope") == ["e2"]
    assert ids(scope.counsel) == ["c3"]
    assert {code for code, is_it in scope.roles.items() if is_it} == {"P", "H", "N", "U", "X"}
    assert {code for code, is_it in scope.circumstances.items() if is_it} == {
        "public_service", "trains", "annotates", "opinion", "makes_media", "minors",
        "personal_data", "people_1m", "news_or_boards",
    }  # fmt: skip
    assert scope.open_facts == ()
    assert [scope.outcomes[name] for name in ("genai_filing", "registration")] == [True, False]
    assert scope.applies(register().obligation("IM-17")).answer == "yes"


def test_an_internal_tool():
    scope = decide(answered(TOOL | {"model": "filed", "outputs": ["chat"], "personal": True}))
    assert explained(scope) == {
        "measures": ["a3"], "filing": ["b1"], "labels": ["c20"], "minors": [],
    }  # fmt: skip
    assert {code for code, is_it in scope.roles.items() if is_it} == {"H", "N", "U", "X"}
    told = scope.applies(register().obligation("IM-9.3"))
    assert (told.answer, told.row.id) == ("no", "a3")
    assert "own staff" in told.say("en")
    assert "a3" in told.say("zh")
    assert scope.applies(register().obligation("IM-2.1")).answer == "yes"


def test_an_offshore_api_that_can_be_reached_from_the_mainland():
    scope = decide(answered(APP | NEITHER | {
        "provider_abroad": True, "model": "own", "outputs": ["api_text"], "personal": True,
        "companionship": "none", "minors_use": "possible",
    }))  # fmt: skip
    assert explained(scope) == {
        "measures": ["a8"],
        "filing": ["b8"],
        "labels": ["c2"],
        "minors": ["d5", "d11", "d12", "d13", "d16"],
    }
    assert "PIPL-53" in scope.decision("measures").rows[0].articles
    assert ids(scope.counsel) == ["b8", "c2"]
    assert scope.circumstances["offshore"] is True
    assert scope.applies(register().obligation("IM-20")).answer == "yes"


def test_an_event_is_triaged_by_the_same_tables():
    unclear = decide({"incident": ["system", "fake"], "incident_grade": "unclear"})
    assert held(unclear, "incidents") == ["f4", "f5"]
    ungraded = decide({"incident": ["system"]}).decision("incidents")
    assert (ids(ungraded.possible), ungraded.missing) == (["f1", "f5"], ("incident_grade",))
    assert "incidents" not in [decision.table.id for decision in unclear.decisions]


# -- whose duty it is ------------------------------------------------------------------------------


def duty(**changes):
    return msgspec.structs.replace(register().obligation("IM-9.3"), **changes)


def test_a_duty_needs_measures_role_and_circumstances():
    scope = decide(answered(APP | {"activities": ["recommends"]}))
    assert scope.applies(duty()).answer == "yes"
    stores = scope.applies(duty(id="DS-13", actors=("S",)))
    assert (stores.answer, stores.counts) == ("no", False)
    assert "app store" in stores.say("en")
    either = duty(id="DS-14.1", actors=("S", "P"), applies=("recommends", "public_service"))
    assert scope.applies(either).answer == "yes"
    sells = scope.applies(duty(id="RA-21", applies=("recommends", "sells")))
    assert sells.answer == "no"
    assert "sells goods" in sells.say("en")
    assert "recommends" not in sells.say("en")


def test_a_circumstance_that_is_not_known_counts():
    told = decide(APP).applies(duty(id="MC-22", applies=("minors",)))
    assert (told.answer, told.counts) == ("unknown", True)
    assert "minors may use it" in told.say("en")
    role = decide({}).applies(duty(id="LB-6.1", actors=("D",)))
    assert (role.answer, role.counts) == ("unknown", True)


def test_an_authority_s_row_is_never_one_s_own():
    assert decide(APP).applies(duty(id="RA-23", actors=("A",))).answer == "no"


@pytest.mark.parametrize(
    ("status", "answer"),
    [("draft", "no"), ("superseded", "no"), ("policy", "yes"), ("guidance", "yes")],
)
def test_the_status_of_the_instrument_decides_first(status, answer):
    """A draft binds nobody; a policy or a guide is looked at like the rest."""
    instruments = tuple(
        msgspec.structs.replace(entry, status=status) if entry.code == "DH" else entry
        for entry in TABLES.instruments
    )
    book = Register(msgspec.structs.replace(TABLES, instruments=instruments))
    assert isinstance(book.instrument("DH"), Instrument)
    assert decide(APP, book).applies(duty(id="DH-10")).answer == answer


# -- changes ---------------------------------------------------------------------------------------


def test_a_changed_fact_names_the_decisions_it_changes():
    old, new = decide(APP | NEITHER | {"model": "own"}), decide(APP | FORUM | {"model": "own"})
    changes = changed_facts(old, new)
    assert changes.facts == {"forum_functions": (False, True)}
    assert changes.rows == {"filing": (("b8",), ("b3",))}
    assert changes.names["opinion"] == (False, True)
    assert changes.names["genai_filing"] == (None, True)
    assert changes.decided
    assert not changed_facts(old, old).decided


def test_a_number_below_its_threshold_changes_a_fact_but_no_decision():
    facts = APP | {"registered_users": 10, "monthly_users": 10, "people": 5, "personal": True}
    more = changed_facts(decide(facts), decide(facts | {"registered_users": 20}))
    assert more.facts == {"registered_users": (10, 20)}
    assert not more.decided


def test_tables_of_one_s_own_are_read_the_same_way():
    word = Text("事实", "fact")
    choices = (Choice("one", word), Choice("two", word))
    fact = Fact("which", "service", "choice", word, word, ("IM-1",), choices=choices)
    reading = Interpretation(True, word, word)
    row = DecisionRow(
        "a1",
        ({"which": ("two",)},),
        word,
        ("IM-1",),
        "T",
        {"measures": True},
        interpretation=reading,
    )
    book = Register(
        Tables(facts=(fact,), decisions=(DecisionTable("measures", word, "first", (row,)),))
    )
    assert next_question({}, book) is fact
    scope = decide({"which": "two"}, book)
    assert scope.counsel == (row,)
    assert scope.outcomes == {"measures": True}
    assert next_question({"which": "two"}, book) is None
