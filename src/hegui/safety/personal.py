"""Chinese personal information 个人信息 in a text: numbers with their check digits, names after a cue.

What is found: ID card (GB 11643-1999: region, date of birth, check character), mobile number, bank
card (ISO/IEC 7812 check digit), passport, number plate (GA 36), e-mail, WeChat and QQ names after a
cue, address after a cue, and the unified social credit code (GB 32100-2015), which names an
organisation and is only noted. Full-width forms count like plain ones. Between the characters of a
number up to two separators may stand (blank, hyphen, middle dot, zero-width).

Each pattern of a number is a list of characters, from which both the pattern of the whole and the
pattern of its beginnings are made, so that what a stream holds back is what a scan may find.
"""

import re
from collections.abc import Iterator
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal, get_args

import yaml

from hegui.safety.lexicon import Entry, Hit

Kind = Literal[
    "id_card", "mobile", "bank_card", "passport", "plate", "email", "wechat", "qq", "address", "uscc"
]  # fmt: skip
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

# 侵害他人个人信息权益, and for the code of an organisation 侵犯他人其他合法权益.
ENTRIES: Final[dict[Kind, Entry]] = {
    kind: Entry(kind, "A.4.f", "mask", "GB/T 35273-2020, appendix A") for kind in KINDS
} | {"uscc": Entry("uscc", "A.4.g", "note", "GB 32100-2015")}

_SEPARATORS: Final = " \\-\u00b7\u200b-\u200d\u2060\ufeff"
_GAP: Final = f"[{_SEPARATORS}]{{0,2}}"
_LOOSE_ENDS: Final = " -\u00b7\u200b\u200c\u200d\u2060\ufeff"
_ALONE: Final = "(?<![0-9A-Za-z])"
_OVER: Final = "(?![0-9A-Za-z])"
# People write "tel13800138000"; an ID card proves itself by its check character. Other numbers are
# too much like codes to be looked for beside letters.
_BESIDE_LETTERS: Final = frozenset({"id_card", "mobile"})
# The longest number, a bank card of 19 digits with two separators after each, and its left border.
_NUMBER_REACH: Final = 19 * 3 + 1
_AFTER_LETTER: Final = re.compile("(?<=[A-Za-z])[0-9]")
# A plate has eight characters.
_PLATE_REACH: Final = 8 * 3
_WIDE: Final = re.compile("[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff20\uff0e\uff0d\uff0b\uff3f]")
_NARROW: Final = {
    code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F) if _WIDE.match(chr(code))
}  # one character for one, so that places stay

_LOCAL: Final = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._%+-"
_LOCAL_MOST: Final = 64  # RFC 5321, 4.5.3.1.1
_HOST: Final = _LOCAL[:62] + ".-"
_DOMAIN: Final = re.compile(
    "(?:[0-9A-Za-z](?:[0-9A-Za-z-]{0,61}[0-9A-Za-z])?\\.){1,4}[A-Za-z]{2,24}(?![A-Za-z-])",
)
_DOMAIN_MOST: Final = 4 * 64 + 24
_ADDRESS_MOST: Final = 60

_USCC_LENGTH: Final = 18
_USCC: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_ID_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
# First two digits of an ID card that stand for no province (GB/T 2260).
_NO_PROVINCE: Final = (
    "1_[6-90]|2_[04-9]|3_[089]|4_[07-9]|5_[5-9]|6_[06-9]|7_[02-9]|8_[04-9]|9_[02-9]"
)
# First digits of no card used in China: not UnionPay, Visa, Mastercard, JCB, American Express.
_NO_CARD: Final = "[01789]|2_[013-9]|3_[0-3689]|5_[06-9]|6_[013-9]"


@cache
def _data() -> dict[str, Any]:
    text = files("hegui.safety").joinpath("personal.yaml").read_text("utf-8")
    data: dict[str, Any] = yaml.safe_load(text)
    return data


def _not(pairs: str) -> str:
    """Return a look-ahead that refuses these beginnings; `_` is where separators may stand."""
    return f"(?!{pairs.replace('_', _GAP)})"


class _Number:
    """One way to write a kind of number: what it refuses at the front, then its characters."""

    def __init__(
        self, kind: Kind, atoms: list[str], *, front: str = "", alone: bool = True, gap: str = _GAP
    ) -> None:
        self.kind: Final = kind
        beside = kind in _BESIDE_LETTERS
        border = "(?<![0-9])" if beside else _ALONE if alone else ""
        over = "(?![0-9])" if beside else _OVER
        self.whole: Final = re.compile(
            border + front + gap.join(atoms) + over, re.ASCII | re.IGNORECASE
        )
        begun = ""
        for atom in reversed(atoms):
            begun = f"{atom}(?:{gap}{begun})?" if begun else atom
        self.begun: Final = f"{border}{front}{begun}{gap}\\Z"
        self.first: Final = re.compile(atoms[0], re.ASCII | re.IGNORECASE)


