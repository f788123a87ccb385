from datetime import date

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hegui.language import Problem
from hegui.policy.body import KINDS, MOST_BYTES, Hot, read_body
from hegui.policy.hot import with_hot
from hegui.policy.rules import DEFAULT
from hegui.safety.lexicon import spelling
from hegui.safety.risks import risks

TEXT = DEFAULT.read_bytes()


def problem(text: str, code: str, *told: str) -> None:
    with pytest.raises(Problem) as caught:
        read_body(text.encode(), "p.yaml")
    assert caught.value.code == code
    for words in told:
        assert words in str(caught.value)
    assert caught.value.say("zh")


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("a: 1", "policy.value", "p.yaml:1: a: Object contains unknown field"),
        ("- a", "policy.value", "p.yaml:1"),
        ("actions: 5", "policy.value", "p.yaml:1: actions"),
        ("actions:\n  A.1.f: mask\n  A.1.g:\n    adult: foo", "policy.value", "p.yaml:4"),
        ("actions:\n  A.1.f:\n    adult:\n      output: ask", "policy.value", "p.yaml:4"),
        ("actions:\n  A.1.f:\n    child: mask", "policy.value", "p.yaml:3: actions.A.1.f.child"),
        ("labels:\n  position: left", "policy.value", "p.yaml:2: labels.position"),
        ("personal_information:\n  kinds: [mobile,\n    mobil]", "policy.value", "p.yaml:3"),
        ("hot:\n  - {term: ab, category: A.1.f}\n  - {term: cd}", "policy.value", "p.yaml:3"),
        ("actions:\n  A.1.f: pass\n  A.9.f: pass", "policy.category", "p.yaml:3: A.9.f"),
        ("actions:\n  mobil: pass", "policy.category", "Near to it: mobile"),
        ("hot:\n  - term: ab\n    category: mobile", "policy.category", "p.yaml:3"),
        ("hot:\n  - term: a\n    category: A.1.f", "policy.term", "p.yaml:2"),
        ("hot: [{term: ab, category: A.1.f}, {term: A-B, category: A.1.g}]", "policy.twice", "A-B"),
        ("actions:\n  A.1.f: pass\n  A.1.f: mask", "policy.twice", "p.yaml:3: A.1.f"),
        ("labels: {position: prefix}\nlabels: {position: prefix}", "policy.twice", "p.yaml:2"),
        ("actions:\n  mobile: {adult: {input: mask}}", "policy.input-mask", "p.yaml:2: mobile"),
        ("unscanned:\n  image: pass", "policy.unscanned", "p.yaml:2"),
        ("unscanned: {audio: {action: pass, owner: a}}", "policy.unscanned", "audio"),
        ("unscanned: {file: {action: pass, owner: ' ', reason: b}}", "policy.unscanned", "file"),
        ("a: [", "policy.yaml", "p.yaml:1"),
        ("hot: [{term: ab, category: A.1.f, until: 2026-13-45}]", "policy.yaml", "month"),
        ("about: !!python/object:os.system {}", "policy.yaml", "p.yaml:1"),
        ("? [a, b]\n: c", "policy.yaml", "p.yaml:1"),
        ("[" * 3000, "policy.yaml", "p.yaml"),
        ("#" * (MOST_BYTES + 1), "policy.yaml", "bytes"),
    ],
)
def test_a_mistake_names_its_line_and_the_cure(text, code, place):
    problem(text, code, place)


def test_a_wrong_word_is_told_the_right_ones():
    problem("labels: {position: left}", "policy.value", "prefix, suffix, corner")
    problem("actions: {A.1.f: no}", "policy.value")
    problem("actions: {A.1.f: stop}", "policy.value", "pass, mask, withhold, refuse, lexicon")


def test_aliases_cannot_unfold_without_end():
    rows = ["a: &a0 [x, x]"] + [f"b{n}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]" for n in range(9)]
    problem("\n".join(rows), "policy.yaml", "aliases")


def test_bytes_that_are_no_text_are_a_problem():
    with pytest.raises(Problem) as caught:
        read_body(b"\xff\xfe")
    assert caught.value.code == "policy.yaml"


