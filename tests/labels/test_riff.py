import struct

import pytest

import recordings
from hegui.labels import verify, write_bytes
from hegui.labels.carriers import id3
from hegui.labels.carriers.riff import pack
from hegui.labels.source import ReadError, Source
from hegui.language import Problem
from recordings import LABEL, OTHER, VALUE, labelled, needs_ffmpeg, packets, round_trip, sound, tags

FORMAT = pack(b"fmt ", struct.pack("<HHIIHH", 1, 1, 8000, 8000, 1, 8))
SOUND = bytes(range(201))  # an odd number: a byte of padding follows
DATA = pack(b"data", SOUND)


def wav(*chunks: bytes, size: int | None = None) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


def info(*items: tuple[bytes, bytes]) -> bytes:
    return pack(b"LIST", b"INFO" + b"".join(pack(kind, data) for kind, data in items))


def large(*chunks: bytes, form: bytes = b"RF64", sound: int = len(SOUND)) -> bytes:
    size = 4 + 36 + sum(map(len, chunks))
    sizes = pack(b"ds64", struct.pack("<QQQI", size, sound, 0, 0))
    return form + b"\xff\xff\xff\xff" + b"WAVE" + sizes + b"".join(chunks)


def top(data: bytes) -> list[tuple[bytes, bytes]]:
    """A walker of our own over the chunks, whose sizes must add up."""
    assert data[:4] != b"RIFF" or struct.unpack_from("<I", data, 4)[0] == len(data) - 8
    at, found = 12, []
    while at < len(data):
        kind, size = struct.unpack_from("<4sI", data, at)
        size = len(SOUND) if size == 0xFFFFFFFF else size
        found.append((kind, data[at + 8 : at + 8 + size]))
        at += 8 + size + size % 2
    assert at == len(data)
    return found


@needs_ffmpeg
def test_a_sound_is_labelled_before_its_samples(tmp_path):
    old = sound(".wav")
    new = round_trip(old, tmp_path, "sound.wav")
    kinds = [kind for kind, _ in top(new)]
    assert kinds.index(b"AIGC") == kinds.index(b"data") - 1
    assert (b"AIGC", VALUE) in top(new)
    assert tags(new, ".wav")["title"] == "Kept"
    assert packets(new, ".wav") == packets(old, ".wav")
    assert "RIFF" in recordings.exiftool(new, ".wav")


@needs_ffmpeg
def test_ffmpeg_reads_rf64_as_before():
    old = sound(".wav", "-rf64", "always")
    new = labelled(old)
    assert new[:4] == b"RF64"
    assert struct.unpack_from("<Q", new, 20)[0] == len(new) - 8
    assert packets(new, ".wav") == packets(old, ".wav")


@pytest.mark.parametrize("form", [b"RF64", b"BW64"])
def test_sizes_of_64_bits_are_kept_right(form):
    old = large(FORMAT, b"data\xff\xff\xff\xff" + SOUND + b"\0", pack(b"last", b"ab"), form=form)
    new = labelled(old)
    assert top(new)[-3:-1] == [(b"AIGC", VALUE), (b"data", SOUND)]
    assert struct.unpack_from("<Q", new, 20)[0] == len(new) - 8
    assert verify(form + old[4:30]).verdict == "inconclusive"
    assert verify(form + b"\xff\xff\xff\xffWAVE" + FORMAT + DATA).verdict == "inconclusive"


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_a_stream_that_was_saved_has_no_sizes(size):
    old = wav(FORMAT, b"data" + struct.pack("<I", size) + SOUND, size=size)
    new = labelled(old)
    assert new[4:8] == old[4:8]
    assert new.endswith(b"data" + struct.pack("<I", size) + SOUND)


