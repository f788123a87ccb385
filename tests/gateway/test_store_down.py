"""The store goes away while exchanges run: they end, new ones are refused, nothing is lost or doubled."""

import contextlib
import datetime as dt
import http.client
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections import Counter
from pathlib import Path

import msgspec
import pytest
import time_machine
from sqlalchemy import select

import postgres
from archive import nothing
from hegui.evidence.archive import Archive
from hegui.evidence.verify import verify
from hegui.gateway.instances import interrupt_dead
from hegui.settings import Limits
from hegui.store.tables import exchanges, outcomes
from hegui.tick import tick
from hostile import CHUNKED, LAST_CHUNK, Server, chunk, eventually
from serving import HELLO, Serving, prepared, raw, serving_settings

pytestmark = pytest.mark.once

WAIT = 1.5  # seconds; what may wait no longer than this
HERE = Path(__file__).parents[1]
LOCKER = """
import sqlite3, sys
lock = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)
lock.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


def piece(text: str) -> bytes:
    said = {"choices": [{"index": 0, "delta": {"content": text}}]}
    return chunk(f"data: {json.dumps(said)}\n\n".encode())


class Slow:
    """A model that says its first word at once and the rest when it is told to go on."""

    def __init__(self, rest: str = "the-rest") -> None:
        self.go_on, self.rest = threading.Event(), rest
        self.stays, self.over = 0, threading.Event()  # this connection gets no rest before the end

    def __call__(self, peer) -> None:
        while True:
            peer.request()
            peer.send(CHUNKED, piece("first word, long enough to be let through at once. " * 4))
            (self.over if peer.number == self.stays else self.go_on).wait(30)
            peer.send(piece(self.rest), chunk(b"data: [DONE]\n\n"), LAST_CHUNK)


class Stream:
    """A client that reads a streamed answer in a thread of its own."""

    def __init__(self, port: int, secret: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        headers = {"authorization": f"Bearer {secret}"}
        body = json.dumps(HELLO | {"stream": True})
        self._connection.request("POST", "/v1/chat/completions", body, headers)
        self._reply = self._connection.getresponse()
        self.exchange = self._reply.headers["x-hegui-exchange"]
        self.text = self._reply.read1(1).decode()  # so *admitted* is in the store

    def rest(self) -> str:
        with contextlib.closing(self._connection):
            self.text += self._reply.read().decode()
        return self.text


def quick(settings):
    """These settings with little patience, and an allowance that the tests do not use up."""
    store = msgspec.structs.replace(settings.store, wait_seconds=WAIT, outbox_bytes=1 << 20)
    limits = Limits(key_per_minute=10**6, user_per_minute=10**6)
    return msgspec.structs.replace(settings, store=store, limits=limits)


def ask(port: int, secret: str):
    headers = {"authorization": f"Bearer {secret}"}
    began = time.monotonic()
    status, head, body = raw(
        port, "POST", "/v1/chat/completions", json.dumps(HELLO | {"stream": True}).encode(), headers
    )
    return status, head, body, time.monotonic() - began


def states(archive) -> dict[str, str]:
    with archive.store.read() as connection:
        return {row.exchange: row.state for row in connection.execute(select(outcomes))}


def check_all(settings, ended: set[str]) -> Counter:
    """Nothing is lost and nothing doubled; these ended as a client saw it. Returns the states."""
    archive = Archive(settings)
    assert interrupt_dead(archive) == 0
    report = verify(archive, nothing, unseal=True)
    assert report.findings == []
    found = states(archive)
    with archive.store.read() as connection:
        assert set(connection.scalars(select(exchanges.c.exchange))) == set(found)
    assert {found[exchange] for exchange in ended} <= {"finished"}
    assert not list(settings.store.outbox.glob("*.outbox"))
    archive.close()
    return Counter(found.values())


def outage(settings, take_away, bring_back, *, streams: int = 5, rest: str = "the-rest") -> None:
    """Take the store away in the midst of answers, look, and bring it back."""
    secret = prepared(settings)
    model = Slow(rest)
    with Server(model) as server:
        upstream = msgspec.structs.replace(settings.upstream[0], url=f"{server.url}/v1")
        settings = msgspec.structs.replace(settings, upstream=(upstream,))
        with Serving(settings) as serving:
            writer = serving.service.archive.writer
            running = [Stream(serving.port, secret) for _ in range(streams)]
            take_away()
            model.go_on.set()
            began = time.monotonic()
            for stream in running:
                assert "[DONE]" in stream.rest()
                assert rest[:20] in stream.text
            assert time.monotonic() - began < 2 * WAIT + 2
            assert serving.service.archive.outbox.waiting
            assert eventually(lambda: writer.is_down)

            asked = len(server.requests)
            status, head, body, seconds = ask(serving.port, secret)
            assert (status, json.loads(body)["error"]["code"]) == (503, "evidence_unavailable")
            assert int(head["retry-after"]) > 0
            assert seconds < WAIT + 1
            assert len(server.requests) == asked  # the model is not asked in vain
            bounded(serving.port, secret, writer)

            bring_back()
            assert eventually(lambda: not writer.is_down, 20)
            assert not serving.service.archive.outbox.waiting
            assert ask(serving.port, secret)[0] == 200
            mine = states(serving.service.archive)
    assert all(mine[stream.exchange] == "finished" for stream in running)
    counts = check_all(settings, {stream.exchange for stream in running})
    assert counts["finished"] >= streams + 1


def bounded(port: int, secret: str, writer) -> None:
    """Many requests that are refused leave nothing behind."""
    tracemalloc.start()
    for _ in range(60):
        ask(port, secret)
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(200):
        assert ask(port, secret)[0] == 503
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert (
        grown < 1_000_000
    )  # what a first time leaves; tests/gateway/test_memory.py counts to 200,000
    assert writer._waiting.qsize() <= 1


def test_sqlite_locked_by_another_process(tmp_path):
    settings = quick(serving_settings(tmp_path))
    lock: list[subprocess.Popen] = []

    def take_away():
        lock.append(
            subprocess.Popen(
                [sys.executable, "-c", LOCKER, tmp_path / "hegui.db"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )
        )  # fmt: skip
        assert lock[0].stdout.readline() == "locked\n"

    def bring_back():
        lock[0].communicate("")

    outage(settings, take_away, bring_back)


@pytest.fixture(name="disk")
def disk_fixture(tmp_path):
    """A disk of 12 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("only root may mount a small disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_disk_that_is_full(disk):
    settings = quick(serving_settings(disk))

    def take_away():
        with (disk / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)) == 4096:
                pass

    outage(settings, take_away, (disk / "filler").unlink, streams=3, rest="much of it " * 25_000)


