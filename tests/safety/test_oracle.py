"""A stream, cut anywhere, releases what a naive reading of the whole text allows, and no more."""

import random
import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hegui.safety.lexicon import Entry, Lexicon
from hegui.safety.personal import ENTRIES, Personal
from hegui.safety.window import Window
from safety.naive import lexicon_hits, personal_hits
from soaking import publish

pytestmark = pytest.mark.once

TERMS = [
    Entry("zorb", "A.1.f", "mask"), Entry("zorblefax", "A.1.f", "withhold"),
    Entry("plonk varet", "A.1.f", "refuse", variants=("pl onk",)), Entry("咔噜磨砂", "A.1.f"),
    Entry("噜磨", "A.1.f", "note"), Entry("哒嘀", "A.2.a", "mask"), Entry("磨kg砂", "A.2.a"),
    Entry("嘀哒嘀哒嘀", "A.2.a", "refuse"), Entry("qu1z", "A.2.a", "mask"), Entry("微信", "A.2.a", "note"),
]  # fmt: skip
PERSONS = [
    "11010519491231002X", "110105194912310021", "440524188001010014", "13800138000", "+86 138-0013-8000",
    "008613912345678", "12800138000", "6222021001116245702", "4111 1111 1111 1111", "4111111111111112",
    "E12345678", "ea1234567", "京A12345", "粤B·D12345", "沪AD1234", "a.b@qq.com", "x@y", "q@mail.corp.cn",
    "微信号：abc_12345", "wx: hello-1234", "微信 Android", "QQ 1234 5678", "qq号:0123", "91350100M000100Y43",
    "地址：北京市海淀区中关村大街27号3单元502室", "家住幸福小区", "住在长安路五号", "１３８００１３８０００",
    "2024-01-15", "400-820-8820", "978-7-111-12345-6", "1700000000",
]  # fmt: skip
PARTS = [
    *"zorblefaxplnkvt 12", *"咔噜磨砂哒嘀微信京", *(entry.term for entry in TERMS), *PERSONS, "zor", "lefax",
    "plonk", " varet", "咔噜", "砂", "㎏", "kg", "the", "Tuesday", "Ｚ", "，", "。", "\n", ".", "'", "-",
    "\u200b", "\u0301", "😀", "👩‍🚀", "@", "＠", "qq.com", "138", "0013", "8000", "86", "+", "x" * 60, "7" * 16,
    "." * 8, " " * 9, "\u200b" * 8, "是：", "号", "路", "\ud800",
]  # fmt: skip
LEXICON, PERSONAL = Lexicon.build(TERMS, date(2026, 11, 23)), Personal()
SETS = {"lexicon": [LEXICON], "personal": [PERSONAL], "both": [LEXICON, PERSONAL]}
ACTIONS = {entry.term: entry.action for entry in [*TERMS, *ENTRIES.values()]}
STOPS = {"refuse", "withhold"}


def allowed(name, text):
    """What may leave, what stops it, and what is noted before, by the naive reading."""
    hits = set()
    if name != "personal":
        hits |= set(lexicon_hits(TERMS, text))
    if name != "lexicon":
        hits |= personal_hits(text)
    stops = [hit for hit in hits if ACTIONS[hit[2]] in STOPS]
    stop = min(stops, key=lambda hit: (hit[0], -hit[1]), default=None)
    end = stop[0] if stop else len(text)
    noted = {hit for hit in hits if hit[0] < end}
    letters = list(text)
    for start, after, term in noted:
        if ACTIONS[term] == "mask":
            letters[start:after] = "*" * (after - start)
    return "".join(letters[:end]), stop, noted


def streamed(name, pieces):
    window = Window(SETS[name])
    steps = [window.feed(piece) for piece in pieces] + [window.feed("", last=True)]
    stops = {(h.start, h.end, h.entry.term) for step in steps if (h := step.hit)}
    assert len(stops) <= 1
    noted = [(h.start, h.end, h.entry.term) for step in steps for h in step.noted]
    assert len(noted) == len(set(noted))
    return "".join(step.text for step in steps), next(iter(stops), None), set(noted)


def passage(rng):
    words = []
    for _ in range(rng.randrange(1, 8)):
        words += rng.choices(PARTS, k=rng.randrange(4))
        if rng.random() < 0.3:
            between = rng.choice(["", ".", " ", "\u200b", "😀*", "." * 8, "." * 9, "-", "  "])
            words += [rng.choice(["", " "]), between.join(rng.choice([*PERSONS, *ACTIONS]))]
    return "".join(words)


