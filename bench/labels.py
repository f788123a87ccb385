"""What a label costs, and who sees it: `python -m bench.labels [--tables | --print]`.

Every writer labels the same files in interleaved rounds, so that a noisy neighbour hits everybody;
each figure is that of the best round, and targets are ratios to a plain copy or a peer in the run.
`--tables` makes the other tables of docs/labels.md instead, by labelling a file of each format.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from bench import label_tables, samples
from bench.exiftool import ExifTool
from bench.gateway import machine
from bench.pages import DOCS, put, table
from hegui.labels import Label, verify, write

PAGE: Final = DOCS / "labels.md"
LABEL: Final = Label.new("00119144030008867405X210001")  # met in public files
VALUE: Final = LABEL.json()
SMALL: Final = 1_000  # small pictures
COPY: Final = "plain copy"
WRITE: Final = "hegui write"
VERIFY: Final = "hegui verify"
EXIFTOOL: Final = "ExifTool, stay-open"
FFMPEG: Final = "ffmpeg -c copy"
PILLOW: Final = "Pillow, re-encode"
JPEG, PNG, LAST, FIRST = "JPEG 5 MB", "PNG 5 MB", "MP4 50 MB, moov last", "MP4 50 MB, moov first"

Tool = Callable[[Path, Path], object]  # from a file, to a file that is not there yet
Times = dict[str, dict[str, float]]  # case → tool → seconds of the best round


class Target(NamedTuple):
    """What is promised of a case, what was measured, and whether it holds."""

    case: str
    promise: str
    measured: str
    met: bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--tables", action="store_true", help="the tables of formats instead")
    parser.add_argument("--print", action="store_true", help="leave docs/labels.md as it is")
    options = parser.parse_args()
    parts = label_tables.every() if options.tables else {"speed": speed(options.rounds)}
    for name, text in parts.items():
        print(f"{name}\n\n{text}\n")
        if not options.print:
            put(PAGE, name, text)
    if options.tables and not options.print:
        put(DOCS / "labels.zh.md", "slots", label_tables.slots("zh"))


def speed(rounds: int) -> str:
    """Measure, and return the tables as Markdown."""
    with tempfile.TemporaryDirectory(prefix="hegui-labels-") as name, tools() as (every, missing):
        folder = Path(name)
        times = run(make(folder), every, rounds)
        rate = small(folder, rounds=3)
    setting = (
        f"Measured on {machine()}; {rounds} interleaved rounds, of which each figure is the best."
    )
    absent = [f"Not measured in this run: {each}." for each in missing]
    return "\n\n".join([setting, *absent, shown(times), promised(targets(times, *rate))])


def make(folder: Path) -> dict[str, Path]:
    """Noise, which no encoder can make small: pictures and films of the size wanted."""
    paths = {JPEG: "a.jpg", PNG: "a.png", LAST: "last.mp4", FIRST: "first.mp4"}
    made = {case: folder / name for case, name in paths.items()}
    noise = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-i", "/dev/urandom")
    samples.ffmpeg("-s", "2160x1620", *noise, "-frames:v", "1", "-q:v", "3", str(made[JPEG]))
    samples.ffmpeg("-s", "1480x1110", *noise, "-frames:v", "1", str(made[PNG]))
    film = ("-s", "160x120", "-r", "25", *noise, "-f", "lavfi", "-i", "sine=d=600", "-shortest")
    coded = ("-c:v", "mpeg4", "-q:v", "2", "-c:a", "aac", "-fs", "52000000")
    samples.ffmpeg(*film, *coded, str(made[LAST]))
    faststart = ("-c", "copy", "-movflags", "faststart")
    samples.ffmpeg("-i", str(made[LAST]), *faststart, str(made[FIRST]))
    return made


@contextmanager
def tools() -> Iterator[tuple[dict[str, dict[str, Tool]], list[str]]]:
    """The tools of each kind of file, and those that are missing here."""
    pictures: dict[str, Tool] = {COPY: shutil.copyfile, WRITE: labelled, VERIFY: verified}
    films = {**pictures, FFMPEG: remuxed}
    missing = []
    if samples.here("PIL"):
        pictures[PILLOW] = encoded
    else:
        missing.append("Pillow")
    if shutil.which("exiftool") is None:
        yield {".jpg": pictures, ".png": pictures, ".mp4": films}, [*missing, "ExifTool"]
        return
    with ExifTool() as process:
        pictures[EXIFTOOL] = lambda old, new: process.write(old, new, "XMP-TC260:AIGC", VALUE)
        films[EXIFTOOL] = lambda old, new: process.write(old, new, "Keys:AIGC", VALUE)
        yield {".jpg": pictures, ".png": pictures, ".mp4": films}, missing


def labelled(old: Path, new: Path) -> None:
    write(old, LABEL, new)


def verified(old: Path, new: Path) -> None:  # noqa: ARG001 (it makes no file)
    verify(old)


def remuxed(old: Path, new: Path) -> None:
    label = ("-map", "0", "-movflags", "use_metadata_tags", "-metadata", f"AIGC={VALUE}")
    samples.ffmpeg("-i", str(old), "-c", "copy", *label, str(new))


def encoded(old: Path, new: Path) -> None:
    from PIL import Image

    with Image.open(old) as picture:
        picture.save(new)


def run(files: dict[str, Path], every: dict[str, dict[str, Tool]], rounds: int) -> Times:
    """Every tool on every file, each round beginning with another; the first only warms up."""
    took: dict[str, dict[str, list[float]]] = {
        case: {name: [] for name in every[path.suffix]} for case, path in files.items()
    }
    for turn in range(rounds + 1):
        print(f"round {turn} of {rounds}", file=sys.stderr)
        for case, path in files.items():
            names = list(every[path.suffix])
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                seconds = timed(every[path.suffix][name], path)
                if turn:
                    took[case][name].append(seconds)
    return {case: {name: min(each) for name, each in tools.items()} for case, tools in took.items()}


def timed(tool: Tool, path: Path) -> float:
    new = path.with_name(f"new{path.suffix}")
    new.unlink(missing_ok=True)
    start = time.perf_counter()
    tool(path, new)
    return time.perf_counter() - start


def small(folder: Path, rounds: int) -> tuple[float, float]:
    """Small pictures that one process labels in a second, and copies in a second: the best round."""
    one = folder / "small.jpg"
    samples.ffmpeg("-f", "lavfi", "-i", "testsrc=s=256x256:d=1", "-frames:v", "1", str(one))
    both: tuple[Tool, Tool] = (labelled, shutil.copyfile)
    rates: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds):
        for tool, found in zip(both, rates, strict=True):
            inside = Path(tempfile.mkdtemp(prefix=f"small-{turn}-", dir=folder))
            start = time.perf_counter()
            for number in range(SMALL):
                tool(one, inside / f"{number}.jpg")
            found.append(SMALL / (time.perf_counter() - start))
    return max(rates[0]), max(rates[1])


def shown(times: Times) -> str:
    """Milliseconds, and how many plain copies that is."""
    names = list(dict.fromkeys(name for each in times.values() for name in each))

    def cell(case: str, name: str) -> str:
        if name not in times[case]:
            return "-"
        taken = times[case][name]
        return f"{taken * 1e3:,.2f} ({taken / times[case][COPY]:.2f})"

    rows = [[name, *(cell(case, name) for case in times)] for name in names]
    return table(["ms (× copy)", *times], rows)


def targets(times: Times, rate: float, copies: float) -> list[Target]:
    """Every promise that can be held against what was measured."""
    found = [_copies(times[case], case, 1.5, 2.0) for case in (JPEG, PNG)]
    found += [_copies(times[case], case, 2.0, 0.0) for case in (LAST, FIRST)]
    peers = ((JPEG, EXIFTOOL, 3), (PNG, EXIFTOOL, 100), (LAST, FFMPEG, 5), (FIRST, FFMPEG, 5))
    for case, peer, factor in peers:
        if peer in times[case]:
            ratio = times[case][peer] / times[case][WRITE]
            promise = f"write ≥ {factor} × faster than {peer}"
            found.append(Target(case, promise, f"{ratio:,.1f} ×", ratio >= factor))
    for case in (LAST, FIRST):
        taken = times[case][VERIFY] * 1e3
        found.append(Target(case, "verify ≤ 5 ms", f"{taken:.2f} ms", taken <= 5))
    told = f"{rate:,.0f} (plain copies: {copies:,.0f})"
    case = f"{SMALL:,} small JPEG"
    return [*found, Target(case, "write ≥ 300 files/s on one core", told, rate >= 300)]


def _copies(tools: dict[str, float], case: str, factor: float, more: float) -> Target:
    copy, ours = tools[COPY] * 1e3, tools[WRITE] * 1e3
    promise = f"write ≤ {factor:g} × copy" + (f" + {more:g} ms" if more else "")
    most = factor * copy + more
    return Target(case, promise, f"{ours:.2f} ms of {most:.2f} ms", ours <= most)


def promised(found: list[Target]) -> str:
    rows = [[*each[:3], "met" if each.met else "missed"] for each in found]
    return table(["file", "target", "measured", ""], rows)


if __name__ == "__main__":
    main()