@pytest.mark.parametrize(
    ("adult", "minor", "laxer"),
    [
        ("mask", "pass", "output"),
        ("withhold", "mask", "input"),
        ("refuse", "{input: pass, output: withhold}", "input"),
        ("{input: pass, output: mask}", "{output: mask}", ""),
        ("{input: pass, output: mask}", "{input: pass}", "output"),
        ("lexicon", "mask", "input"),
        ("lexicon", "{input: pass}", "input"),
        ("lexicon", "withhold", ""),
        ("pass", "lexicon", ""),
        ("mask", "lexicon", "output"),
        ("withhold", "refuse", ""),
        ("refuse", "withhold", ""),
        ("pass", "mask", ""),
        ("mask", "mask", ""),
    ],
)
@pytest.mark.parametrize("key", ["A.1.f", "mobile"])
def test_minors_never_get_more_than_adults(key, adult, minor, laxer):
    text = f"actions:\n  {key}:\n    adult: {adult}\n    minor: {minor}\n"
    if laxer:
        problem(text, "policy.laxer", "p.yaml:4", laxer)
    else:
        assert key in read_body(text.encode()).actions


def test_the_default_policy_holds_every_operator_only_risk_as_a_key_without_content():
    body = read_body(TEXT)
    for key, risk in risks().items():
        if risk.operator_only:
            assert body.actions[key].adult == "lexicon"
            assert body.actions[key].minor is None
    assert set(KINDS) <= set(body.actions)
    assert body.hot == ()
    assert body.about.zh
    assert body.about.en


# -- hot terms -------------------------------------------------------------------------------------

ONE = Hot(term="foo bar", category="A.1.f", until=date(2027, 1, 1))
TWO = Hot(term='引"号', category="A.2.d", action="mask")


def test_the_core_leaves_out_hot_terms_and_nothing_else():
    core = read_body(TEXT).core
    assert read_body(with_hot(TEXT, [ONE])).core == core
    assert read_body(TEXT.replace(b"position: suffix", b"position: prefix")).core != core
    assert read_body(TEXT.replace(b"uscc: pass", b"uscc: mask")).core != core


def test_hot_terms_come_and_go_and_the_rest_stays_byte_for_byte():
    both = with_hot(TEXT, [ONE, TWO])
    assert read_body(both).hot == (ONE, TWO)
    assert with_hot(both, [TWO]) == with_hot(TEXT, [TWO])
    assert with_hot(both, []) == TEXT.replace(b"hot: []\n", b"")
    assert with_hot(with_hot(both, []), [ONE, TWO]) == both


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hot: []",
        "labels: {position: corner}",
        "labels: {position: corner}\nhot:\n- {term: zz, category: A.1.a}",
        "hot:\n- term: zz\n  category: A.1.a\n\n# about labels\nlabels: {position: corner}\n",
        "hot: [{term: zz,\n  category: A.1.a}]  # comment\nlabels: {position: corner}\n",
        "---\nhot: # none\nlabels: {position: corner}\n".replace("# none", "[]"),
    ],
)
def test_hot_terms_find_their_place_in_any_body(text):
    changed = with_hot(text.encode(), [ONE])
    assert read_body(changed).hot == (ONE,)
    assert read_body(changed).labels == read_body(text.encode()).labels
    assert ("# about labels" in text) == (b"# about labels\nlabels" in changed)


def test_a_body_that_cannot_be_edited_is_a_problem_and_not_a_guess():
    with pytest.raises(Problem) as caught:
        with_hot(b"{labels: {position: corner}, hot: []}", [ONE])
    assert caught.value.code == "policy.hot-form"
    with pytest.raises(Problem) as caught:
        with_hot(TEXT, [Hot(term="ab", category="A.9.z")])
    assert caught.value.code == "policy.category"


@given(
    st.lists(st.text(max_size=12).map("ab{}".format), max_size=3),
    st.sampled_from(["", "labels: {}\n"]),
)
def test_any_term_comes_back_as_it_went_in_or_is_refused(terms, after):
    text = b"hot: []\n" + after.encode()
    hot = [Hot(term=term, category="A.1.h") for term in terms]
    try:
        folded = [spelling(term)[0] for term in terms]
    except Problem:
        assume(False)
    assume(len(set(folded)) == len(folded))
    if all(term.isprintable() for term in terms):
        assert list(read_body(with_hot(text, hot)).hot) == hot
    else:
        with pytest.raises(Problem) as caught:
            with_hot(text, hot)
        assert caught.value.code == "policy.hot-sign"
