import random
import time
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hegui.safety.personal import ENTRIES, KINDS, Personal
from hegui.safety.risks import risks

PERSONAL = Personal()


def found(text):
    return [(hit.entry.term, text[hit.start : hit.end]) for hit in PERSONAL.scan(text)]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("身份证号11010519491231002X。", "id_card", "11010519491231002X"),
        ("id: 110524 18800101 0014", None, ""),  # born in 1880
        ("身份证 440524 19800101 0014 ", None, ""),  # wrong check character
        ("110105194912310021", None, ""),
        ("990105194912310020", None, ""),  # no such province
        ("１１０１０５１９４９１２３１００２ｘ", "id_card", "１１０１０５１９４９１２３１００２ｘ"),
        ("1101051949-1231 002 x，", "id_card", "1101051949-1231 002 x"),
        ("手机13800138000", "mobile", "13800138000"),
        ("tel13800138000ok", "mobile", "13800138000"),
        ("+86-138·0013·8000", "mobile", "+86-138·0013·8000"),
        ("1\u200b3\u200b8\u200b0\u200b0138000", "mobile", "1\u200b3\u200b8\u200b0\u200b0138000"),
        ("138   00138000", None, ""),  # three blanks are no separator
        ("12800138000", None, ""),
        ("138001380001", None, ""),
        ("卡号6222021001116245702", "bank_card", "6222021001116245702"),
        ("4111-1111-1111-1111", "bank_card", "4111-1111-1111-1111"),
        ("4111-1111-1111-1112", None, ""),
        ("护照E12345678，", "passport", "E12345678"),
        ("EA1234567", "passport", "EA1234567"),
        ("de1234567", "passport", "de1234567"),
        ("EI1234567", None, ""),
        ("车牌京A12345", "plate", "京A12345"),
        ("粤B·D12345", "plate", "粤B·D12345"),
        ("沪ad12345", "plate", "沪ad12345"),
        ("粤Z1234港", "plate", "粤Z1234港"),
        ("新ABCDEF", None, ""),
        ("写信到a.b+c@qq.com.cn。", "email", "a.b+c@qq.com.cn"),
        ("ａｂ＠ｑｑ．ｃｏｍ", "email", "ａｂ＠ｑｑ．ｃｏｍ"),
        ("@someone 你好", None, ""),
        ("a@b", None, ""),
        ("微信号：abc_12345，", "wechat", "abc_12345"),
        ("加我微信zhang-san", "wechat", "zhang-san"),
        ("WeChat: hello_1234", "wechat", "hello_1234"),
        ("微信 Android 版本", None, ""),
        ("微信支付", None, ""),
        ("我的QQ是1234 56789", "qq", "1234 56789"),
        ("QQ浏览器12345678", None, ""),
        ("地址：北京市海淀区中关村大街27号3单元502室，请查收", "address", "北京市海淀区中关村大街27号3单元502室"),
        ("我家住幸福路五号院3-502", "address", "幸福路五号院3-502"),
        ("住在北京市海淀区的人", None, ""),
        ("网站地址：https://example.org/3", None, ""),
        ("91350100M000100Y43", "uscc", "91350100M000100Y43"),
        ("91350100M000100Y44", None, ""),
    ],
)  # fmt: skip
def test_what_is_found(text, kind, value):
    assert found(text) == ([(kind, value)] if kind else [])


