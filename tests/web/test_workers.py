"""Several processes on one port: they share the load, survive each other, and stop in order."""

import contextlib
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import func, select

from archive import nothing
from hegui.evidence.archive import Archive
from hegui.evidence.verify import verify
from hegui.gateway.instances import interrupt_dead
from hegui.language import Problem
from hegui.people.callers import Callers
from hegui.settings import Limits, Server
from hegui.store.tables import closings, exchanges, instances, outcomes
from hegui.web.workers import Workers, listen
from hostile import eventually
from serving import HELLO, prepared, raw, serving_settings

pytestmark = pytest.mark.once

WORKER = """
import pickle, sys
from hegui.gateway.service import Service
from hegui.web.run import serve
from hegui.web.workers import Workers, listen
settings = pickle.loads(bytes.fromhex(sys.argv[1]))
sockets = listen("127.0.0.1", settings.server.port, settings.server.workers)
Workers(sockets, lambda each: serve(Service(settings), each)).run()
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def children(parent: int) -> set[int]:
    return {int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()}


@contextlib.contextmanager
def running(settings):
    process = subprocess.Popen([sys.executable, "-c", WORKER, pickle.dumps(settings).hex()])
    try:
        yield process
    finally:
        process.terminate()
        assert process.wait(40) == 0


@pytest.fixture(name="settings")
def settings_fixture(request, database_url, tmp_path):
    more = {
        "server": Server(port=free_port(), workers=3),
        "limits": Limits(key_per_minute=10**6, user_per_minute=10**6),
    }
    if database_url.startswith("sqlite"):
        yield serving_settings(tmp_path, **more)
        return
    with request.getfixturevalue("postgres_server").fresh() as vault_url:
        yield serving_settings(tmp_path, "demo:", database_url, vault_url, **more)


def ask(port: int, secret: str, **more) -> int:
    headers = {"authorization": f"Bearer {secret}", "content-type": "application/json"}
    body = json.dumps(HELLO | more).encode()
    return raw(port, "POST", "/v1/chat/completions", body, headers)[0]


def living(archive) -> set[str]:
    closed = select(closings.c.instance)
    query = select(instances.c.instance).where(instances.c.instance.not_in(closed))
    with archive.store.read() as connection:
        return set(connection.scalars(query))


def busy(port: int, secret: str, over: threading.Event, seen: Counter) -> None:
    while not over.is_set():
        try:
            seen[ask(port, secret, stream=True)] += 1
        except (OSError, ValueError):
            seen["broken"] += 1
        except Exception:  # noqa: BLE001 (http.client has many names for a connection that ended)
            seen["broken"] += 1


@pytest.mark.crash
@pytest.mark.timeout(120)
def test_three_workers_survive_kill_9_of_one(settings):
    secret = prepared(settings)
    port, seen, over = settings.server.port, Counter(), threading.Event()
    archive = Archive(settings)
    with running(settings) as parent:
        assert eventually(lambda: len(living(archive)) == 3, 60)
        clients = [
            threading.Thread(target=busy, args=(port, secret, over, seen)) for _ in range(12)
        ]
        for client in clients:
            client.start()
        assert eventually(lambda: seen[200] >= 60, 30)
        with archive.store.read() as connection:
            query = select(exchanges.c.instance, func.count()).group_by(exchanges.c.instance)
            shares = {row[0]: row[1] for row in connection.execute(query)}
        assert len(shares) == 3, shares  # the load spreads
        assert min(shares.values()) * 8 > max(shares.values()), shares

        before = children(parent.pid)
        os.kill(min(before), signal.SIGKILL)
        assert eventually(lambda: len(children(parent.pid) - before) == 1, 20)
        had = seen[200]
        assert eventually(lambda: seen[200] >= had + 40, 30)  # the service goes on
        assert eventually(lambda: len(living(archive)) == 3, 30)
        over.set()
        for client in clients:
            client.join(30)
        assert seen["broken"] <= 12  # at most those that the dead one was serving
        assert set(seen) <= {200, "broken"}, seen

        name, other = Callers(archive).create(archive.vault.person_of(account(archive)))
        assert eventually(lambda: all(ask(port, other) == 200 for _ in range(6)), 10)
        Callers(archive).revoke(name)
        time.sleep(1.5)
        assert {ask(port, other) for _ in range(24)} == {401}
    assert living(archive) == set()  # all stopped in order
    assert interrupt_dead(archive) == 0
    with archive.store.read() as connection:
        states = Counter(connection.scalars(select(outcomes.c.state)))
        admitted = connection.scalar(select(func.count()).select_from(exchanges))
    assert states.total() == admitted
    assert 1 <= states["interrupted"] <= 12
    assert verify(archive, nothing, unseal=True).findings == []
    archive.close()


def account(archive) -> str:
    return Callers(archive).list()[0].account


def test_workers_stop_when_the_parent_is_killed(tmp_path):
    settings = serving_settings(tmp_path, server=Server(port=free_port(), workers=2))
    prepared(settings)
    archive = Archive(settings)
    process = subprocess.Popen([sys.executable, "-c", WORKER, pickle.dumps(settings).hex()])
    assert eventually(lambda: len(living(archive)) == 2, 60)
    workers = children(process.pid)
    process.kill()
    process.wait(10)
    assert eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), 30)
    interrupt_dead(archive)  # one may have been told before it was up
    assert living(archive) == set()
    archive.close()


def test_workers_that_cannot_start_are_not_restarted_for_ever(tmp_path):
    settings = serving_settings(tmp_path, server=Server(port=free_port(), workers=2))
    prepared(settings)
    evidence = msgspec.structs.replace(settings.evidence, master_key=tmp_path / "none")
    settings = msgspec.structs.replace(settings, evidence=evidence)
    done = subprocess.run(
        [sys.executable, "-c", WORKER, pickle.dumps(settings).hex()],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "The workers end as soon as they start" in done.stderr
    assert "master key" in done.stderr


def test_a_taken_port_is_told_even_if_it_could_be_shared():
    first = listen("127.0.0.1", 0, 2)
    port = first[0].getsockname()[1]
    assert {each.getsockname()[1] for each in first} == {port}
    with pytest.raises(Problem, match=f"port {port}") as problem:
        listen("127.0.0.1", port, 1)
    assert problem.value.code == "port_taken"
    for each in first:
        each.close()


def test_the_parent_is_told_apart_from_its_workers():
    assert Workers([], lambda each: None).run() is None  # none to keep: it ends
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
