"""The rules of docs/rules.md, one thin test each, over HTTP; the table there names the deep ones."""

import contextlib
import gc
import http.client
import json
import sqlite3
import threading
from datetime import UTC, datetime

import msgspec
import pytest
from sqlalchemy import func, select

from archive import nothing
from hegui.controls.moderation import ModerationControl
from hegui.evidence.ledger import PERIOD_DROPPED
from hegui.evidence.verify import verify
from hegui.exchange import Exchange
from hegui.store.tables import body_table, outcomes
from hegui.store.writer import Entry
from hostile import CHUNKED, LAST_CHUNK, Server, chunk, eventually
from routing import HIT, REFUSED, leaked, routed
from saying import choice
from serving import HELLO, MODEL, Serving, prepared, raw, serving_settings

pytestmark = pytest.mark.once

SAID = HELLO["messages"]
BODIES = {
    "/v1/chat/completions": {"messages": SAID},
    "/v1/responses": {"input": "hello"},
    "/v1/completions": {"prompt": "hello"},
    "/v1/messages": {"messages": SAID, "max_tokens": 9},
}
# How each API says that an answer was withheld, streamed or not.
MARKS = dict(
    zip(
        BODIES,
        (
            b'"finish_reason":"content_filter"',
            b'"reason":"content_filter"',
            b'"finish_reason":"content_filter"',
            b'"stop_reason":"refusal"',
        ),
        strict=True,
    )
)
CHAT = "/v1/chat/completions"


@pytest.fixture
def gateway(tmp_path):
    with routed(tmp_path) as found:
        yield found


def ask(gateway, path: str, stream: bool, **more) -> tuple[int, bytes]:
    return gateway.post(path, BODIES[path] | {"model": MODEL, "stream": stream} | more)


def ends(service) -> list:
    """What is on record of every exchange that has ended, the newest last."""
    with service.archive.store.read() as connection:
        return list(connection.execute(select(outcomes).order_by(outcomes.c.seq)))


@pytest.mark.parametrize("path", BODIES)
def test_r1_one_verdict_however_it_is_cut(gateway, path):
    gateway.model.says(choice(f"好{HIT}好"))
    for stream in (True, False):
        status, received = ask(gateway, path, stream)
        assert (status, MARKS[path] in received) == (200, True)
    streamed, whole = ends(gateway.serving.service)
    assert (streamed.state, whole.state) == ("withheld", "withheld")
    assert streamed.category == whole.category != ""


@pytest.mark.parametrize("path", BODIES)
def test_r2_nothing_of_a_hit_leaves(gateway, path):
    gateway.model.says(choice(f"好{HIT}好"))
    assert [leaked(ask(gateway, path, stream)[1]) for stream in (True, False)] == [set(), set()]


def test_r3_what_cannot_be_checked_is_refused(gateway, monkeypatch):
    image = [{"type": "image_url", "image_url": {"url": "x"}}]
    status, received = ask(gateway, CHAT, False, messages=[{"role": "user", "content": image}])
    assert (status, json.loads(received)["error"]["code"]) == (400, "unscannable")
    assert gateway.post("/v1/audio/speech", {})[0] == 404
    assert gateway.model.asked == []

    def broken(*_args):
        raise RuntimeError

    monkeypatch.setattr(ModerationControl, "_find", broken)
    status, received = ask(gateway, CHAT, False)
    assert (status, json.loads(received)["error"]["code"]) == (503, "control_failed")
    assert gateway.model.asked == []


def test_r4_on_record_as_passed_only_if_it_was_scanned(gateway, monkeypatch):
    gateway.model.says(choice("好" * 50))
    assert ask(gateway, CHAT, True)[0] == 200
    service = gateway.serving.service
    row = ends(service)[-1]
    assert (row.state, row.lexicon) == ("finished", service.house.lexicon.sha256)

    def broken(*_args):
        raise RuntimeError

    monkeypatch.setattr(ModerationControl, "watch", broken)
    assert b"\xe5\xa5\xbd" not in ask(gateway, CHAT, True)[1]
    assert eventually(lambda: ends(service)[-1].state == "interrupted")


def test_r5_store_away_what_runs_ends_and_nothing_new_begins(tmp_path):
    first, go_on = threading.Event(), threading.Event()

    def script(peer):
        peer.request()
        event = {"choices": [{"index": 0, "delta": {"content": "好" * 20}}]}
        peer.send(CHUNKED + chunk(f"data: {json.dumps(event)}\n\n".encode()))
        go_on.wait(20)
        peer.send(chunk(b"data: [DONE]\n\n") + LAST_CHUNK)

    with Server(script) as model:
        settings = serving_settings(tmp_path, f"{model.url}/v1")
        store = msgspec.structs.replace(settings.store, wait_seconds=0.5)
        settings = msgspec.structs.replace(settings, store=store)
        secret = prepared(settings)
        with Serving(settings) as serving:
            received: list[bytes] = []
            asker = threading.Thread(target=listen, args=(serving, secret, received, first))
            asker.start()
            assert first.wait(10)
            with locked(tmp_path / "hegui.db"):
                go_on.set()
                asker.join(20)
                assert received[-1].endswith(b"data: [DONE]\n\n")  # its end waits in the outbox
                status, _, body = serving.ask(secret, HELLO)
                assert (status, body["error"]["code"]) == (503, "evidence_unavailable")
            assert eventually(lambda: [r.state for r in ends(serving.service)] == ["finished"], 20)
            assert verify(serving.service.archive, nothing, unseal=True).findings == []