def test_chunks_of_every_order_are_kept():
    for chunks in (
        (FORMAT, DATA),
        (FORMAT, DATA, info((b"INAM", b"Kept\0"))),
        (info((b"INAM", b"x")), FORMAT, pack(b"odd ", b"1"), DATA),
    ):
        old = wav(*chunks)
        new = labelled(old)
        assert [part for part in top(new) if part[0] != b"AIGC"] == top(old)
    labelled(wav(FORMAT, DATA[:-1]))  # some writers leave the last byte of padding away


ID3 = id3.new(VALUE.decode())
WILD = {
    "INFO": info((b"INAM", b"Kept\0"), (b"AIGC", VALUE + b"\0")),
    "INFO comment": info((b"ICMT", VALUE)),
    "ID3": pack(b"id3 ", ID3),
    "small letters": pack(b"aigc", VALUE),
}


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("kind", WILD)
def test_labels_elsewhere_are_read_and_make_way(kind, behind):
    chunks = (FORMAT, DATA, WILD[kind]) if behind else (FORMAT, WILD[kind], DATA)
    report = verify(wav(*chunks))
    assert (report.codes(), report.label) == ({"wrong_slot"}, LABEL)
    new = labelled(wav(*chunks), OTHER)
    assert VALUE not in new
    assert top(new)
    assert (b"Kept" in new) == (kind == "INFO")
    assert "duplicate" in verify(wav(FORMAT, pack(b"AIGC", VALUE), *chunks[1:])).codes()


def test_duplicates_disagreement_and_wiped():
    other = pack(b"AIGC", OTHER.json().encode())
    assert verify(wav(FORMAT, DATA, other, other)).codes() == {"duplicate"}
    assert verify(wav(FORMAT, other, DATA, pack(b"AIGC", VALUE))).codes() == {"disagreement"}
    assert verify(wav(FORMAT, pack(b"AIGC", b"\0\0"), DATA)).codes() == {"wiped"}
    assert VALUE not in labelled(wav(FORMAT, other, DATA, pack(b"AIGC", VALUE)), OTHER)


def refused(data: bytes) -> str:
    with pytest.raises(Problem) as problem:
        write_bytes(data, OTHER, on_existing="replace")
    return problem.value.code


def test_what_cannot_be_labelled_is_refused():
    packet = (
        b'<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:T="http://www.tc260.org.cn/ns/AIGC/1.0/">'
        b"<r:Description><T:AIGC>" + VALUE + b"</T:AIGC></r:Description></r:RDF>"
    )
    assert verify(wav(FORMAT, DATA, pack(b"_PMX", packet))).codes() == {"wrong_slot"}
    assert refused(wav(FORMAT, DATA, pack(b"_PMX", packet))) == "labels.elsewhere"
    assert refused(wav(FORMAT)) == "labels.unreadable"
    assert refused(wav(FORMAT, b"data" + struct.pack("<I", 999) + SOUND)) == "labels.unreadable"


def test_an_id3_tag_that_claims_the_sound_behind_its_chunk_is_refused():
    lying = ID3[:8] + bytes([ID3[8] + 1]) + ID3[9:]
    old = wav(FORMAT, pack(b"id3 ", lying), DATA)
    assert verify(old).verdict == "inconclusive"
    assert refused(old) == "labels.unreadable"


def test_a_file_that_would_outgrow_its_sizes_is_refused():
    head = wav(FORMAT, b"data" + struct.pack("<I", 0xFFFFFFF0 - 36), size=0xFFFFFFF0)

    def read(count: int, start: int) -> bytes:
        return (head[start:] + bytes(count))[:count]

    from hegui.labels.carriers.riff import Wav

    with pytest.raises(ReadError) as error:
        Wav().plan(Source(0xFFFFFFF8, read), LABEL.json())
    assert error.value.code == "over_limit"


@needs_ffmpeg
def test_damage_does_no_harm():
    recordings.survives(labelled(sound(".wav")))
    recordings.survives(wav(FORMAT, WILD["INFO"], WILD["ID3"], DATA, WILD["INFO comment"]))
    recordings.survives(large(FORMAT, b"data\xff\xff\xff\xff" + SOUND + b"\0"))
