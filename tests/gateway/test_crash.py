"""`kill -9` under load: what a client has received is in the ledger, and everything gets an end."""

import contextlib
import http.client
import json
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import select

from archive import nothing
from hegui.evidence.archive import Archive
from hegui.evidence.verify import verify
from hegui.gateway.instances import interrupt_dead
from hegui.settings import Limits
from hegui.store.tables import exchanges, outcomes
from hostile import eventually
from serving import HELLO, prepared, serving_settings
from soaking import publish

CLIENTS = 6
WORKER = Path(__file__).parents[1] / "serving.py"


def ask_for_ever(port: int, secret: str, received: set[str], over: threading.Event) -> None:
    """Stream answers until the server dies; note each exchange of which a byte arrived."""
    body = json.dumps(HELLO | {"stream": True})
    with contextlib.suppress(OSError, http.client.HTTPException):
        while not over.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            with contextlib.closing(connection):
                headers = {"authorization": f"Bearer {secret}"}
                connection.request("POST", "/v1/chat/completions", body, headers)
                reply = connection.getresponse()
                assert reply.status == 200
                if reply.read(1):
                    received.add(reply.headers["x-hegui-exchange"])
                reply.read()


def serve_and_kill(settings, secret: str, received: set[str], seconds: float) -> None:
    over, clients = threading.Event(), []
    text = pickle.dumps(settings).hex()
    server = subprocess.Popen([sys.executable, WORKER, text], stdout=subprocess.PIPE)
    try:
        port = int(server.stdout.readline())
        arguments = (port, secret, received, over)
        clients = [threading.Thread(target=ask_for_ever, args=arguments) for _ in range(CLIENTS)]
        before = len(received)
        for client in clients:
            client.start()
        assert eventually(lambda: len(received) >= before + 2, 20)
        time.sleep(seconds)
    finally:
        os.kill(server.pid, signal.SIGKILL)
        over.set()
        server.stdout.close()
        assert server.wait(10) == -signal.SIGKILL
    for client in clients:
        client.join(30)


def survive(settings, rounds: int) -> str:
    """Kill and look, `rounds` times; returns the counts."""
    secret, dice, received = prepared(settings), random.Random(7), set()
    states: dict[str, str] = {}
    for _ in range(rounds):
        serve_and_kill(settings, secret, received, dice.uniform(0, 0.7))
        archive = Archive(settings)
        interrupt_dead(archive)
        with archive.store.read() as connection:
            known = set(connection.scalars(select(exchanges.c.exchange)))
            rows = connection.execute(select(outcomes)).all()
        assert interrupt_dead(archive) == 0  # a dead process is closed once
        archive.close()
        states = {row.exchange: row.state for row in rows}
        assert received <= known
        assert set(states) == known
    assert "interrupted" in states.values()
    archive = Archive(settings)
    report = verify(archive, nothing, unseal=True)
    archive.close()
    assert not report.findings
    ends = Counter(states.values())
    return (
        f"{rounds} kills, {len(received):,} exchanges seen by a client, all of {len(states):,} on "
        f"record ({ends['interrupted']:,} interrupted), {report.size:,} entries verified, "
        "nothing lost, nothing doubled"
    )


def busy(folder: Path, store_url: str = "", vault_url: str = ""):
    limits = Limits(key_per_minute=10**6, user_per_minute=10**6)
    return serving_settings(folder, "demo:", store_url, vault_url, limits=limits)


@pytest.fixture
def settings(request, database_url, tmp_path):
    if database_url.startswith("sqlite"):
        yield busy(tmp_path)
        return
    with request.getfixturevalue("postgres_server").fresh() as vault_url:
        yield busy(tmp_path, database_url, vault_url)


@pytest.mark.crash
@pytest.mark.timeout(300)
def test_kill_9_ten_times(settings):
    survive(settings, 10)


@pytest.mark.soak
@pytest.mark.crash
def test_kill_9_two_hundred_times(settings):
    database = "SQLite" if settings.store.url.startswith("sqlite") else "PostgreSQL"
    publish(f"kill -9 of the gateway under load, {database}", survive(settings, 200))
