import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hegui.safety import normalise
from hegui.safety.normalise import fold, origins, width

EVERY = [chr(code) for code in range(sys.maxunicode + 1)]


@pytest.mark.parametrize(
    ("raw", "folded"),
    [
        ("Zorblefax", "zorblefax"),
        ("z o\tr\nb", "zorb"),
        ("z.o-r_b*", "zorb"),
        ("ｚｏｒｂ１２", "zorb12"),
        ("ⓩⓞⓡⓑ 𝐳𝑜𝓻𝖇", "zorbzorb"),
        ("z\u200bo\u200cr\u200d\ufeffb\u2060", "zorb"),
        ("zo\u0301ŕb\ufe0f", "zorb"),
        ("z😀o👩‍🚀r🏽b", "zorb"),
        ("咔，噜。磨　砂", "咔噜磨砂"),
        ("STRASSE straße", "strassestrasse"),
        ("㎏ ﬁ ½", "kgfi12"),
        ("\u2f00\uf900", "一豈"),
        ("がｶﾞ", "かカ"),
        ("한", "한"),
        ("a\ud800b", "ab"),
        ("", ""),
        ("，。！", ""),
    ],
)
def test_fold(raw, folded):
    assert fold(raw) == folded
    assert fold("一，" * 20 + raw) == "一" * 20 + folded  # the way of longer texts


def test_every_character_folds_to_itself_once_folded():
    for character in EVERY:
        folded = fold(character)
        assert fold(folded) == folded
        assert folded.isalnum() or not folded


def test_the_quick_way_agrees_with_the_table_on_every_character():
    plain = [character for character in EVERY if normalise._PLAIN.fullmatch(character)]
    assert len(plain) > 20_000
    for character in plain:
        assert fold("一" * 30 + character)[30:] == normalise._fold_character(character)


def test_every_ascii_character_folds_as_the_table_says():
    for character in map(chr, range(128)):
        assert fold(character) == normalise._fold_character(character)


def test_unassigned_characters_cannot_make_the_table_grow():
    before = len(normalise._TABLE)
    fold("".join(map(chr, range(0xF0000, 0xF1000))) + "é")
    assert len(normalise._TABLE) <= before + 1


@given(st.text(), st.text())
def test_folding_is_blind_to_what_stands_beside(left, right):
    assert fold(left + right) == fold(left) + fold(right)


@given(st.text())
def test_origins_and_width_count_the_same_letters(text):
    at = origins(text)
    assert len(at) == len(fold(text)) == sum(map(width, text))
    assert at == sorted(at)
    for index, letter in zip(at, fold(text), strict=True):
        assert letter in fold(text[index])


@given(st.text())
def test_canonically_equal_texts_fold_alike_outside_hangul(text):
    kept = "".join(c for c in text if not unicodedata.name(c, "").startswith("HANGUL"))
    assert fold(unicodedata.normalize("NFD", kept)) == fold(unicodedata.normalize("NFC", kept))
