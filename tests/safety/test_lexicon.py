import hashlib
import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hegui.language import Problem
from hegui.safety.lexicon import GAP, Entry, Lexicon, is_built

TODAY = date(2026, 11, 23)


def lexicon(*terms, **fields):
    return Lexicon.build([Entry(term, "A.1.f", **fields) for term in terms], TODAY)


def found(terms, text):
    return [text[hit.start : hit.end] for hit in lexicon(*terms).scan(text)]


EVASIONS = [
    "zorblefax",
    "ZorbleFAX",
    "ｚｏｒｂｌｅｆａｘ",
    "z o r b l e f a x",
    "z.o.r.b.l.e.f.a.x",
    "z-o-r-b-l-e-f-a-x",
    "zorb*lefax",
    "zorb_lefax",
    "zor\u200bble\u200dfax",
    "zorb\u00adlefax",
    "zo\u0301rblefa\u0308x",
    "zörbléfax",
    "zorb😀lefax",
    "z👩‍🚀o👩‍🚀r👩‍🚀b👩‍🚀l👩‍🚀e👩‍🚀f👩‍🚀a👩‍🚀x",
    "𝐳𝐨𝐫𝐛𝐥𝐞𝐟𝐚𝐱",
    "ⓩⓞⓡⓑⓛⓔⓕⓐⓧ",
    "z" + "." * GAP + "orblefax",
    "咔噜磨砂",
    "咔 噜 磨 砂",
    "咔，噜。磨！砂",
    "咔\u200b噜\ufe0f磨\u2060砂",
    "咔😀噜🔥磨砂",
    "咔\n噜\n磨\n砂",
]


@pytest.mark.parametrize("spelt", EVASIONS)
def test_evasions_are_found_with_their_raw_place(spelt):
    terms = "zorblefax", "咔噜磨砂"
    for text in (spelt, f"是{spelt}的", f"oh, {spelt}!", f"“{spelt}” 1", f"\U0001f525{spelt}。"):
        assert found(terms, text) == [spelt]


@pytest.mark.parametrize(
    ("term", "text"),
    [
        ("shit", "bags hit"),
        ("shit", "the band's hit song"),
        ("shit", "it is hit and miss"),
        ("shit", "Matsushita"),
        ("hell", "he'll come, he’ll see"),
        ("hell", "shell"),
        ("cunt", "Scunthorpe"),
        ("ass", "classic assets"),
        ("therapist", "the rapist"),
        ("zorb", "zorbs"),
        ("zorb", "ｘzorb"),
        ("zo", "plan z o"),
        ("zorb", "z" + "." * (GAP + 1) + "orb"),
        ("咔噜", "咔" + " " * (GAP + 1) + "噜"),
        ("64", "1964"),
        ("zorb", "ézorb"),
        ("kg", "1㎏b"),
    ],
)
def test_false_hits(term, text):
    assert found([term], text) == []


@pytest.mark.parametrize(
    ("term", "text", "hits"),
    [
        ("plonk varet", "a plonk varet", ["plonk varet"]),
        ("plonk varet", "plonkvaret", ["plonkvaret"]),
        ("plonk varet", "p l o n k varet", ["p l o n k varet"]),
        ("plonk varet", "plo nk varet", []),
        ("plonk varet", "plonk va ret", []),
        ("shit", "s h i t", ["s h i t"]),
        ("shit", "s.h.i.t", ["s.h.i.t"]),
        ("shit", "shit1", ["shit1"[:4]]),
        ("64", "64位", ["64"]),
        ("咔zorb", "哈咔zorb, 咔zorbs", ["咔zorb"]),
        ("kg", "1㎏", ["㎏"]),
    ],
)
def test_words(term, text, hits):
    assert found([term], text) == hits


def plain_scan(terms, text):
    """Find hits by one regular expression a term and way of spelling; plain letters only."""
    places = set()
    for term in terms:
        latin = term.isascii()
        sign, space = r"[^\w\s'一-龥]", r"[\W_]"
        ways = [f"(?:{sign if latin else space}|_){{0,{GAP}}}".join(term)]
        if latin and len(term) > 2:
            ways.append(f"{space}{{1,{GAP}}}".join(term))
        left, right = ("(?<![a-zA-Z])", "(?![a-zA-Z])") if latin else ("", "")
        for way in ways:
            for match in re.finditer(f"{left}(?=({way}){right})", text, re.IGNORECASE):
                places.add((match.start(), -match.end(1), term))
    return sorted(places)


