"""Many files at once: folders walked, files shared out among processes, results as they come."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from hegui.labels.label import Label, new_id
from hegui.labels.verify import Report, verify
from hegui.labels.write import OnExisting, write
from hegui.language import Problem

T = TypeVar("T")
_CHUNK: Final = (
    16  # files that a process takes at once: passing each alone costs more than verifying it
)
_FEW: Final = 32  # files for which no processes are started


class Result(msgspec.Struct, frozen=True):
    """What became of one file: a report, or the error that stopped it."""

    path: str
    report: Report | None = None
    label: Label | None = None
    error: str = ""  # a code
    message: str = ""  # a message of the catalogue, and its values
    values: dict[str, str] = {}


def walk(paths: Iterable[Path]) -> list[Path]:
    """Every file named, and every file in the folders named, sorted; links are not followed."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = (Path(root) / name for root, _, names in os.walk(path) for name in names)
            found += sorted(each for each in inside if not each.is_symlink())
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def verify_many(files: Sequence[Path], workers: int = 0) -> Iterator[Result]:
    """Verify each file; results in the order of the files. `workers` 0: as many as processors."""
    return _share(_verify, files, workers)


def label_many(
    files: Sequence[tuple[Path, Path]], producer: str, *, on_existing: OnExisting = "reject",
    paranoid: bool = False, produce_id: str = "", workers: int = 0,
) -> Iterator[Result]:  # fmt: skip
    """Label each file (source, target), with a number of its own unless `produce_id` is given."""
    one = partial(
        _label, producer=producer, on_existing=on_existing, paranoid=paranoid, produce_id=produce_id
    )
    return _share(one, files, workers)


def _share(one: Callable[[T], Result], files: Sequence[T], workers: int) -> Iterator[Result]:
    processes = min(workers or os.cpu_count() or 1, 1 + len(files) // _FEW)
    if processes == 1:
        yield from map(one, files)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(one, files, chunksize=_CHUNK)


def _verify(path: Path) -> Result:
    try:
        return Result(str(path), verify(path))
    except OSError as error:
        return _failed(path, error)


def _label(
    job: tuple[Path, Path],
    producer: str,
    on_existing: OnExisting,
    *,
    paranoid: bool,
    produce_id: str,
) -> Result:
    source, target = job
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        label = Label.new(producer, produce_id or new_id())
        done = write(source, label, target, on_existing=on_existing, paranoid=paranoid)
    except (OSError, Problem) as error:
        return _failed(source, error)
    return Result(str(target), done.report, done.label)


def _failed(path: Path, error: OSError | Problem) -> Result:
    if isinstance(error, Problem):
        values = {name: str(value) for name, value in error.values.items()}
        return Result(str(path), error=error.code, message=error.message, values=values)
    return Result(
        str(path),
        error="labels.file",
        message="{reason}",
        values={"reason": error.strerror or str(error)},
    )