@pytest.fixture(name="own_server", scope="module")
def own_server_fixture(tmp_path_factory):
    """A PostgreSQL that may be stopped without spoiling other tests."""
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="hegui-pg-own-"))
    server = postgres.Postgres(folder)
    yield server
    server.close()
    postgres.stop(folder)


def pg(own_server, *arguments: str) -> None:
    postgres._run(own_server.directory, "pg_ctl", "-D", "data", "-w", *arguments)


def test_postgres_stopped_and_started_again(own_server, tmp_path):
    settings = quick(
        serving_settings(tmp_path, "demo:", own_server.url("down"), own_server.url("down_vault"))
    )
    for name in ("down", "down_vault"):
        own_server._admin.execute(f"CREATE DATABASE {name}")
    options = f"-h '' -k '{own_server.directory}' {postgres.QUICK}"
    outage(
        settings,
        lambda: pg(own_server, "-m", "fast", "stop"),
        lambda: pg(own_server, "-l", "log", "-o", options, "start"),
    )


def test_postgres_that_hangs(request, tmp_path):
    """It takes connections and says nothing: only our own clock helps."""
    server = request.getfixturevalue("own_server")
    main = int((server.directory / "data" / "postmaster.pid").read_text().split()[0])

    def everyone() -> list[int]:
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        return [main, *map(int, children)]

    stopped: list[int] = []

    def take_away():
        stopped.extend(everyone())
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)

    def bring_back():
        for pid in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    import psycopg

    names = "hung", "hung_vault"
    with psycopg.connect(
        host=str(server.directory), user="postgres", dbname="postgres", autocommit=True
    ) as admin:
        for name in names:
            admin.execute(f"CREATE DATABASE {name}")
    settings = quick(serving_settings(tmp_path, "demo:", *map(server.url, names)))
    try:
        outage(settings, take_away, bring_back)
    finally:
        bring_back()


