"""Does the memory of a server stay where it is, over many answers, and over many refusals?"""

import contextlib
import shutil
import sqlite3
import sys
from collections.abc import Iterator

import pytest

from bench import gateway, measure, peers
from soaking import publish

CASE = measure.CASES[1]
ROUNDS, REQUESTS = 4, 50_000
MOST = 5_000_000  # bytes that the later rounds may add: what a restart every year would not notice


@contextlib.contextmanager
def served(folder) -> Iterator[tuple[int, int]]:
    """The service of the bench with everything on; yields its port and process id."""
    upstream, port = measure.free_port(), measure.free_port()
    stub = [str(gateway.BUILD / "stub"), str(upstream)]
    server = [sys.executable, "-m", "bench.serve", str(folder), str(port), str(upstream), "on"]
    with (folder / "log").open("wb") as log, measure.running(stub, measure.LOAD_CORE, log):
        environment = {"PYTHONPATH": ":".join(sys.path)}
        with measure.running(server, measure.GATEWAY_CORE, log, environment) as pid:
            measure.wait_until_ready(pid, port, peers.KEY, seconds=60)
            yield port, pid


def ask(port: int, pid: int, count: int) -> tuple[int, int]:
    """Load it until it has answered that often; the memory held then, and how many were refused."""
    asked = bad = 0
    while asked < count:
        seen = measure.load(gateway.BUILD / "loadgen", CASE, port, peers.KEY, pid, 5.0, 0.1)
        asked += round(seen.requests_s * 5.0) + seen.bad  # the former are those that were answered
        bad += seen.bad
    assert seen.rss
    return seen.rss, bad


@contextlib.contextmanager
def away(folder) -> Iterator[None]:
    """While this lasts, the store takes nothing: somebody else holds its lock."""
    with contextlib.closing(sqlite3.connect(folder / "hegui.db", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield
        holder.execute("ROLLBACK")


@pytest.mark.soak
@pytest.mark.skipif(not shutil.which("cc"), reason="the load generator is built with cc")
def test_memory_stays_flat(tmp_path):
    gateway.compile_tools()
    with served(tmp_path) as (port, pid):
        ask(port, pid, 2_000)  # until what is made once is made
        answered = [ask(port, pid, REQUESTS) for _ in range(ROUNDS)]
        with away(tmp_path):
            ask(port, pid, 2_000)
            refused = [ask(port, pid, REQUESTS) for _ in range(ROUNDS)]
    assert not any(bad for _, bad in answered)
    assert all(bad >= REQUESTS for _, bad in refused)
    held = [[rss for rss, _ in rounds] for rounds in (answered, refused)]
    for name, each in zip(("answered", "refused, the store away"), held, strict=True):
        megabytes = ", ".join(f"{rss / 1e6:.1f}" for rss in each)
        result = f"{megabytes} MB resident after each {REQUESTS:,} of {ROUNDS * REQUESTS:,}"
        publish(f"memory of a server, 100,000 words, requests {name}", result)
    assert all(max(each) - each[0] < MOST for each in held)