# The tables of docs/window.md: ordinary numbers, and the few that are taken for a person's.
ORDINARY = {
    "dates": ["2024-01-15 13:45:00", "20240115", "1990年3月7日", "2024/12/31", "19491001"],
    "prices": ["￥138,001,380.00", "13800.13元", "$4111.11", "1.38亿"],
    "order numbers": [
        "20240115123456789",
        "订单 100012345678",
        "SF1380013800012",
        "No. 7700123456",
    ],
    "versions": ["v1.38.0", "Python 3.13.1", "192.168.138.200", "10.0.19045.3930"],
    "ISBN": ["978-7-111-12345-6", "9787111123456", "ISBN 7-5135-1380-0"],
    "hotlines": ["400-820-8820", "12345", "95588", "010-62345678", "0571 8888 1234", "110"],
    "years and counts": ["1949", "2024年", "1500人", "3.1415926535", "6,378,137 米", "第13届"],
    "timestamps": ["1700000000", "1700000000123"],
    "code": ["x = arr[138]", "0x13800138", "sha256", "for i in range(10**11):", "user@host:~$ ls"],
    "hashes": ["d41d8cd98f00b204e9800998ecf8427e", "a3f5c1380013800e"],
    "UUIDs": ["550e8400-e29b-41d4-a716-446655440000", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"],
}
TAKEN = {
    "an order number that looks like a mobile number": ["订单13912345678"],
    "a number in a hash with eleven digits in a row": ["ab13912345678cd"],
    "a code of E and eight digits": ["零件E12345678"],
    "an address of git": ["git@github.com:x/y"],
}


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_numbers_are_left_alone(name):
    assert [text for text in ORDINARY[name] if found(text)] == []


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_taken_for_a_person(name):
    assert all(len(found(text)) == 1 for text in TAKEN[name])


def id_number(rng):
    """A number with a true check character, worked out by trying all eleven."""
    born = date(1930, 1, 1) + timedelta(days=rng.randrange(34_000))
    front = f"{rng.choice([11, 31, 44, 51, 65])}{rng.randrange(10**4):04}{born:%Y%m%d}"
    front += f"{rng.randrange(10**3):03}"
    weighted = sum(int(digit) * 2 ** (17 - place) for place, digit in enumerate(front))
    return next(front + c for n, c in enumerate("0123456789X") if (weighted + n) % 11 == 1)


def test_every_true_id_card_is_found_and_no_changed_one():
    rng = random.Random(3)
    for _ in range(300):
        number = id_number(rng)
        assert ("id_card", number) in found(f"他的证件是{number}，")
        place = rng.randrange(17)
        other = str((int(number[place]) + rng.randrange(1, 10)) % 10)
        changed = number[:place] + other + number[place + 1 :]
        assert ("id_card", changed) not in found(changed)


def test_each_kind_names_a_risk_and_only_organisations_are_merely_noted():
    assert set(ENTRIES) == set(KINDS)
    assert {entry.category for entry in ENTRIES.values()} <= set(risks())
    assert {kind for kind, entry in ENTRIES.items() if entry.action != "mask"} == {"uscc"}


HOSTILE = [
    "1", "1-", "+86 ", "13800138000 ", "a", "a@", "a.", "@", "a@b.", "a@" + "b-" * 30 + ".", "京A", "京",
    "地址：", "地址：市", "微信：a", "QQ1 ", "E1 ", "6222 ", "９", "号", "x" * 63 + "@", "地址" + "市" * 50,
]  # fmt: skip


@pytest.mark.parametrize("part", HOSTILE)
def test_hostile_texts_take_time_in_line_with_their_length(part):
    def seconds(length):
        text = part * (length // len(part))
        began = time.process_time()
        PERSONAL.scan(text)
        PERSONAL.live(text)
        return time.process_time() - began

    seconds(1000)
    short = min(seconds(10_000) for _ in range(3))
    assert seconds(100_000) < 40 * short + 0.05  # ten times as long; four times that for the noise


@given(st.text(max_size=30))
def test_what_is_live_stands_inside_the_text(text):
    assert 0 <= PERSONAL.live(text) <= len(text)


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("今天天气很好", ""),
        ("今天1", "1"),
        ("今天20", "20"),  # may become the front of an e-mail
        ("in 2024 ", ""),  # no number begins with 20
        ("在2024年", ""),
        ("电话 138 0013 ", "138 0013 "),
        ("电话 138 0013   ", ""),
        ("see John", "John"),
        ("see John ", ""),
        ("a.b@qq", "a.b@qq"),
        ("a.b@qq.com ", ""),
        ("地址", ""),
        ("地址：北京", "北京"),
        ("地址：北京。", ""),
        ("微信号：ab", "ab"),
        ("的车是京", "京"),
        ("京A1 2", "京A1 2"),
        ("6222 0", "6222 0"),
        ("9222 0", "0"),
    ],
)
def test_only_what_may_become_a_hit_is_held(text, held):
    assert text[PERSONAL.live(text) :] == held
