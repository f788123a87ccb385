"""Films and sounds for the tests of carriers, made by ffmpeg, and what other programs see in them."""

import json
import random
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

from hegui.labels import Label, Report, verify, write, write_bytes
from hegui.labels.carriers import find
from hegui.labels.source import opened
from hegui.labels.splice import digest
from hegui.language import Problem

LABEL = Label.new("001191440300708461136T1XGW3", "number-1")
OTHER = Label.new("001191110102MACQD9K64010000", "n2", reserved2="x" * 700)
VALUE = LABEL.json().encode()
LOOK = ("-f", "lavfi", "-i", "testsrc=s=48x32:r=10:d=3")
LISTEN = ("-f", "lavfi", "-i", "sine=d=3:r=16000")

needs_ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="no ffmpeg")


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def ffmpeg(suffix: str, *arguments: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"made{suffix}"
        run("ffmpeg", "-nostdin", "-v", "error", *arguments, str(path))
        return path.read_bytes()


@cache
def film(suffix: str, *options: str) -> bytes:
    return ffmpeg(suffix, *LOOK, *LISTEN, "-metadata", "title=Kept", "-g", "5", *options)


@cache
def sound(suffix: str, *options: str) -> bytes:
    return ffmpeg(suffix, *LISTEN, "-metadata", "title=Kept", *options)


def _asked(data: bytes, suffix: str, *command: str) -> str:
    with tempfile.NamedTemporaryFile(suffix=suffix) as file:
        file.write(data)
        file.flush()
        return run(*command, file.name)


def tags(data: bytes, suffix: str) -> dict[str, str]:
    """The tags that ffprobe sees, of the file and of its streams."""
    command = ("ffprobe", "-v", "error", "-show_format", "-show_streams", "-of", "json")
    seen = json.loads(_asked(data, suffix, *command))
    streams = [stream.get("tags", {}) for stream in seen["streams"]]
    merged: dict[str, str] = {}
    for each in [*streams, seen["format"].get("tags", {})]:
        merged |= {name.lower(): value for name, value in each.items()}
    return merged


def packets(data: bytes, suffix: str, start: str = "") -> list[dict[str, str]]:
    """The packets that ffprobe reads, or with `start` the first after it has sought there."""
    interval = ("-read_intervals", f"{start}%+#4") if start else ()
    what = ("-show_entries", "packet=stream_index,pts_time,size,flags,data_hash")
    command = ("ffprobe", "-v", "error", *interval, *what, "-show_data_hash", "md5", "-of", "json")
    return json.loads(_asked(data, suffix, *command))["packets"]


def exiftool(data: bytes, suffix: str) -> str:
    if not shutil.which("exiftool"):
        pytest.skip("no exiftool")
    return _asked(data, suffix, "exiftool", "-a", "-G1")


def media(data: bytes, name: str = "") -> str:
    with opened(data, name) as source:
        carrier = find(source)
        assert carrier is not None
        return digest(source, carrier.media(source.fresh()))


def labelled(
    data: bytes, label: Label = LABEL, name: str = "", *, report: str = "compliant"
) -> bytes:
    """Label the data, and check that nothing but the label has changed for a reader."""
    new = write_bytes(data, label, on_existing="replace", name=name)
    after = verify(new, name)
    assert (after.verdict, after.label, len(after.sites)) == (report, label, 1), after
    assert media(new, name) == media(data, name)
    return new


def round_trip(data: bytes, folder: Path, name: str) -> bytes:
    """What every carrier must do: write, reject, replace, merge; bytes and files alike."""
    assert verify(data).verdict == "not_found"
    new = labelled(data)
    with pytest.raises(Problem) as refused:
        write_bytes(new, OTHER)
    assert refused.value.code == "labels.existing"
    replaced = labelled(new, OTHER)
    assert LABEL.produce_id.encode() not in replaced
    merged = verify(write_bytes(new, OTHER, on_existing="merge")).label
    assert merged == LABEL.propagated(OTHER.propagator, OTHER.propagate_id, OTHER.reserved2)
    assert labelled(replaced, LABEL).count(VALUE) == 1
    path = folder / name
    path.write_bytes(data)
    write(path, LABEL, paranoid=True)
    assert path.read_bytes() == new
    assert [each.name for each in folder.iterdir()] == [name]
    return new


def survives(data: bytes, name: str = "", *, head: int = 700, flips: int = 300) -> None:
    """Whatever is cut off or altered: a report, or a problem, and never anything else."""
    step = max(1, len(data) // 150)
    for end in {*range(0, min(head, len(data)), 3), *range(0, len(data), step)}:
        _try(data[:end], name)
    chance = random.Random(7)
    for _ in range(flips):
        damaged = bytearray(data)
        for _ in range(chance.choice((1, 1, 3, 9))):
            area = chance.choice((head, len(data)))
            damaged[chance.randrange(min(area, len(data)))] = chance.choice(
                (0, 255, chance.randrange(256))
            )
        _try(bytes(damaged), name)


def _try(data: bytes, name: str) -> None:
    assert isinstance(verify(data, name), Report)
    try:
        new = write_bytes(data, OTHER, on_existing="replace", name=name)
    except Problem:
        return
    assert verify(new, name).label == OTHER