def _numbers() -> list[_Number]:
    """Every way to write a number; of one kind, the longest first."""
    digit, letter, uscc = "[0-9]", "[A-HJ-NP-Z]", "[0-9A-HJ-NPQRTUWXY]"
    plates, ends = f"[{_data()['plates']}]", f"[A-HJ-NP-Z0-9{_data()['ends']}]"
    either = "[A-HJ-NP-Z0-9]"
    person = _not(_NO_PROVINCE)
    born = ["[12]", "[09]", digit, digit, "[01]", digit, "[0-3]", digit]
    ways = [
        _Number("id_card", ["[1-9]", *[digit] * 5, *born, *[digit] * 3, "[0-9X]"], front=person)
    ]
    ways += [
        _Number("mobile", [*prefix, "1", "[3-9]", *[digit] * 9])
        for prefix in (["\\+", "8", "6"], "0086", "86", "")
    ]
    card = _not(_NO_CARD)
    ways += [_Number("bank_card", [digit] * n, front=card) for n in (19, 18, 17, 16)]
    ways += [
        _Number("passport", ["[EG]", *[digit] * 8]),
        _Number("passport", ["E", letter, *[digit] * 7]),
        _Number("passport", ["[DSP]", "E", *[digit] * 7]),
        _Number("plate", [plates, letter, *[either] * 6], alone=False),
        _Number("plate", [plates, letter, *[either] * 4, ends], alone=False),
        _Number("uscc", [uscc, uscc, *[digit] * 6, *[uscc] * 10], gap=""),
    ]
    return ways


def _is_id_card(number: str) -> bool:
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    total = sum(int(n) * weight for n, weight in zip(number, _ID_WEIGHTS, strict=False))
    return 1900 <= born.year < 2100 and number[17] == "10X98765432"[total % 11]


def _is_bank_card(number: str) -> bool:
    doubled = (sum(divmod(2 * int(n), 10)) for n in number[-2::-2])
    return (sum(map(int, number[-1::-2])) + sum(doubled)) % 10 == 0 and len(set(number)) > 1


def _is_plate(number: str) -> bool:
    # At most two letters stand among the five (six for new energy) after the city's letter.
    tail = number[2:]
    energy = len(tail) == 5 or bool(
        re.fullmatch("[A-HJ-NP-Z][A-HJ-NP-Z0-9]\\d{4}|\\d{5}[A-Z]", tail)
    )
    return energy and sum(map(str.isdigit, tail)) >= 3


def _is_uscc(number: str) -> bool:
    total = sum(_USCC.index(n) * pow(3, place, 31) for place, n in enumerate(number[:17]))
    return _USCC[-total % 31] == number[17]


_CHECKS: Final = {
    "id_card": _is_id_card, "bank_card": _is_bank_card, "plate": _is_plate, "uscc": _is_uscc,
}  # fmt: skip


def _spelt(words: list[str]) -> str:
    """Return a pattern for any of the words, in any case; Latin ones only as whole words."""
    ways = []
    for word in sorted(words, key=len, reverse=True):
        letters = (f"[{c.upper()}{c.lower()}]" if c.isascii() and c.isalpha() else c for c in word)
        ways.append((_ALONE if word[0].isascii() else "") + "".join(letters))
    return "|".join(ways)


def _guard(words: list[str], characters: str = "") -> re.Pattern[str]:
    """Return a quick pattern that is found wherever any of the words or characters stands.

    Each way begins with a plain character: only then does `re` skip ahead by a table.
    """
    cores = [w for w in words if not any(v in w and v != w for v in words)]
    ways = {
        first + "".join(f"[{c.upper()}{c.lower()}]" if c.isascii() else c for c in word[1:])
        for word in cores
        for first in (word[0].upper(), word[0].lower())
    }
    return re.compile("|".join([*characters, *sorted(ways)]))


