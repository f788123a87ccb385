"""Splicing: a new file made of ranges of the old one and of new bytes between them.

What is kept is copied by the kernel where it can, so that coded media is never loaded, let alone
decoded. The result appears under its name whole, or not at all.
"""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import mkstemp
from typing import Final

import msgspec

from hegui.labels.source import File, Source, opened

_PIECE: Final = 1024 * 1024
_HANDFUL: Final = 512 * 1024  # bytes read and written at once: the best of those measured
_PAGE: Final = 4096


class Keep(msgspec.Struct, frozen=True):
    """A range of the old file, from `start` up to `end`."""

    start: int
    end: int


Plan = list[Keep | bytes]


def replace(size: int, *edits: tuple[int, int, bytes]) -> Plan:
    """The plan that puts `bytes` in place of each range (start, end), and keeps the rest.

    Edits may come in any order; two at one place stand in the order given.
    """
    plan: Plan = []
    done = 0
    for start, end, data in sorted(edits, key=lambda edit: edit[0]):
        if start < done or end > size:
            raise ValueError("edits overlap")
        plan += [Keep(done, start), data]
        done = end
    return [*plan, Keep(done, size)]


def length(plan: Plan) -> int:
    """How long the new file will be, in bytes."""
    return sum(part.end - part.start if isinstance(part, Keep) else len(part) for part in plan)


def pieces(source: Source, plan: Plan) -> Iterator[bytes]:
    """The new file, piece by piece."""
    for part in plan:
        if isinstance(part, bytes):
            yield part
        else:
            yield from span(source, part)


def span(source: Source, part: Keep) -> Iterator[bytes]:
    """A range of a file, piece by piece, whatever the budget of its parser was."""
    for start in range(part.start, part.end, _PIECE):
        yield source.fresh().read(start, min(_PIECE, part.end - start))


def digest(source: Source, ranges: Iterable[Keep]) -> str:
    """SHA-256 of what the ranges hold, in their order."""
    total = sha256()
    for part in ranges:
        for piece in span(source, part):
            total.update(piece)
    return total.hexdigest()


@contextmanager
def beside(target: Path) -> Iterator[Path]:
    """A new file in the target's folder that takes the target's name when all went well."""
    descriptor, name = mkstemp(prefix=f".{target.name[:100]}.", suffix=".part", dir=target.parent)
    os.close(descriptor)
    path = Path(name)
    try:
        yield path
        if target.exists():
            _sync(path)
        path.replace(target)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def save(file: File, plan: Plan, target: Path) -> None:
    """Write the new file into `target`, an empty one that `beside` has made.

    Over an old file it is durable before it takes the name (`beside`), so that a crash leaves the one
    or the other.
    """
    # Not "wb": ext4 takes a file that is emptied first for one being replaced, and flushes it on close.
    with target.open("r+b", buffering=0) as out:
        if isinstance(file, str | Path):
            with Path(file).open("rb", buffering=0) as old:
                shutil.copymode(file, target)
                done = 0
                for part in plan:
                    if isinstance(part, bytes):
                        _write(out.fileno(), part)
                    else:
                        _copy(old.fileno(), out.fileno(), part, done)
                    done += length([part])
        else:
            with opened(file) as source:
                for piece in pieces(source, plan):
                    _write(out.fileno(), piece)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _copy(old: int, new: int, part: Keep, place: int) -> None:
    """Copy a range to a place in the new file: in the kernel, which may even share it.

    By hand where it cannot (another file system, an old kernel), or would be slower: a range that
    comes to lie otherwise in its pages, the kernel copies in halves of pages (measured on ext4).
    """
    at = part.start
    aligned = (place - at) % _PAGE == 0
    while at < part.end:
        try:
            moved = os.copy_file_range(old, new, part.end - at, at) if aligned else 0
        except OSError:
            moved = 0
        if not moved:
            data = os.pread(old, min(_HANDFUL, part.end - at), at)
            if not data:
                raise OSError("the file became shorter while it was copied")
            _write(new, data)
            moved = len(data)
        at += moved