def cut(text, rng):
    pieces, start = [], 0
    sizes = rng.choice([[1], [0, 1, 2, 3], [1, 2, 3, 5, 8, 13, 40], [200]])
    while start < len(text):
        pieces.append(text[start : start + (size := rng.choice(sizes))])
        start += size
    return pieces


def run(seed, count):
    """Hold `count` random streams against the naive reading; return what was met in them."""
    rng = random.Random(seed)
    stopped = masked = 0
    for number in range(count):
        name = ("lexicon", "personal", "both")[number % 3]
        text = passage(rng)
        pieces = cut(text, rng)
        wanted = allowed(name, text)
        assert streamed(name, [text]) == wanted, (name, text)
        assert streamed(name, pieces) == wanted, (name, pieces)
        stopped += wanted[1] is not None
        masked += "*" in wanted[0]
    return stopped, masked


def test_500_random_streams_leak_nothing_and_miss_nothing():
    stopped, masked = run(20261123, 500)
    assert stopped > 50
    assert masked > 150


@settings(max_examples=250, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(PARTS), max_size=6).map("".join), max_size=9),
    st.sampled_from(sorted(SETS)),
)
def test_any_cutting_of_any_parts(pieces, name):
    assert streamed(name, pieces) == allowed(name, "".join(pieces))


@given(st.lists(st.text(max_size=12), max_size=8))
def test_any_text_at_all(pieces):
    assert streamed("both", pieces) == allowed("both", "".join(pieces))


@pytest.mark.parametrize("person", PERSONS)
def test_every_cut_of_every_person(person):
    text = f"so，{person}。and"
    wanted = allowed("personal", text)
    for place in range(len(text) + 1):
        assert streamed("personal", [text[:place], text[place:]]) == wanted
    assert streamed("personal", list(text)) == wanted


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_100_000_random_streams_leak_nothing_and_miss_nothing():
    runs = [run(seed, 50_000) for seed in (0, 1)]
    stopped, masked = map(sum, zip(*runs, strict=True))
    publish(
        "window against a naive reading",
        f"100,000 streams cut at random, {stopped:,} stopped, {masked:,} masked: 0 leaked, 0 missed",
    )


PROSE = (Path(__file__).parent / "prose.txt").read_text("utf-8")


def mean_hold(detectors, text, seed=1):
    """Characters held, on average over the characters of the text, after each piece of 1 to 6."""
    rng, window = random.Random(seed), Window(detectors, lambda _: "note")
    start = total = 0
    while start < len(text):
        piece = text[start : start + rng.randint(1, 6)]
        window.feed(piece)
        total += len(piece) * window.held
        start += len(piece)
    return total / len(text)


@pytest.fixture(scope="module")
def large():
    """100,000 words of two to eight of the 5,000 first Han characters."""
    rng = random.Random(4)
    han = [chr(0x4E00 + number) for number in range(5000)]
    words = {"".join(rng.choices(han, k=rng.randint(2, 8))) for _ in range(100_000)}
    return Lexicon.build((Entry(word, "A.1.f") for word in sorted(words)), date(2026, 11, 23))


def test_no_more_than_three_characters_are_held_on_average(large):
    chinese, english, mixed = PROSE.split("\n\n")
    assert len(PROSE) >= 3000
    means = {
        name: mean_hold([large, PERSONAL], text)
        for name, text in [
            ("Chinese", chinese),
            ("English", english),
            ("mixed", mixed),
            ("all", PROSE),
        ]
    }
    print(", ".join(f"{name} {mean:.2f}" for name, mean in means.items()))  # noqa: T201 (a figure)
    assert means["all"] <= 3
    assert means["Chinese"] <= 1.5


def test_a_lexicon_in_natural_use_holds_little_in_english_too():
    """Every word of the English sample is a term, so that every word begins one."""
    english = PROSE.split("\n\n")[1]
    words = {word for word in re.findall("[a-z]+", english.lower()) if len(word) > 1}
    lexicon = Lexicon.build((Entry(word, "A.1.f") for word in sorted(words)), date(2026, 11, 23))
    assert mean_hold([lexicon], english) <= 3