class _Cue:
    """What announces a kind, and where behind it the announced text begins."""

    def __init__(self, kind: Literal["wechat", "qq", "address"]) -> None:
        joiners = _data()["joiners"]
        cues = _data()["cues"][kind]
        ways = [f"(?:{_spelt(cues['sure'])})[{joiners}]{{0,3}}"]
        if cues["unsure"]:
            sign = f"[{joiners.strip()}]"
            ways.append(f"(?:{_spelt(cues['unsure'])})(?= {{0,2}}{sign})[{joiners}]{{1,3}}")
        self.kind: Final = kind
        self.words: Final[list[str]] = cues["sure"] + cues["unsure"]
        self.longest: Final = max(map(len, self.words)) + 3
        self._pattern = re.compile(f"(?=({'|'.join(ways)}))")

    def places(self, plain: str) -> set[int]:
        return {match.end(1) for match in self._pattern.finditer(plain)}


class _Patterns:
    """Everything compiled, once a process."""

    def __init__(self) -> None:
        numbers = _numbers()
        plates = _data()["plates"]
        flags = re.ASCII | re.IGNORECASE
        ways = "|".join(n.begun for n in numbers if n.kind not in {"plate", "uscc"})
        self.begun = re.compile(ways, flags)
        self.plate_begun = re.compile(
            "|".join(n.begun for n in numbers if n.kind == "plate"), flags
        )
        self.runs = re.compile(f"[0-9A-Za-z+{plates}][0-9A-Za-z]*")
        self.marks = frozenset("+" + plates)
        self.enough = re.compile(f"[0-9](?:{_GAP}[0-9]){{10}}")
        self.by_first = {
            first: [number for number in numbers if number.first.match(first)]
            for first in [*map(chr, range(128)), *plates]
        }
        self.busy = frozenset(_LOCAL + "@" + _LOOSE_ENDS + plates)
        self.cues = [_Cue("wechat"), _Cue("qq"), _Cue("address")]
        words = [word for cue in self.cues for word in cue.words]
        digits = "0123456789@"
        self.cued = _guard(words)
        self.anything = _guard(words, digits + "".join(chr(ord(c) + 0xFEE0) for c in digits))
        self.wechat = re.compile("[A-Za-z][0-9A-Za-z_-]{5,19}(?![0-9A-Za-z_-])")
        self.wechat_begun = re.compile("[A-Za-z][0-9A-Za-z_-]{0,19}\\Z")
        self.qq = re.compile(f"[1-9](?:{_GAP}[0-9]){{4,10}}{_OVER}")
        self.qq_begun = re.compile(f"[1-9](?:{_GAP}[0-9]){{0,10}}{_GAP}\\Z")
        address = _data()["address"]
        numbered = "|".join(address["numbered"])
        parts = "|".join(sorted(address["parts"] + address["numbered"], key=len, reverse=True))
        self.stop = re.compile(f"[{address['stops']}]")
        self.numbered = re.compile(f"[{address['numerals']}](?:{numbered})")
        self.part = re.compile(f"(?:{parts})[0-9A-Za-z-]{{0,8}}")


@cache
def _patterns() -> _Patterns:
    return _Patterns()


def _plain(text: str) -> str:
    return text.translate(_NARROW) if _WIDE.search(text) else text


def _bare(number: str) -> str:
    """Return the number without its separators, its letters in capitals."""
    return re.sub(f"[{_SEPARATORS}]", "", number).upper()


def _local(plain: str, at: int) -> int:
    """Return where the part of an e-mail before the @ at `at` begins."""
    front = plain[max(at - _LOCAL_MOST, 0) : at]
    return at - len(front) + len(front.rstrip(_LOCAL))


