"""What the tests of document carriers share: a label, and what hostile files are made of."""

import random
from hashlib import sha256

from hegui.labels import Label, verify, write_bytes
from hegui.labels.carriers import find
from hegui.labels.source import opened
from hegui.labels.splice import digest

CODE = "00119144030008867405X210001"  # met in public files; their holder is named there
LABEL = Label.new(CODE, "number-1")
OTHER = Label.new("001191440300708461136T1XGW3", "number-2")
SECURITY = Label.new(CODE, "number-3", reserved1='{"a":"(b)"}')  # quotation marks and brackets
# Nothing else may come out of a broken file; "compliant" where the label itself was not hit.
VERDICTS = {"compliant", "noncompliant", "not_found", "inconclusive"}


def media(data: bytes, name: str = "") -> str:
    """The hash of a file's content, by the carrier's own ranges."""
    with opened(data, name) as source:
        carrier = find(source)
        assert carrier is not None
        return digest(source, carrier.media(source.fresh()))


def hammer(data: bytes, name: str, rounds: int = 200) -> None:
    """Cut a file at many places, and change bytes of it: verification and writing stay calm."""
    for at in range(0, len(data), max(1, len(data) // rounds)):
        assert verify(data[:at], name).verdict in VERDICTS
    chance = random.Random(sha256(data).digest())
    for _ in range(rounds):
        broken = bytearray(data)
        for _ in range(chance.randint(1, 8)):
            broken[chance.randrange(len(broken))] = chance.choice(b"\0\xff<>()/[]{}0 9-:\"'\n")
        report = verify(bytes(broken), name)
        assert report.verdict in VERDICTS
        _try_to_write(bytes(broken), name)


def _try_to_write(data: bytes, name: str) -> None:
    from hegui.language import Problem

    try:
        new = write_bytes(data, OTHER, on_existing="replace", name=name)
    except Problem:
        return
    assert verify(new, name).label == OTHER


def cycle(data: bytes, name: str, verdict: str = "compliant") -> bytes:
    """Write, verify, refuse, replace and merge; the content stays. Returns the file once labelled."""
    import pytest

    from hegui.language import Problem

    assert verify(data, name).verdict == "not_found", verify(data, name)
    new = write_bytes(data, LABEL, name=name)
    report = verify(new, name)
    assert (report.verdict, report.label, len(report.sites)) == (verdict, LABEL, 1)
    assert media(new, name) == media(data, name)
    with pytest.raises(Problem) as caught:
        write_bytes(new, OTHER, name=name)
    assert caught.value.code == "labels.existing"
    replaced = write_bytes(new, SECURITY, name=name, on_existing="replace")
    assert verify(replaced, name).label == SECURITY
    merged = verify(write_bytes(new, OTHER, name=name, on_existing="merge"), name).fields
    assert (merged["ContentProducer"], merged["ContentPropagator"]) == (CODE, OTHER.producer)
    assert media(replaced, name) == media(data, name)
    return new
