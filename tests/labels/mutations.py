"""Hostile files: every input is a file of the corpus, changed; its number alone makes it again."""

import random
import signal
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from time import thread_time

from hegui.labels import Report, verify, write
from hegui.language import Problem
from labels.documents import LABEL, VERDICTS

CORPUS = sorted((Path(__file__).parent / "corpus").iterdir())
FILES = {path.name: path.read_bytes() for path in CORPUS}
FAMILIES = sorted({name.partition("-")[0] for name in FILES})
WRITE_EVERY = 50
SECOND = 1.0
_POLICIES = ("replace", "merge", "reject")
_NUMBERS = (
    0,
    1,
    2,
    7,
    8,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    2**63,
)
_WORDS = [
    b"AIGC", b"IHDR", b"iTXt", b"zTXt", b"eXIf", b"IEND", b"\xff\xe1", b"\xff\xd8", b"RIFF", b"LIST",
    b"INFO", b"XMP ", b"moov", b"moof", b"udta", b"meta", b"ilst", b"uuid", b"iloc", b"ID3", b"TXXX",
    b"APETAGEX", b"OggS", b"fLaC", b"\x1aE\xdf\xa3", b"onMetaData", b"<x:xmpmeta", b"<rdf:RDF", b"]]>",
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;", b"<!--", b"-->", b"---\n", b"stream\n", b"endobj",
    b"trailer", b"startxref\n0", b"/Prev 0", b"<<", b">>", b"PK\1\2", b"PK\5\6", b'"', b"{", b"\\u0000",
    b"\xff\xff\xff\xff\xff\xff\xff\xff", bytes(8),
]  # fmt: skip


class Hang(BaseException):
    """Verification took longer than it may; no handler of the library must swallow it."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Break off what takes longer, by the processor's clock: a busy machine is no fault."""

    def stop(*_: object) -> None:
        raise Hang

    old = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, old)


def hostile(family: str, number: int) -> tuple[bytes, str]:
    """The input of this number, and the name it comes under."""
    chance = random.Random(f"{family} {number}")
    name = chance.choice([each for each in FILES if each.startswith(f"{family}-")])
    data = FILES[name]
    # In an archive a flipped bit is a wrong checksum and no more: half of them are packed anew.
    if data.startswith(b"PK") and chance.random() < 0.5:
        data = _repacked(data, chance)
    else:
        data = _changed(data, chance)
    return data, name if chance.random() < 0.9 else ""


def _changed(data: bytes, chance: random.Random) -> bytes:
    new = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        _CHANGES[chance.randrange(len(_CHANGES))](new, chance)
    return bytes(new)


def _place(data: bytearray, chance: random.Random) -> int:
    """Somewhere; more often near a beginning or an end, where structure is."""
    size = len(data)
    kind = chance.random()
    if kind < 0.3:
        return chance.randint(0, min(size, 64))
    if kind < 0.45:
        return max(0, size - chance.randint(0, 64))
    return chance.randint(0, size)


def _bits(data: bytearray, chance: random.Random) -> None:
    at = _place(data, chance)
    data[at : at + 1] = bytes([chance.randrange(256)])


def _number(data: bytearray, chance: random.Random) -> None:
    width = chance.choice((1, 2, 4, 8))
    value = (chance.choice(_NUMBERS) + chance.randint(-2, 2)) % (1 << 8 * width)
    at = _place(data, chance)
    data[at : at + width] = value.to_bytes(width, chance.choice(("big", "little")))


def _word(data: bytearray, chance: random.Random) -> None:
    word = chance.choice(_WORDS)
    at = _place(data, chance)
    data[at : at + chance.choice((0, len(word)))] = word


def _cut(data: bytearray, chance: random.Random) -> None:
    at = _place(data, chance)
    del data[at : at + chance.choice((1, 4, 16, chance.randint(1, 400)))]


def _end(data: bytearray, chance: random.Random) -> None:
    del data[_place(data, chance) :]


def _twice(data: bytearray, chance: random.Random) -> None:
    at = _place(data, chance)
    data[at:at] = data[at : at + chance.randint(1, 400)] * chance.choice((1, 1, 2, 30))


def _graft(data: bytearray, chance: random.Random) -> None:
    other = chance.choice(list(FILES.values()))
    start = chance.randint(0, len(other))
    at = _place(data, chance)
    data[at:at] = other[start : start + chance.randint(1, 1000)]


_CHANGES = (_bits, _bits, _number, _number, _word, _cut, _end, _twice, _graft)


def _repacked(data: bytes, chance: random.Random) -> bytes:
    """The archive with a part of it changed, under a right checksum."""
    out = BytesIO()
    with zipfile.ZipFile(BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        names = old.namelist()
        hit = chance.choice(names)
        for name in names:
            body = old.read(name)
            new.writestr(name, _changed(body, chance) if name == hit else body)
    return out.getvalue()


def try_one(family: str, number: int) -> tuple[str, float]:
    """What became of an input (what is wrong with it, or a word for the count), and the seconds."""
    data, name = hostile(family, number)
    started = thread_time()
    try:
        with within(SECOND):
            report = verify(data, name)
        spent = thread_time() - started
        if not isinstance(report, Report) or report.verdict not in VERDICTS:
            return f"! no verdict: {report}", spent
        if number % WRITE_EVERY:
            return "read", spent
        with within(5 * SECOND):
            return _write(data, name, _POLICIES[number // WRITE_EVERY % 3]), spent
    except (Exception, Hang) as error:  # noqa: BLE001 (this is what is looked for)
        return f"! {type(error).__name__}: {error}"[:200], thread_time() - started


def _write(data: bytes, name: str, on_existing: str) -> str:
    """Write a label of our own into the file: it reads back from what came out, or there is none."""
    out = BytesIO()
    try:
        done = write(data, LABEL, out, on_existing=on_existing, paranoid=True, name=name)
    except Problem as problem:
        if problem.code == "labels.media":
            return f"! {problem}"
        # The last net: counted apart, as what the writer itself did not see.
        return "caught" if problem.code == "labels.read-back" else "refused"
    seen = verify(out.getvalue(), name)
    right = seen.label == done.label and len(seen.sites) == 1
    return "written" if right else f"! written, but {seen.verdict}"


def run(family: str, numbers: range) -> tuple[Counter[str], dict[int, str], float]:
    """The count of what happened, the findings by their numbers, and the longest verification."""
    counts: Counter[str] = Counter()
    findings: dict[int, str] = {}
    longest = 0.0
    for number in numbers:
        outcome, seconds = try_one(family, number)
        counts[outcome.partition(" ")[0]] += 1
        if outcome.startswith("!"):
            findings[number] = outcome
        longest = max(longest, seconds)
    return counts, findings, longest