class Personal:
    """Finds personal information; a detector for the window. It never changes."""

    def __init__(self) -> None:
        self._patterns = _patterns()
        # A cue with what joins it and its border; the prefix of a mobile number is shorter.
        self.context: Final = max(16, *(cue.longest + 1 for cue in self._patterns.cues))

    def scan(self, text: str) -> list[Hit]:
        """Return every hit in `text`: by start, the longest first."""
        if not self._patterns.anything.search(text):
            return []
        plain = _plain(text)
        found = {*self._numbers(plain), *self._emails(plain), *self._announced(plain)}
        if not found:
            return []
        order = sorted(found, key=lambda each: (each[0], -each[1], KINDS.index(each[2])))
        return [Hit(start, end, ENTRIES[kind]) for start, end, kind in order]

    def _numbers(self, plain: str) -> Iterator[tuple[int, int, Kind]]:
        ended: set[int] = set()  # a mobile number is not found again behind its own prefix
        for run in self._patterns.runs.finditer(plain):
            for start in self._starts(plain, run):
                yield from self._number(plain, start, ended)

    def _starts(self, plain: str, run: re.Match[str]) -> Iterator[int]:
        """Yield where in a run of letters and digits a number may begin, most often nowhere."""
        start, letters = run.start(), run[0]
        if letters[0] in self._patterns.marks:
            yield start
            start, letters = start + 1, letters[1:]
        # What begins with a digit has eleven of them, or is a credit code, in one piece; what begins
        # with a letter has two at most before its first digit.
        if letters[:1].isdigit():
            if len(letters) == _USCC_LENGTH or self._patterns.enough.match(plain, start):
                yield start
        elif letters and not (len(letters) > 2 and letters[:3].isalpha()):
            yield start
        if not letters.isdigit():
            for inner in _AFTER_LETTER.finditer(letters):
                yield start + inner.start()

    def _number(self, plain: str, start: int, ended: set[int]) -> Iterator[tuple[int, int, Kind]]:
        known: set[Kind] = set()
        for number in self._patterns.by_first[plain[start]]:
            if number.kind in known or not (match := number.whole.match(plain, start)):
                continue
            if number.kind == "mobile":
                if match.end() in ended:
                    continue
                ended.add(match.end())
            elif number.kind in _CHECKS and not _CHECKS[number.kind](_bare(match[0])):
                continue
            known.add(number.kind)
            yield start, match.end(), number.kind

    def _emails(self, plain: str) -> Iterator[tuple[int, int, Kind]]:
        at = plain.find("@")
        while at >= 0:
            domain = _DOMAIN.match(plain, at + 1)
            if domain and (start := _local(plain, at)) < at:
                yield start, domain.end(), "email"
            at = plain.find("@", at + 1)

    def _announced(self, plain: str) -> Iterator[tuple[int, int, Kind]]:
        if not self._patterns.cued.search(plain):
            return
        for cue in self._patterns.cues:
            for start in cue.places(plain):
                if end := self._body(cue, plain, start):
                    yield start, end, cue.kind

    def _body(self, cue: _Cue, plain: str, start: int) -> int:
        """Return where the text announced at `start` ends, or 0 where there is none."""
        if cue.kind == "address":
            return self._address(plain, start)
        pattern = self._patterns.wechat if cue.kind == "wechat" else self._patterns.qq
        match = pattern.match(plain, start)
        return match.end() if match else 0

    def _address(self, plain: str, start: int) -> int:
        body = plain[start : start + _ADDRESS_MOST]
        if stop := self._patterns.stop.search(body):
            body = body[: stop.start()]
        parts = list(self._patterns.part.finditer(body))
        if len(parts) < 2 or not self._patterns.numbered.search(body):
            return 0
        return start + parts[-1].end()

    def live(self, text: str) -> int:
        """Return where the first thing begins that the end of `text` may still become."""
        plain = _plain(text)
        end = self._live_cue(plain)
        if plain and plain[-1] in self._patterns.busy:
            end = min(end, self._live_email(plain), self._live_number(plain))
        return end

    def _live_email(self, plain: str) -> int:
        end = len(plain)
        host = plain[-_DOMAIN_MOST - 1 :].rstrip(_HOST)
        if host.endswith("@"):
            at = end - min(end, _DOMAIN_MOST + 1) + len(host) - 1
            return _local(plain, at)
        return _local(plain, end)

    def _live_number(self, plain: str) -> int:
        """As `live`, for numbers; those without separators stand in what may be an e-mail's front.

        Only digits and separators follow the front of a number, which has four characters at most
        (a prefix, two letters, a separated X at the end), so no more of a text is looked at.
        """
        end = len(plain)
        least = max(end - _NUMBER_REACH, 0)
        tail = plain[least:]
        ended = tail[:-1] if tail[-1] in "Xx" else tail
        front = least + len(ended.rstrip("0123456789" + _LOOSE_ENDS))
        begun = self._patterns.begun.search(plain, max(front - 4, least))
        near = max(end - _PLATE_REACH, 0)
        # A plate begins with a Han character.
        plate = None if plain[near:].isascii() else self._patterns.plate_begun.search(plain, near)
        return min(begun.start() if begun else end, plate.start() if plate else end)

    def _live_cue(self, plain: str) -> int:
        end = len(plain)
        if self._patterns.cued.search(plain):
            for cue in self._patterns.cues:
                for start in cue.places(plain):
                    if start < end and self._open(cue, plain, start):
                        end = start
        return end

    def _open(self, cue: _Cue, plain: str, start: int) -> bool:
        """Say whether what comes next may change what the cue announced."""
        if cue.kind == "address":
            body = plain[start : start + _ADDRESS_MOST]
            return len(body) < _ADDRESS_MOST and not self._patterns.stop.search(body)
        begun = self._patterns.wechat_begun if cue.kind == "wechat" else self._patterns.qq_begun
        return bool(begun.match(plain, start))