@pytest.mark.crash
def test_kill_9_between_outbox_and_store(tmp_path):
    settings = quick(serving_settings(tmp_path))
    secret, model = prepared(settings), Slow()
    with Server(model) as server:
        upstream = msgspec.structs.replace(settings.upstream[0], url=f"{server.url}/v1")
        settings = msgspec.structs.replace(settings, upstream=(upstream,))
        command = [sys.executable, HERE / "serving.py", pickle.dumps(settings).hex()]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        port = int(process.stdout.readline())
        running = [Stream(port, secret) for _ in range(4)]
        model.stays = 5
        half = Stream(port, secret)  # will not have ended
        lock = subprocess.Popen(
            [sys.executable, "-c", LOCKER, tmp_path / "hegui.db"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert lock.stdout.readline() == "locked\n"
        model.go_on.set()
        for stream in running:
            assert "[DONE]" in stream.rest()
        process.kill()
        process.stdout.close()
        process.wait(10)
        half._connection.close()
        model.over.set()
        lock.communicate("")
    archive = Archive(settings)
    assert set(states(archive)) == set()
    interrupt_dead(archive)
    found = states(archive)
    assert {found[stream.exchange] for stream in running} == {"finished"}
    assert found[half.exchange] == "interrupted"
    archive.close()
    check_all(settings, {stream.exchange for stream in running})


@pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)
def test_clocks_that_jump(request, database_url, tmp_path):
    """A day back, an hour and forty days forward: ids and times stay usable, nobody is locked out."""
    with contextlib.ExitStack() as stack:
        settings = serving_settings(tmp_path)
        if not database_url.startswith("sqlite"):
            vault = stack.enter_context(request.getfixturevalue("postgres_server").fresh())
            settings = serving_settings(tmp_path, "demo:", database_url, vault)
        settings = quick(settings)
        limits = Limits(key_per_minute=10**6, user_per_minute=20)
        settings = msgspec.structs.replace(settings, limits=limits)
        secret = prepared(settings)
        real = dt.datetime.now(dt.UTC)
        with Serving(settings) as serving:
            asked = 0
            for jump in (dt.timedelta(), dt.timedelta(days=-1), dt.timedelta(hours=1)):
                with time_machine.travel(real + jump, tick=True):
                    assert [ask(serving.port, secret)[0] for _ in range(3)] == [200] * 3
                    asked += 3
            with time_machine.travel(real + dt.timedelta(days=70), tick=True):
                ask(serving.port, secret)  # there is no table for that month yet
                tick(serving.service.archive)
                assert eventually(lambda: not serving.service.archive.writer.is_down, 10)
                assert ask(serving.port, secret)[0] == 200
            assert ask(serving.port, secret)[0] == 200  # and back again
            ids = sorted(states(serving.service.archive))
            assert len(ids) >= asked + 2
        counts = check_all(settings, set())
        assert counts["finished"] >= asked + 2


def test_what_a_process_left_open_is_found_although_the_clock_went_back(tmp_path, monkeypatch):
    monkeypatch.setattr("hegui.exchange._START", time.time_ns())  # a service starts once a process
    settings = quick(serving_settings(tmp_path))
    prepared(settings)
    from archive import admitted
    from hegui.exchange import new_id
    from hegui.gateway.instances import Instance

    archive = Archive(settings)
    new_id()
    instance = Instance(archive)
    with time_machine.travel(dt.datetime.now(dt.UTC) - dt.timedelta(days=2)):
        name = new_id()
        entry = admitted(1)
        facts = entry.facts | {"exchange": name, "instance": instance.name}
        archive.writer.commit_now(msgspec.structs.replace(entry, subject=name, facts=facts))
    instance.close()
    assert states(archive) == {name: "interrupted"}
    archive.close()
