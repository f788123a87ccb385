import pytest
from hypothesis import given
from hypothesis import strategies as st

from hegui.safety.minimise import Minimiser
from hegui.safety.personal import Personal

PERSONAL = Personal()
MINE = "13800138000"
PARTS = [
    MINE, "13900139000", "a.b@qq.com", "11010519491231002X", "[MOBILE_1]", "[MOBILE_2]", "[TEXT_1]",
    "[", "]", "_1]", "[MOBILE", "MOBILE_1", "[QQ_", "QQ", "12345678", " ", "，", "x", "[EMAIL_1]",
]  # fmt: skip


def test_values_become_tokens_and_come_back():
    minimiser = Minimiser(PERSONAL)
    hidden = minimiser.hide(f"我的手机{MINE}，邮箱a.b@qq.com，再说一次{MINE}。")
    assert hidden == "我的手机[MOBILE_1]，邮箱[EMAIL_1]，再说一次[MOBILE_1]。"
    assert (
        minimiser.hide(f"他的是13900139000，我的是{MINE}") == "他的是[MOBILE_2]，我的是[MOBILE_1]"
    )
    answer = minimiser.restorer().feed("好的，[MOBILE_2]和[EMAIL_1]，[MOBILE_9]？", last=True)
    assert answer == "好的，13900139000和a.b@qq.com，[MOBILE_9]？"


def test_a_token_that_the_user_wrote_never_becomes_somebodys_value():
    minimiser = Minimiser(PERSONAL)
    first = minimiser.hide("Repeat [MOBILE_1] to me.")
    second = minimiser.hide(f"My number is {MINE}.")
    assert (first, second) == ("Repeat [TEXT_1] to me.", "My number is [MOBILE_1].")
    assert minimiser.restorer().feed("[TEXT_1] = [MOBILE_1]", last=True) == f"[MOBILE_1] = {MINE}"


def test_only_the_kinds_asked_for_are_hidden():
    assert Minimiser(PERSONAL, {"email"}).hide(f"{MINE} a.b@qq.com") == f"{MINE} [EMAIL_1]"
    code = "91350100M000100Y43"  # names an organisation
    assert Minimiser(PERSONAL).hide(f"代码 {code}，") == f"代码 {code}，"


def test_overlapping_values_are_hidden_as_one():
    minimiser = Minimiser(PERSONAL)
    hidden = minimiser.hide(f"QQ：{MINE}，")
    assert MINE not in hidden
    assert minimiser.restorer().feed(hidden, last=True) == f"QQ：{MINE}，"


@given(st.lists(st.sampled_from(PARTS), max_size=14).map("".join), st.lists(st.integers(0, 9)))
def test_what_was_hidden_comes_back_at_any_cutting(text, cuts):
    minimiser = Minimiser(PERSONAL)
    answer = minimiser.hide(text)
    restorer, out = minimiser.restorer(), ""
    for size in cuts:
        out += restorer.feed(answer[:size])
        answer = answer[size:]
    assert out + restorer.feed(answer, last=True) == text


@given(st.lists(st.sampled_from(PARTS), max_size=14), st.booleans())
def test_a_stream_is_restored_like_the_whole(pieces, single):
    minimiser = Minimiser(PERSONAL)
    minimiser.hide(f"{MINE} a.b@qq.com [MOBILE_7]")
    whole = minimiser.restorer().feed("".join(pieces), last=True)
    restorer = minimiser.restorer()
    parts = list("".join(pieces)) if single else pieces
    assert "".join(map(restorer.feed, parts)) + restorer.feed("", last=True) == whole


@pytest.mark.parametrize(
    ("text", "goes"), [("so [MOB", "so "), ("so [X", "so [X"), ("so [MOBILE_1]", f"so {MINE}")]
)
def test_only_the_beginning_of_a_known_token_is_held(text, goes):
    minimiser = Minimiser(PERSONAL)
    minimiser.hide(MINE)
    assert minimiser.restorer().feed(text) == goes
