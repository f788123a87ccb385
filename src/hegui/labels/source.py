"""A file to be read by hostile-proof parsers: random access, and a budget of bytes and steps."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

File = Path | str | bytes | BinaryIO

READ_BYTES: Final = 48 * 1024 * 1024  # that one parser may read of a file, in all
READ_ONCE: Final = 16 * 1024 * 1024  # at one time
STEPS: Final = 200_000  # boxes, chunks, tags and the like that one parser may look at


class ReadError(Exception):
    """A file that cannot be understood; `code` is a reason code of `labels.reasons`."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code, detail)
        self.code, self.detail = code, detail


class _Read(Protocol):
    def __call__(self, count: int, start: int, /) -> bytes: ...


class Source:
    """What a carrier's parser sees of a file.

    `name` is its file name, "" where it has none; `path` where it is, None for bytes and objects.
    `notes` is for what one parser has found in it and the next need not look for again.
    """

    def __init__(self, size: int, pread: _Read, name: str = "", path: Path | None = None) -> None:
        self.size, self.name, self.path = size, name, path
        self.notes: dict[str, Any] = {}
        self._pread = pread
        self._left, self._steps = READ_BYTES, STEPS

    def read(self, start: int, count: int) -> bytes:
        """Exactly `count` bytes from `start`.

        Raises:
            ReadError: `truncated` where the file ends before, `over_limit` past the budget.
        """
        if count > READ_ONCE or count > self._left:
            raise ReadError("over_limit", f"{count} bytes at {start}")
        if start < 0 or count < 0 or start + count > self.size:
            raise ReadError("truncated", f"{count} bytes at {start}")
        self._left -= count
        data = self._pread(count, start)
        if len(data) != count:
            raise ReadError("truncated", f"{count} bytes at {start}")
        return data

    def head(self, count: int) -> bytes:
        """The first bytes, at most `count`."""
        return self.read(0, min(count, self.size))

    def step(self, count: int = 1) -> None:
        """Count one more thing looked at, or as much work as `count`; raises `ReadError` past the budget."""
        self._steps -= count
        if self._steps < 0:
            raise ReadError("over_limit", "too many parts")

    def fresh(self) -> "Source":
        """The same file with a new budget, and the same notes."""
        other = Source(self.size, self._pread, self.name, self.path)
        other.notes = self.notes
        return other


@contextmanager
def opened(file: File, name: str = "") -> Iterator[Source]:
    """A source over a path, bytes or a binary file object, which is read from its start.

    Raises OSError as `open` does, and `ReadError` for what is no regular file.
    """
    if isinstance(file, str | Path):
        path = Path(file)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ReadError("unknown_format", "not a file")
            yield Source(status.st_size, partial(_pread, descriptor), name or path.name, path)
        finally:
            os.close(descriptor)
    elif isinstance(file, bytes | bytearray | memoryview):
        data = bytes(file)
        yield Source(len(data), lambda count, start: data[start : start + count], name)
    else:
        size = file.seek(0, os.SEEK_END)

        def read(count: int, start: int) -> bytes:
            file.seek(start)
            return file.read(count)

        yield Source(size, read, name or os.path.basename(getattr(file, "name", "") or ""))  # noqa: PTH119


def _pread(descriptor: int, count: int, start: int) -> bytes:
    data = os.pread(descriptor, count, start)
    while 0 < len(data) < count:  # rare: the kernel gives less than there is
        part = os.pread(descriptor, count - len(data), start + len(data))
        if not part:
            break
        data += part
    return data