def listen(serving, secret, received, first) -> None:
    """Ask for a stream and collect it, telling when it has begun."""
    connection = http.client.HTTPConnection("127.0.0.1", serving.port, timeout=20)
    with contextlib.closing(connection):
        head = {"authorization": f"Bearer {secret}"}
        connection.request("POST", CHAT, json.dumps(HELLO | {"stream": True}), head)
        reply = connection.getresponse()
        received.append(reply.read(20))
        first.set()
        received.append(reply.read())


@contextlib.contextmanager
def locked(path):
    """Keep every writer of this SQLite file waiting."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


def test_r6_what_was_said_goes_with_the_table_of_its_month(gateway):
    gateway.model.says(choice("hi"))
    assert ask(gateway, CHAT, False)[0] == 200
    archive = gateway.serving.service.archive
    name = f"body_content_{datetime.now(UTC):%Y%m}"
    table = body_table(name)
    with archive.store.maintain() as connection:
        assert connection.scalar(select(func.count()).select_from(table)) == 2
        table.drop(connection)
    archive.writer.commit_now(Entry(PERIOD_DROPPED, (), name, {"table": name}))
    assert verify(archive, nothing, unseal=True).findings == []


def test_r7_nothing_of_an_answer_stays_in_memory(gateway, monkeypatch):
    gateway.model.says(choice("好" * 50))
    seen = []
    watch = ModerationControl.watch
    monkeypatch.setattr(
        ModerationControl, "watch", lambda *args: seen.append(living()) or watch(*args)
    )
    for _ in range(5):
        assert ask(gateway, CHAT, True)[0] == 200
    assert seen[0] == 1
    assert eventually(lambda: gc.collect() >= 0 and living() == 0)


def living() -> int:
    """How many exchanges are in memory, with the texts that they collect for the record."""
    return sum(isinstance(thing, Exchange) for thing in gc.get_objects())


@pytest.mark.parametrize("ending", ["a hit", "the client leaves"])
def test_r8_the_model_is_told_to_stop(tmp_path, ending):
    said = f"好{HIT}" if ending == "a hit" else "好好好"

    def endless(peer):
        peer.request()
        peer.send(CHUNKED)
        event = {"choices": [{"index": 0, "delta": {"content": said}}]}
        while True:
            peer.send(chunk(f"data: {json.dumps(event)}\n\n".encode()), pause=0.01)

    with Server(endless) as model:
        settings = serving_settings(tmp_path, f"{model.url}/v1")
        secret = prepared(settings)
        with Serving(settings) as serving:
            if ending == "a hit":
                head = {"authorization": f"Bearer {secret}"}
                raw(serving.port, "POST", CHAT, json.dumps(HELLO | {"stream": True}).encode(), head)
            else:
                leave(serving, secret)
            assert eventually(lambda: model.gone == 1)
            state = "withheld" if ending == "a hit" else "interrupted"
            assert eventually(lambda: [row.state for row in ends(serving.service)] == [state])


def leave(serving, secret) -> None:
    """Ask for a stream, read the first of it and go."""
    connection = http.client.HTTPConnection("127.0.0.1", serving.port, timeout=20)
    head = {"authorization": f"Bearer {secret}"}
    connection.request("POST", CHAT, json.dumps(HELLO | {"stream": True}), head)
    connection.getresponse().read(20)
    connection.close()


@pytest.mark.parametrize("path", BODIES)
def test_r9_a_refusal_comes_in_the_form_that_was_asked_for(gateway, path):
    asked = {"input": REFUSED} if path == "/v1/responses" else {"prompt": REFUSED}
    if "messages" in BODIES[path]:
        asked = {"messages": [{"role": "user", "content": REFUSED}]}
    status, received = ask(gateway, path, False, **asked)
    assert (status, json.loads(received)["error"]["code"]) == (400, "input_refused")
    status, received = ask(gateway, path, True, **asked)
    assert (status, MARKS[path] in received) == (200, True)
    last = received.rstrip().split(b"\n\n")[-1]
    assert any(end in last for end in (b"[DONE]", b"message_stop", b"response.incomplete"))
    assert gateway.model.asked == []