@settings(max_examples=600)
@given(
    st.lists(
        st.sampled_from(
            [*"zorbA啊咔噜磨. '_\n", "zorb", "z o r b", "咔噜", "orb", "." * GAP, " " * 9]
        )
    ).map("".join)
)
def test_scan_agrees_with_regular_expressions(text):
    terms = "zorb", "orb", "or", "bazor", "咔噜", "噜磨咔"
    hits = lexicon(*terms).scan(text)
    assert [(hit.start, -hit.end, hit.entry.term) for hit in hits] == plain_scan(terms, text)


def test_overlapping_hits_are_all_found_by_start_longest_first():
    assert found(["噜磨", "咔噜磨砂", "咔噜", "磨砂瓦"], "咔噜磨砂瓦") == [
        "咔噜磨砂", "咔噜", "噜磨", "磨砂瓦",
    ]  # fmt: skip


def test_variants_report_their_entry():
    book = lexicon("zorb", variants=("咔噜", "zo rb"))
    assert [hit.entry.term for hit in book.scan("咔噜 zo rb zorb")] == ["zorb"] * 3


def test_an_expired_entry_is_left_out_on_the_day_after():
    last = Entry("zorb", "A.1.f", expires=TODAY)
    over = Entry("krell", "A.1.f", expires=date(2026, 11, 22))
    book = Lexicon.build([last, over], TODAY)
    assert list(book.entries()) == [last]
    with pytest.raises(Problem, match="every entry has expired"):
        Lexicon.build([over], TODAY)


@pytest.mark.parametrize("term", ["", "z", "。。。", "a" * 65])
def test_a_term_too_short_or_too_long_is_a_problem(term):
    with pytest.raises(Problem, match="a term needs 2 to 64"):
        lexicon(term)


def test_a_file_comes_back_as_it_was(tmp_path):
    entry = Entry("zorb", "A.2.d", "mask", "desk", TODAY, date(2027, 1, 1), ("咔噜",))
    book = Lexicon.build([entry, Entry("krell", "A.4.e")], TODAY)
    path = tmp_path / "service.lexicon"
    path.write_bytes(book.to_bytes())
    again = Lexicon.load(path)
    assert is_built(path)
    assert list(again.entries()) == list(book.entries())
    assert again.scan("zorb 咔噜 krell") == book.scan("zorb 咔噜 krell")
    assert (again.sha256, again.built, len(again)) == (book.sha256, TODAY, 2)
    assert again.to_bytes() == book.to_bytes()
    assert book.sha256 == hashlib.sha256(book.to_bytes()[48:]).hexdigest()


@given(st.data())
def test_a_damaged_file_is_always_a_problem(data):
    whole = lexicon("zorblefax", "咔噜磨砂").to_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    damaged = bytearray(whole)
    damaged[place] ^= data.draw(st.integers(1, 255))
    for broken in (bytes(damaged), whole[:place], whole + b"\0"):
        with pytest.raises(Problem, match=r"not a built lexicon|is damaged"):
            Lexicon.from_bytes(broken)


def test_a_file_of_an_older_version_is_to_be_built_again():
    old = lexicon("zorblefax").to_bytes().replace(b"hegui-lexicon 2", b"hegui-lexicon 1", 1)
    with pytest.raises(Problem, match="Build it again"):
        Lexicon.from_bytes(old)


def test_a_file_remembers_what_a_stream_has_to_hold():
    book = lexicon("zorblefax", "plonk varet", "咔噜磨砂")
    again = Lexicon.from_bytes(book.to_bytes())
    for text in ("so zor", "plonk ", "zorb ", "咔，噜", "zorblefax", "咔噜磨砂", "", "。"):
        assert again.live(text) == book.live(text)
    assert [again.live(text) for text in ("so zor", "plonk ", "zorb ", "咔噜磨砂")] == [3, 0, 5, 4]


def test_an_absent_file_is_a_problem(tmp_path):
    assert not is_built(tmp_path / "none")
    with pytest.raises(Problem, match="cannot be read"):
        Lexicon.load(Path(tmp_path / "none"))
