"""What stands in a text, found as plainly as can be: no automaton, no pattern, no cleverness.

It shares with the product the fold of single characters and the words in personal.yaml, nothing
else. Every function looks at one place of the text and says where what begins there ends.
"""

from datetime import datetime
from pathlib import Path

import yaml

from hegui.safety import personal
from hegui.safety.normalise import fold

DATA = yaml.safe_load(Path(personal.__file__).with_suffix(".yaml").read_text("utf-8"))
DIGITS = set("0123456789")
UPPER = set("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
LETTERS = UPPER | {letter.lower() for letter in UPPER}
PLAIN = DIGITS | LETTERS
LOCAL, HOST = PLAIN | set("._%+-"), PLAIN | set(".-")
NO_IO = LETTERS - set("IOio")
USCC = PLAIN - set("IOSVZiosvz")
BLANKS = set(" -\u00b7\u200b\u200c\u200d\u2060\ufeff")
PROVINCES = {*range(11, 16), 21, 22, 23, *range(31, 38), *range(41, 47), *range(50, 55)}
PROVINCES |= {*range(61, 66), 71, 81, 82, 83, 91}


# -- the lexicon -----------------------------------------------------------------------------------


def spellings(entries):
    """Map letters to their entry and the places where the term itself is broken."""
    found = {}
    for entry in entries:
        for form in (entry.term, *entry.variants):
            spelt = [(letter, place) for place, raw in enumerate(form) for letter in fold(raw)]
            broken = {n for n in range(1, len(spelt)) if spelt[n][1] - spelt[n - 1][1] > 1}
            owner, known = found.get("".join(letter for letter, _ in spelt), (entry, set()))
            found["".join(letter for letter, _ in spelt)] = owner, known | broken
    return found


def spaced(letter):
    return ord(letter) < 0xE00


def run_on(left, right):
    """Do two letters with their places stand in one word or number of a script with blanks?"""
    if right[1] - left[1] > 1 or not (spaced(left[0]) and spaced(right[0])):
        return False
    return left[0].isdigit() == right[0].isdigit()


def one_word(text, letters, broken):
    """Are these letters, standing where they do, the word, for all the gaps between them?"""
    blanks, touching = [False], [False]
    for number in range(1, len(letters)):
        (left, before), (right, after) = letters[number - 1 : number + 1]
        between = text[before + 1 : after]
        if len(between) > 8:
            return False
        if number in broken:
            blanks.append(False)
            touching.append(False)
        elif spaced(left) and spaced(right):
            blanks[-1] |= any(sign.isspace() or sign in "'\u2019\uff07" for sign in between)
            touching[-1] |= not between
    if any(b and t for b, t in zip(blanks, touching, strict=True)):
        return False
    return not (blanks[-1] and len(letters) == 2)


def lexicon_hits(entries, text):
    letters = [(letter, place) for place, raw in enumerate(text) for letter in fold(raw)]
    for spelt, (entry, broken) in spellings(entries).items():
        for first in range(len(letters) - len(spelt) + 1):
            after = first + len(spelt)
            if any(letters[first + n][0] != spelt[n] for n in range(len(spelt))):
                continue
            if first and run_on(letters[first - 1], letters[first]):
                continue
            if after < len(letters) and run_on(letters[after - 1], letters[after]):
                continue
            if one_word(text, letters[first:after], broken):
                yield letters[first][1], letters[after - 1][1] + 1, entry.term


# -- personal information --------------------------------------------------------------------------


def narrow(text):
    wide = {chr(ord(c) + 0xFEE0): c for c in PLAIN | set("@.-+_")}
    return "".join(wide.get(c, c) for c in text)


def follow(text, start, wanted):
    """Return the characters and the end when each set of `wanted` is met in turn, else None."""
    place, got = start, ""
    for number, allowed in enumerate(wanted):
        skipped = 0
        while number and skipped < 2 and place < len(text) and text[place] in BLANKS:
            place, skipped = place + 1, skipped + 1
        if place >= len(text) or text[place] not in allowed:
            return None
        got, place = got + text[place].upper(), place + 1
    return got, place


def at(text, place):
    return text[place] if 0 <= place < len(text) else ""


def id_card(text, start):
    found = follow(text, start, [DIGITS] * 17 + [DIGITS | set("xX")])
    if not found or at(text, start - 1) in DIGITS or at(text, found[1]) in DIGITS:
        return
    number = found[0]
    values = [int(n) for n in number[:17]] + [10 if number[17] == "X" else int(number[17])]
    try:
        born = datetime.strptime(number[6:14], "%Y%m%d")  # noqa: DTZ007 (a day has no zone)
    except ValueError:
        return
    proves = sum(v * 2 ** (17 - n) for n, v in enumerate(values)) % 11 == 1
    if proves and int(number[:2]) in PROVINCES and 1900 <= born.year < 2100:
        yield found[1]


def mobile(text, start):
    for prefix in ("+86", "0086", "86", ""):
        found = follow(
            text, start, [{c} for c in prefix + "1"] + [DIGITS - set("012")] + [DIGITS] * 9
        )
        if found and at(text, start - 1) not in DIGITS and at(text, found[1]) not in DIGITS:
            yield found[1]


def luhn(number):
    total = 0
    for place, digit in enumerate(reversed(number)):
        double = int(digit) * (1 + place % 2)
        total += double // 10 + double % 10
    return total % 10 == 0


def alone(text, start, end):
    return at(text, start - 1) not in PLAIN and at(text, end) not in PLAIN


def bank_card(text, start):
    begins = ("62", "4", "51", "52", "53", "54", "55", "34", "35", "37", "22")
    for length in (19, 18, 17, 16):
        found = follow(text, start, [DIGITS] * length)
        if not found or not alone(text, start, found[1]) or len(set(found[0])) == 1:
            continue
        if found[0].startswith(begins) and luhn(found[0]):
            yield found[1]
            return


def passport(text, start):
    for first in ([set("EeGg")], [set("Ee"), NO_IO], [set("DdSsPp"), set("Ee")]):
        found = follow(text, start, first + [DIGITS] * (9 - len(first)))
        if found and alone(text, start, found[1]):
            yield found[1]
            return


def plate(text, start):
    either = NO_IO | DIGITS
    for rest in ([either] * 6, [either] * 4 + [either | set(DATA["ends"])]):
        found = follow(text, start, [set(DATA["plates"]), NO_IO, *rest])
        if not found or at(text, found[1]) in PLAIN:
            continue
        tail = found[0][2:]
        digits = [c in DIGITS for c in tail]
        electric = len(tail) == 6 and (
            (all(digits[:5]) and not digits[5]) or (not digits[0] and all(digits[2:]))
        )
        if sum(digits) >= 3 and (len(tail) == 5 or electric):
            yield found[1]
            return


def uscc(text, start):
    code, order = text[start : start + 18].upper(), "0123456789ABCDEFGHJKLMNPQRTUWXY"
    if (
        len(code) < 18
        or not set(text[start : start + 18]) <= USCC
        or not alone(text, start, start + 18)
    ):
        return
    total = sum(order.index(c) * 3**n for n, c in enumerate(code[:17]))
    if set(code[2:8]) <= DIGITS and (total + order.index(code[17])) % 31 == 0:
        yield start + 18


def email(text, start):
    place = start
    while at(text, place) and at(text, place) in LOCAL:
        place += 1
    before = at(text, start - 1)
    if at(text, place) != "@" or not 1 <= place - start <= 64:
        return
    if before and before in LOCAL and place - start < 64:
        return
    for labels in (4, 3, 2, 1):
        if end := domain(text, place + 1, labels):
            yield end
            return


def domain(text, place, labels):
    for _ in range(labels):
        dot = text.find(".", place)
        label = text[place:dot] if dot >= 0 else ""
        if (
            not 1 <= len(label) <= 63
            or not set(label) <= PLAIN | {"-"}
            or "-" in (label[0], label[-1])
        ):
            return 0
        place = dot + 1
    end = place
    while at(text, end) and at(text, end) in LETTERS:
        end += 1
    return end if 2 <= end - place <= 24 and at(text, end) != "-" else 0


def announced(text, kind):
    """Where, behind each cue of the kind, the announced text begins."""
    for start in range(len(text)):
        for word, sure in sorted(
            [(w, True) for w in DATA["cues"][kind]["sure"]]
            + [(w, False) for w in DATA["cues"][kind]["unsure"]],
            key=lambda cue: (not cue[1], -len(cue[0])),
        ):
            place = start + len(word)
            if (
                text[start:place].lower() != word.lower()
                or text[start:place].isascii() != word.isascii()
            ):
                continue
            if word[0] in PLAIN and at(text, start - 1) and at(text, start - 1) in PLAIN:
                continue
            joined = 0
            while (
                joined < 3
                and at(text, place + joined)
                and at(text, place + joined) in DATA["joiners"]
            ):
                joined += 1
            if not sure and not text[place : place + joined].strip(" "):
                continue
            yield place + joined
            break


def wechat(text, start):
    end = start
    while at(text, end) and at(text, end) in PLAIN | set("_-"):
        end += 1
    if 6 <= end - start <= 20 and text[start] in LETTERS:
        yield end


def qq(text, start):
    for length in range(11, 4, -1):
        found = follow(text, start, [DIGITS - {"0"}] + [DIGITS] * (length - 1))
        if found and at(text, found[1]) not in PLAIN:
            yield found[1]
            return


def address(text, start):
    body = text[start : start + 60]
    ends = [n for n, c in enumerate(body) if c in DATA["address"]["stops"]]
    body = body[: ends[0]] if ends else body
    named, numbered = DATA["address"]["parts"], DATA["address"]["numbered"]
    place = count = end = 0
    while place < len(body):
        fitting = [w for w in named + numbered if body.startswith(w, place)]
        word = max(fitting, key=len, default="")
        place += len(word) or 1
        if word:
            for _ in range(8):
                place += at(body, place) != "" and at(body, place) in PLAIN | {"-"}
            count, end = count + 1, place
    has_number = any(
        body[n] in DATA["address"]["numerals"] and any(body.startswith(w, n + 1) for w in numbered)
        for n in range(len(body))
    )
    if count >= 2 and has_number:
        yield start + end


ANYWHERE = [id_card, mobile, bank_card, passport, plate, uscc, email]
BEHIND_A_CUE = [wechat, qq, address]


def personal_hits(text):
    text = narrow(text)
    found = set()
    for kind in ANYWHERE:
        for start in range(len(text)):
            found |= {(start, end, kind.__name__) for end in kind(text, start) if at(text, start)}
    for kind in BEHIND_A_CUE:
        for start in announced(text, kind.__name__):
            found |= {(start, end, kind.__name__) for end in kind(text, start)}
    first = {}
    for start, end, kind in sorted(found):
        if kind == "mobile" and first.setdefault(end, start) != start:
            found.discard((start, end, kind))
    return found
