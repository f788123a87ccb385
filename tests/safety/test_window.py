import random
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hegui.language import Problem
from hegui.safety.lexicon import GAP, Entry, Hit, Lexicon
from hegui.safety.personal import Personal
from hegui.safety.window import MOST_HELD, OVERFLOW, Release, Window

STOPS = [
    Entry(term, "A.1.f", action)
    for term, action in [
        ("zorb", "withhold"), ("zorblefax", "refuse"), ("orble", "withhold"), ("ab", "withhold"),
        ("plonk varet", "withhold"), ("咔噜磨砂", "withhold"), ("噜磨", "withhold"),
        ("砂kg", "withhold"), ("19", "refuse"),
    ]
]  # fmt: skip
SOFT = [
    Entry("咔哒", "A.2.a", "mask"),
    Entry("哒嘀", "A.2.a", "mask"),
    Entry("fax", "A.3.a", "note"),
]
STOPPING = Lexicon.build(STOPS, date(2026, 11, 23))
MIXED = Lexicon.build([*STOPS[1:4], *SOFT], date(2026, 11, 23))
PARTS = [
    *"zorblefaxab 19", *"咔噜磨砂哒嘀", "zorb", "lefax", "plonk", "varet", "咔噜", "磨砂", "fax",
    " ", ".", "'", "\n", "\u200b", "\u0301", "，", "😀", "👩‍🚀", "㎏", "ﷺ", "Z", "Ａ", "é", "\ud800",
    "." * GAP, " " * (GAP + 1),
]  # fmt: skip


def stream(lexicon, pieces):
    """Feed the pieces and close; return the text let go, the verdict and what was noted."""
    window = Window([lexicon])
    steps = [window.feed(piece) for piece in pieces]
    steps.append(window.feed("", last=True))
    hits = [step.hit for step in steps if step.hit]
    assert len(set(hits)) <= 1
    return (
        "".join(step.text for step in steps),
        hits[0] if hits else None,
        [hit for step in steps for hit in step.noted],
    )


def oracle(lexicon, text):
    """The same from one scan of the whole text, written as plainly as can be."""
    hits = lexicon.scan(text)
    stop = next((hit for hit in hits if hit.entry.action in {"refuse", "withhold"}), None)
    end = stop.start if stop else len(text)
    noted = [hit for hit in hits if hit.entry.action in {"mask", "note"} and hit.start < end]
    masked = {
        place for hit in noted if hit.entry.action == "mask" for place in range(hit.start, hit.end)
    }
    shown = "".join("*" if place in masked else text[place] for place in range(end))
    return shown, stop, noted


def passage(rng, entries):
    """Return loose parts with terms among them, whole or spelt out with signs between."""
    words = []
    for _ in range(rng.randrange(1, 12)):
        words += rng.choices(PARTS, k=rng.randrange(4))
        if rng.random() < 0.2:
            between = rng.choice(["", "", ".", " ", "\u200b", "😀*", "." * GAP, "." * (GAP + 1)])
            words += [" ", between.join(rng.choice(entries).term), " "]
    return "".join(words)


def cut(text, rng):
    pieces, start = [], 0
    while start < len(text):
        end = start + rng.choice([0, 1, 1, 2, 3, 5, 8, 13, 40])
        pieces.append(text[start:end])
        start = end
    return pieces


@pytest.mark.parametrize(
    ("book", "entries"), [(STOPPING, STOPS), (MIXED, STOPS[1:4] + SOFT)], ids=["stopping", "mixed"]
)
def test_seeded_streams_release_exactly_what_the_whole_scan_allows(book, entries):
    rng = random.Random(20261123)
    stopped = 0
    for _ in range(4000):
        text = passage(rng, entries)
        wanted = oracle(book, text)
        stopped += wanted[1] is not None
        pieces = cut(text, rng)
        assert stream(book, pieces) == wanted, pieces
    assert 1000 < stopped < 3000  # both verdicts are well represented


def test_a_stopped_stream_releases_the_raw_text_before_the_earliest_hit():
    rng = random.Random(7)
    for _ in range(500):
        text = passage(rng, STOPS)
        hits = STOPPING.scan(text)
        end = min((hit.start for hit in hits), default=len(text))
        assert stream(STOPPING, cut(text, rng))[0] == text[:end]


@settings(max_examples=400)
@given(st.lists(st.lists(st.sampled_from(PARTS), max_size=8).map("".join), max_size=12))
def test_any_cutting_gives_the_verdict_of_the_whole(pieces):
    for book in (STOPPING, MIXED):
        assert stream(book, pieces) == oracle(book, "".join(pieces))


