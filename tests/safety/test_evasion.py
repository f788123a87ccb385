"""How terms are hidden, and whether they are found: the table of docs/window.md is this one."""

from datetime import date
from pathlib import Path

from hegui.safety.lexicon import GAP, Entry, Lexicon
from hegui.safety.variants import VARIETIES, widen

PAGE = Path(__file__).parents[2] / "docs" / "window.md"
HAN = [
    "发财乌龙会",
    "铁马银钩",
    "贝壳飞车",
    "万灵药",
    "开门红单",
    "云顶车队",
    "东风龙门",
    "买卖鱼钩",
]
TRADITIONAL = [
    "發財烏龍會",
    "鐵馬銀鉤",
    "貝殼飛車",
    "萬靈藥",
    "開門紅單",
    "雲頂車隊",
    "東風龍門",
    "買賣魚鉤",
]
PINYIN = [
    "facaiwulonghui", "tie ma yin gou", "Beikefeiche", "wan ling yao", "kaimenhongdan",
    "YUNDINGCHEDUI", "dong-feng-long-men", "mai.mai.yu.gou",
]  # fmt: skip
LATIN = [
    "zorblefax",
    "krellmivo",
    "paxotry",
    "skohemp",
    "toxivare",
    "plonk varet",
    "mapokey",
    "chesty",
]
CYRILLIC = str.maketrans("aeopcyxsijhkmt", "аеорсухѕіјһкмт")
GREEK = str.maketrans("aikvoptux", "αικνορτυχ")
LEET = str.maketrans("aeios", "43105")


def apart(sign, terms):
    return [sign.join(term.replace(" ", "")) for term in terms]


def twice(terms, times):
    return ["".join(letter * times for letter in term) for term in terms]


def wide(terms):
    return ["".join(chr(ord(c) + 0xFEE0) if c != " " else "\u3000" for c in term) for term in terms]


def bold(terms):
    return [
        "".join(chr(0x1D400 + ord(c) - 97 + 26) if c != " " else c for c in term) for term in terms
    ]


EVERY = HAN + LATIN
# What is done to the terms, and whether the builder's variants are needed for it.
WAYS = [
    ("as written", EVERY, False),
    ("upper case", [term.upper() for term in LATIN], False),
    ("full-width letters", wide(LATIN), False),
    ("mathematical letters", bold(LATIN), False),
    ("combining marks", apart("\u0301", LATIN), False),
    ("Cyrillic look-alikes", [term.translate(CYRILLIC) for term in LATIN], False),
    ("Greek look-alikes", [term.translate(GREEK) for term in LATIN], False),
    ("zero-width between", apart("\u200b", EVERY), False),
    ("one sign between", apart(".", EVERY) + apart("*", EVERY) + apart("，", EVERY), False),
    ("one blank between", apart(" ", EVERY), False),
    ("line breaks between", apart("\n", EVERY), False),
    ("emoji between", apart("😀", EVERY) + apart("👩‍🚀", EVERY), False),
    (f"{GAP} signs between", apart("." * GAP, EVERY), False),
    (f"{GAP + 1} signs between", apart("." * (GAP + 1), EVERY), False),
    ("traditional characters, plain build", TRADITIONAL, False),
    ("traditional characters, with variants", TRADITIONAL, True),
    ("pinyin, plain build", PINYIN, False),
    ("pinyin, with variants", PINYIN, True),
    ("Han characters twice", twice(HAN, 2), False),
    ("Latin letters three times", twice(LATIN, 3), False),
    ("digits for letters", [term.translate(LEET) for term in LATIN], False),
    ("another character between", apart("的", HAN), False),
    ("backwards", [term[::-1] for term in EVERY], False),
]


def counts():
    entries = [Entry(term, "A.1.f") for term in EVERY]
    plain = Lexicon.build(entries, date(2026, 11, 23))
    varied = Lexicon.build(widen(entries, VARIETIES), date(2026, 11, 23))
    for name, spelt, with_variants in WAYS:
        lexicon = varied if with_variants else plain
        hits = sum(
            any((hit.start, hit.end) == (3, 3 + len(text)) for hit in lexicon.scan(f"so {text} 。"))
            for text in spelt
        )
        yield name, hits, len(spelt)


def test_the_table_in_the_docs_is_what_is_found():
    rows = [f"| {name} | {hits} of {total} |" for name, hits, total in counts()]
    page = PAGE.read_text("utf-8")
    assert [row for row in rows if row not in page] == []


def test_what_folding_and_gaps_are_for_is_found_wholly():
    missed = {name for name, hits, total in counts() if hits < total}
    assert missed == {
        f"{GAP + 1} signs between", "traditional characters, plain build", "pinyin, plain build",
        "Han characters twice", "Latin letters three times", "digits for letters",
        "another character between", "backwards",
    }  # fmt: skip


if __name__ == "__main__":
    for row in counts():
        print("| {} | {} of {} |".format(*row))  # noqa: T201 (for the page)
