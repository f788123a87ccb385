"""Hostile model servers behind the whole gateway: a clear error, an entry, bounded memory, no leftovers."""

import json
import time
import tracemalloc

import msgspec
import pytest
from sqlalchemy import select

from archive import nothing
from hegui.evidence.verify import verify
from hegui.settings import Limits
from hegui.store.tables import exchanges, outcomes
from hostile import CHUNKED, LAST_CHUNK, Server, chunk, eventually, head, reply
from serving import HELLO, Serving, prepared, raw, serving_settings

pytestmark = pytest.mark.once

MB = 1 << 20
ZEROS = b"0" * (MB // 4)
DEEP = b"[" * 10_000 + b"]" * 10_000
LONG = "words that are harmless, and many of them, so that some are let through. " * 3


def said(text: str, **more: object) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": {"content": text}, **more}]}).encode()


def event(text: str, end: bytes = b"\n\n") -> bytes:
    return chunk(said(text) + end)


def sends(*parts: bytes, pause: float = 0, hang: bool = False):
    def script(peer):
        peer.request()
        peer.send(*parts, pause=pause)
        if hang:
            peer.wait_gone()

    return script


def flood(start: bytes, each: bytes):
    def script(peer):
        peer.request()
        peer.send(start)
        for _ in range(100 * MB // len(each)):
            peer.send(each)
        peer.send(LAST_CHUNK)
        peer.wait_gone()

    return script


WHOLE = {
    "hangs before headers": sends(hang=True),
    "hangs after headers": sends(head("content-length: 9"), hang=True),
    "hangs mid body": sends(head("content-length: 99"), b"{", hang=True),
    "garbage": sends(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "no JSON": sends(reply(b"<html>")),
    "100 MB": flood(head(f"content-length: {100 * MB}"), ZEROS),
    "endless headers": flood(head()[:-2], b"x: y\r\n" * 4096),
    "too short": sends(head("content-length: 99"), b'{"choices":[]}'),
    "closes at once": sends(),
    "chunk bomb": sends(CHUNKED, b"ffffffffffffffff\r\n", hang=True),
    "endless chunk extension": flood(CHUNKED + b"5;", ZEROS),
    "gzip": sends(reply(b"\x1f\x8b", "content-encoding: gzip")),
    "invalid UTF-8": sends(reply(b'{"choices":[{"message":{"content":"\xff\xfe"}}]}')),
    "deep JSON": sends(reply(DEEP)),
    "deep JSON in a field": sends(reply(b'{"x":' + DEEP + b',"choices":' + DEEP + b"}")),
    "status 500": sends(reply(b"secret of the model", status="500 x")),
    "status 302": sends(reply(b"", "location: http://127.0.0.1/", status="302 x")),
    "an upgrade": sends(head("upgrade: websocket", "connection: upgrade", status="101 x")),
}
STREAMED = {
    "hangs before headers": sends(hang=True),
    "hangs before an event": sends(CHUNKED, hang=True),
    "hangs between events": sends(CHUNKED, event(LONG), hang=True),
    "half an event": sends(CHUNKED, event(LONG), chunk(b'data: {"cho'), LAST_CHUNK),
    "no end": sends(CHUNKED, event(LONG), LAST_CHUNK),
    "closes early": sends(CHUNKED, event(LONG)),
    "an event of 100 MB": flood(CHUNKED + event(LONG) + chunk(b"data: "), chunk(ZEROS)),
    "comments without end": flood(CHUNKED + event(LONG), chunk(b": x\n\n" * 8192)),
    "no JSON": sends(CHUNKED, event(LONG), chunk(b"data: what?\n\n"), LAST_CHUNK),
    "invalid UTF-8": sends(CHUNKED, event(LONG), chunk(b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n')),
    "deep JSON": sends(CHUNKED, event(LONG), chunk(b"data: " + DEEP + b"\n\n"), LAST_CHUNK),
    "chunk bomb": sends(CHUNKED, event(LONG), b"ffffffffffffffff\r\n", hang=True),
    "bytes after the end": sends(CHUNKED, event(LONG), b"zz\r\n"),
}  # fmt: skip
GOOD = {
    "CR": (b"\r", 0),
    "CRLF": (b"\r\n", 0),
    "one byte a packet": (b"\n", 1),
}


@pytest.fixture(name="gateway", scope="module")
def gateway_fixture(tmp_path_factory):
    """One gateway before one server, whose script each test sets."""
    folder = tmp_path_factory.mktemp("hostile")
    with Server(sends()) as server:
        limits = Limits(key_per_minute=10**6, user_per_minute=10**6)
        settings = serving_settings(folder, f"{server.url}/v1", limits=limits)
        upstream = msgspec.structs.replace(
            settings.upstream[0], first_byte_seconds=0.4, idle_seconds=0.4, total_seconds=8
        )
        settings = msgspec.structs.replace(settings, upstream=(upstream,))
        secret = prepared(settings)
        with Serving(settings) as serving:
            yield serving, server, secret
            report = verify(serving.service.archive, nothing, unseal=True)
            assert report.findings == []


def last_state(archive) -> tuple[str, str]:
    query = (
        select(outcomes.c.state, outcomes.c.reason)
        .join(exchanges, exchanges.c.exchange == outcomes.c.exchange)
        .order_by(exchanges.c.seq.desc())
    )
    with archive.store.read() as connection:
        return tuple(connection.execute(query).first())


def ask(gateway, script, *, stream: bool):
    """What the client gets; the peak of memory in bytes; whether the server's end is free."""
    serving, server, secret = gateway
    server._script = script
    before = server.connections
    headers = {"authorization": f"Bearer {secret}", "accept-language": "en"}
    body = json.dumps(HELLO | {"stream": stream}).encode()
    tracemalloc.start()
    try:
        answer = raw(serving.port, "POST", "/v1/chat/completions", body, headers)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert server.connections == before + 1
    alive = serving.service.models._sources[0].client._slots
    assert eventually(lambda: alive._value == 256)
    assert eventually(lambda: not server._sockets)  # the connection is closed on both sides
    return *answer, peak


@pytest.mark.parametrize("case", WHOLE)
def test_a_whole_answer_becomes_an_error(gateway, case):
    began = time.monotonic()
    status, headers, body, peak = ask(gateway, WHOLE[case], stream=False)
    assert time.monotonic() - began < 10
    assert status == 502
    error = json.loads(body)["error"]
    assert error["code"].startswith("upstream_")
    assert "try again" in error["message"]
    assert int(headers["retry-after"]) > 0
    assert b"secret" not in body
    assert peak < 64 * MB
    state, reason = last_state(gateway[0].service.archive)
    assert (state, reason) == ("interrupted", error["code"])


@pytest.mark.parametrize("case", STREAMED)
def test_a_stream_ends_in_an_error_and_never_as_if_it_were_whole(gateway, case):
    began = time.monotonic()
    status, _, body, peak = ask(gateway, STREAMED[case], stream=True)
    assert time.monotonic() - began < 20
    assert peak < 16 * MB
    state, reason = last_state(gateway[0].service.archive)
    assert state == "interrupted"
    assert reason.startswith("upstream_")
    if status == 200:  # something had left
        assert b"harmless" in body
        assert b'"finish_reason":"stop"' not in body
        last = [line for line in body.split(b"\n\n") if line.startswith(b"data: {")][-1]
        assert json.loads(last[6:])["error"]["code"] == reason
    else:
        assert status == 502
        assert json.loads(body)["error"]["code"] == reason


@pytest.mark.parametrize("case", GOOD)
def test_odd_but_lawful_streams_are_read(gateway, case):
    end, drip = GOOD[case]
    parts = b"\xef\xbb\xbf" + said("good ") + 2 * end + said("day", finish_reason="stop") + 2 * end
    parts += b"data: [DONE]" + 2 * end
    packets = [chunk(parts[i : i + 1]) for i in range(len(parts))] if drip else [chunk(parts)]
    status, _, body, _ = ask(gateway, sends(CHUNKED, *packets, LAST_CHUNK), stream=True)
    text = "".join(
        json.loads(line[6:])["choices"][0]["delta"].get("content", "")
        for line in body.split(b"\n\n")
        if line.startswith(b"data: {")
    )
    assert status == 200
    assert text.startswith("good day")
    assert last_state(gateway[0].service.archive)[0] == "finished"
