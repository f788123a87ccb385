"""A file to be read: exactly what was asked for, within a budget, and no file that is none."""

import os
from io import BytesIO

import pytest

from hegui.labels.source import READ_BYTES, READ_ONCE, STEPS, ReadError, Source, opened


def fails(code, call, *arguments):
    with pytest.raises(ReadError) as caught:
        call(*arguments)
    assert caught.value.code == code


def test_the_same_bytes_from_everywhere(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        file.seek(5)  # where it stands says nothing
        for given in (path, str(path), path.read_bytes(), bytearray(b"0123456789"), file):
            with opened(given) as source:
                assert (source.size, source.read(2, 3), source.head(99)) == (
                    10,
                    b"234",
                    b"0123456789",
                )
        with opened(file) as source:
            assert source.name == "a.bin"
    with opened(path, "b.md") as source:
        assert (source.name, source.path) == ("b.md", path)
    with opened(BytesIO(b"x")) as source:
        assert (source.name, source.path) == ("", None)


@pytest.mark.parametrize(("start", "count"), [(0, 11), (10, 1), (-1, 1), (5, -1), (2**70, 1)])
def test_what_is_not_there_is_truncated(start, count):
    with opened(b"0123456789") as source:
        fails("truncated", source.read, start, count)


def test_a_parser_has_a_budget():
    source = Source(2**40, lambda count, _: bytes(count))
    fails("over_limit", source.read, 0, READ_ONCE + 1)
    for _ in range(READ_BYTES // READ_ONCE):
        source.read(0, READ_ONCE)
    fails("over_limit", source.read, 0, 1)
    source.step(STEPS)
    fails("over_limit", source.step)
    assert source.fresh().read(0, 1) == b"\0"


def test_a_file_that_becomes_shorter_is_truncated(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(bytes(100))
    with opened(path) as source:
        os.truncate(path, 10)
        fails("truncated", source.read, 0, 100)


def test_what_is_no_file_is_not_read(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (tmp_path, fifo, "/dev/zero"):
        with pytest.raises(ReadError, match="unknown_format"), opened(path):
            pass
    with pytest.raises(FileNotFoundError), opened(tmp_path / "none"):
        pass