@given(st.lists(st.text(max_size=12), max_size=8))
def test_any_text_at_all_gives_the_verdict_of_the_whole(pieces):
    assert stream(MIXED, pieces) == oracle(MIXED, "".join(pieces))


def test_every_cut_of_every_hit_holds_back():
    for spelt in ("zorb", "z o r b", "z👩‍🚀orb", "咔，噜磨砂", "1️9"):
        text = f"so: {spelt} and"
        for cut_at in range(len(text) + 1):
            window = Window([STOPPING])
            let_go = window.feed(text[:cut_at]).text + window.feed(text[cut_at:]).text
            last = window.feed("", last=True)
            assert let_go + last.text == "so: "
            assert last.hit is not None


def test_what_is_held_is_bounded_and_a_long_pause_frees_it():
    long = Lexicon.build([Entry("zo" * 32, "A.1.f")], date(2026, 11, 23))
    window = Window([long])
    most = 0
    for letter in "zo" * 31:
        window.feed(letter + "\u200b" * GAP)
        most = max(most, window.held)
    assert most == 62 * (GAP + 1) < MOST_HELD
    assert len(window._buffer) == most
    window.feed("\u200b")
    assert window.held == 0
    assert len(window._buffer) == 1


class Hoarder:
    """A detector gone wrong: everything may still become a hit."""

    context = 0

    def scan(self, text):
        return []

    def live(self, text):
        return 0


def test_a_window_that_would_hold_too_much_stops_instead():
    window = Window([STOPPING, Hoarder()])
    assert window.feed("q" * MOST_HELD) == Release("")
    stopped = window.feed("q")
    assert stopped == Release("", Hit(0, MOST_HELD + 1, OVERFLOW))
    assert window.feed("q", last=True) == stopped
    whole = Window([Hoarder()]).feed("q" * 9999, last=True)
    assert whole == Release("q" * 9999)  # nothing is held where nothing more comes


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("we met the ", ""),  # no spelling goes on after a whole word and a blank
        ("we met a", "a"),
        ("magz", ""),  # the middle of a word begins nothing
        ("a plonk", "plonk"),
        ("a plonk ", "plonk "),  # this one is two words by nature
        ("a plonk v", "plonk v"),
        ("a plonk." + " " * GAP, ""),
        ("to zor", "zor"),
        ("to z o r", "z o r"),
        ("to zo r", ""),
        ("to zorb", "zorb"),  # perhaps "zorblefax", perhaps "zorbs"
        ("to zorblefa", "zorblefa"),
        ("他咔，噜", "咔，噜"),
        ("他咔哒", ""),
        ("x 1", "1"),
        ("x 2", ""),
    ],
)
def test_only_what_may_become_a_hit_is_held(text, held):
    window = Window([STOPPING])
    window.feed(text)
    assert window._buffer[window._seen :] == held


def test_a_policy_decides_in_place_of_the_entry():
    window = Window([STOPPING], lambda hit: "mask" if hit.entry.term == "zorb" else "note")
    release = window.feed("a zorb ab", last=True)
    assert (release.text, release.hit) == ("a **** ab", None)
    assert [hit.entry.term for hit in release.noted] == ["zorb", "ab"]


def test_after_a_hit_nothing_goes_out_any_more():
    window = Window([STOPPING])
    first = window.feed("so zorb " + "q " * 30)
    assert (first.text, first.hit.entry.term) == ("so ", "zorb")
    assert window.feed("more") == Release("", first.hit)
    assert window.feed("", last=True) == Release("", first.hit)


def test_text_after_the_end_is_a_problem():
    window = Window([STOPPING])
    window.feed("", last=True)
    with pytest.raises(Problem, match="after the end"):
        window.feed("x")


class Counter:
    """Counts how often it is asked."""

    context = 0

    def __init__(self):
        self.scans = self.lives = 0

    def scan(self, text):
        self.scans += 1
        return []

    def live(self, text):
        self.lives += 1
        return len(text)


def test_a_whole_text_is_scanned_once():
    counter = Counter()
    assert Window([counter]).feed("so it is", last=True) == Release("so it is")
    assert (counter.scans, counter.lives) == (1, 0)


def test_hits_of_several_detectors_come_in_the_order_of_the_text():
    soft = Lexicon.build([Entry("fax 1380", "A.3.a", "note")], date(2026, 11, 23))
    window = Window([soft, Personal(), MIXED])
    release = window.feed("13900139000 咔哒 fax 13800138000 fax 1380", last=True)
    assert release.text == "*********** ** fax *********** fax 1380"
    assert [(hit.start, hit.entry.term) for hit in release.noted] == [
        (0, "mobile"), (12, "咔哒"), (15, "fax"), (19, "mobile"), (31, "fax 1380"), (31, "fax"),
    ]  # fmt: skip
