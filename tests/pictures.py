"""Pictures for the tests of labels, and what the carrier of each of them must keep to."""

import json
import random
import shutil
import struct
import subprocess
from io import BytesIO
from pathlib import Path

import pytest

from hegui.labels import Label, Report, verify, write, write_bytes
from hegui.labels.carriers import find
from hegui.labels.source import Source, opened
from hegui.labels.splice import digest
from hegui.language import Problem

LABEL = Label.new("001191110102MACQD9K64010000", "picture-1", reserved1="a<b>&c'd")
OTHER = Label.new("00119144030008867405X210001", "picture-2")
BARE = LABEL.json()
WRAPPED = f'{{"AIGC":{BARE}}}'
FOREIGN = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="a tool">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="uuid:1" xmlns:dc="http://purl.org/dc/elements/1.1/">'
    "<dc:source>山水</dc:source></rdf:Description></rdf:RDF></x:xmpmeta>"
    '<?xpacket end="w"?>'
).encode()


def picture(form: str, size: tuple[int, int] = (48, 32), mode: str = "RGB", **options) -> bytes:
    """A picture of noise in a format of Pillow's."""
    image = pytest.importorskip("PIL.Image")
    out = BytesIO()
    noise = image.frombytes("L", size, random.Random(1).randbytes(size[0] * size[1]))
    noise.convert(mode).save(out, form, **options)
    return out.getvalue()


def pixels(data: bytes) -> list[bytes]:
    """What Pillow makes of every frame."""
    image = pytest.importorskip("PIL.Image")
    sequence = pytest.importorskip("PIL.ImageSequence")
    with image.open(BytesIO(data)) as opened_image:
        return [frame.convert("RGBA").tobytes() for frame in sequence.Iterator(opened_image)]


def media(data: bytes) -> str:
    """The hash of the coded media, as the file's carrier finds it."""
    with opened(data) as source:
        carrier = find(source)
        assert carrier is not None
        ranges = carrier.media(source.fresh())
        assert sum(part.end - part.start for part in ranges) > 20
        return digest(source, ranges)


def bytes_read(data: bytes) -> int:
    """How much of a file is read to verify it and to plan its label."""
    count = 0

    def read(size: int, start: int) -> bytes:
        nonlocal count
        count += size
        return data[start : start + size]

    source = Source(len(data), read)
    carrier = find(source)
    assert carrier is not None
    count = 0  # what tells formats apart is the same for all
    assert not carrier.read(source.fresh()).sites
    carrier.plan(source.fresh(), BARE)
    return count


def labelled(data: bytes, label: Label = LABEL, on_existing: str = "reject") -> bytes:
    """The file with a label, after the checks that hold for each: compliant, one site, same media."""
    out = BytesIO()
    written = write(data, label, out, on_existing=on_existing, paranoid=True)
    report = verify(out.getvalue())
    assert report.verdict == "compliant", report
    assert report.label == written.label
    assert [site.slot for site in report.sites] == ["guide"]
    assert media(out.getvalue()) == media(data)
    assert len(out.getvalue()) == written.size
    return out.getvalue()


def check_round(data: bytes) -> bytes:
    """Write, and write again in each of the three ways; returns the labelled file."""
    first = labelled(data)
    assert pixels(first) == pixels(data)
    with pytest.raises(Problem) as caught:
        write_bytes(first, OTHER)
    assert caught.value.code == "labels.existing"
    replaced = labelled(first, OTHER, "replace")
    assert verify(replaced).label == OTHER
    assert BARE.encode() not in replaced
    assert b"picture-1" not in replaced
    merged = verify(labelled(first, OTHER, "merge")).label
    assert merged == LABEL.propagated(OTHER.propagator, OTHER.propagate_id)
    # Writing the same again changes nothing: no wrapping grows around it.
    assert labelled(first, LABEL, "replace") == first
    return first


def check_met(data: bytes, place: str, *, alone: bool = True) -> bytes:
    """A label elsewhere is read and said to be in the wrong place, and makes way for the right one."""
    report = verify(data)
    assert report.verdict == "noncompliant"
    assert report.label == LABEL
    assert [site.place for site in report.sites] == [place]
    if alone:
        assert report.codes() == {"wrong_slot"}
    moved = labelled(data, OTHER, "replace")
    assert b"picture-1" not in moved
    return moved


def check_hostile(data: bytes, seed: int = 7, flips: int = 400) -> None:
    """Cut at every place and with bytes changed, a file gives a report, and no other exception."""
    labels = set()
    for end in range(0, len(data), max(1, len(data) // 600)):
        report = verify(data[:end])
        assert isinstance(report, Report)
        labels.add(report.verdict)
        _write(data[:end])
    assert "inconclusive" in labels
    chance = random.Random(seed)
    for _ in range(flips):
        changed = bytearray(data)
        for _ in range(chance.choice((1, 1, 2, 8))):
            at = chance.randrange(min(len(changed), chance.choice((64, 512, len(changed)))))
            changed[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        assert isinstance(verify(bytes(changed)), Report)
        _write(bytes(changed))


def _write(data: bytes) -> None:
    out = BytesIO()
    code = ""
    try:
        write(data, OTHER, out, on_existing="replace", paranoid=True)
    except Problem as problem:
        code = problem.code
        problem.say("zh")
    # What was read, planned and written must agree, whatever the file was.
    assert code not in {"labels.media", "labels.read-back"}


def exiftool(data: bytes, suffix: str, folder: Path) -> dict[str, object]:
    """What ExifTool finds, by group and name; a warning of its is a failure."""
    if not shutil.which("exiftool"):
        pytest.skip("no exiftool here")
    path = folder / f"picture{suffix}"
    path.write_bytes(data)
    command = ["exiftool", "-j", "-G1", "-a", "-s", "-warning", "-error", "-all", path]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    tags = json.loads(done.stdout)[0]
    said = [str(tags[name]) for name in tags if name.endswith((":Warning", ":Error"))]
    assert not [text for text in said if not text.startswith("[minor]")]
    return tags


def seen(tags: dict[str, object]) -> object:
    """The label as ExifTool prints it: JSON text is a value of its own for it."""
    value = tags["XMP-TC260:Aigc"]
    return json.loads(value) if isinstance(value, str) else value


def exif(order: str = "<", **values: bytes) -> bytes:
    """An EXIF block: `make`, `description` in its first directory, `comment` in that of EXIF."""
    rows = [(0x010E, 2, values.get("description")), (0x010F, 2, values.get("make"))]
    inner = [(0x9286, 7, values.get("comment"))]
    first = [row for row in rows if row[2] is not None]
    below = [row for row in inner if row[2] is not None]
    count = len(first) + bool(below)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    second = 8 + 2 + 12 * count + 4
    at = second + (2 + 12 * len(below) + 4 if below else 0)
    data = b""

    def entry(tag: int, kind: int, value: bytes) -> bytes:
        nonlocal data
        row = struct.pack(f"{order}HHI", tag, kind, len(value))
        if len(value) <= 4:
            return row + value.ljust(4, b"\0")
        row += struct.pack(f"{order}I", at + len(data))
        data += value + bytes(len(value) % 2)
        return row

    body = b"".join(entry(*row) for row in first)
    if below:
        body += struct.pack(f"{order}HHII", 0x8769, 4, 1, second)
    out = head + struct.pack(f"{order}H", count) + body + bytes(4)
    if below:
        body = b"".join(entry(*row) for row in below)
        out += struct.pack(f"{order}H", len(below)) + body + bytes(4)
    return out + data
