import asyncio
import contextlib
import itertools
import re
import socket
import time
import tracemalloc
from collections.abc import Callable

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from hegui.gateway.address import read_address
from hegui.gateway.upstream import Client, Limits, UpstreamError
from hegui.language import Problem
from hostile import (
    CHUNKED,
    LAST_CHUNK,
    Peer,
    Server,
    certificate,
    chunk,
    events_of,
    eventually,
    head,
    reply,
    sse,
)

MB = 1 << 20
ZEROS = b"0" * (MB // 4)
QUICK = Limits(connect_seconds=2, first_byte_seconds=2, idle_seconds=2, total_seconds=5)


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request):
    return request.param


def saying(*parts: bytes, pause: float = 0) -> Callable[[Peer], None]:
    """Answer the first request with these bytes and close."""

    def script(peer):
        peer.request()
        peer.send(*parts, pause=pause)

    return script


def hanging(*parts: bytes) -> Callable[[Peer], None]:
    """Answer with these bytes and then stay silent until the client leaves."""

    def script(peer):
        peer.request()
        peer.send(*parts)
        peer.wait_gone()

    return script


def serving(*answers: bytes) -> Callable[[Peer], None]:
    """Give each request of a connection the next of the answers, over and over."""

    def script(peer):
        for answer in itertools.cycle(answers):
            peer.request()
            peer.send(answer)

    return script


async def read(client: Client) -> bytes:
    return await (await client.post("/chat", b"{}")).read()


async def stream(client: Client, got: list[bytes]) -> list[bytes]:
    async for event in events_of(await client.post("/chat", b"{}")):
        got.append(event)  # noqa: PERF401 (what came before an error is to be seen)
    return got


async def status(client: Client) -> int:
    answer = await client.post("/chat", b"{}")
    answer.abort()
    return answer.status


def ask(run, script, action=read, limits=QUICK, **options):
    """Run `action` on a client of a server with this script."""
    with Server(script, options.pop("tls", None)) as server:

        async def main():
            client = Client(server.url, limits=limits, **options)
            try:
                return await action(client)
            finally:
                client.close()

        return run(main())


def kind_of(run, script, action=read, limits=QUICK, **options) -> str:
    with pytest.raises(UpstreamError) as caught:
        ask(run, script, action, limits, **options)
    assert caught.value.code == f"upstream.{caught.value.kind}"
    return caught.value.kind


# What goes well


def test_a_request_is_sent_whole_and_its_answer_read(run):
    with Server(serving(reply(b'{"ok":1}', "X-Two: a", "x-two: b"))) as server:

        async def main():
            client = Client(server.url + "/v1/", {"Authorization": "Bearer secret"})
            answer = await client.post("/chat/completions", b'{"model":"m"}')
            body = await answer.read()
            assert await answer.read() == b""
            client.close()
            return answer, body

        answer, body = run(main())
    assert (answer.status, body) == (200, b'{"ok":1}')
    assert answer.headers == {"content-length": "8", "x-two": "a, b"}
    request = server.requests[0]
    assert request.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert request.endswith(b'content-length: 13\r\n\r\n{"model":"m"}')
    for line in ("authorization: Bearer secret", f"host: 127.0.0.1:{server.port}"):
        assert f"\r\n{line}\r\n".encode() in request
    assert b"\r\naccept-encoding: identity\r\n" in request


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(reply(b"abcdef"), id="content-length"),
        pytest.param(CHUNKED + chunk(b"abc") + chunk(b"def") + LAST_CHUNK, id="chunked"),
        pytest.param(head() + b"abcdef", id="until-close"),
        pytest.param(head(status="100 Continue") + reply(b"abcdef"), id="100-continue"),
        pytest.param(head("x: 1", status="103 Hints") * 3 + reply(b"abcdef"), id="interim"),
        pytest.param(CHUNKED + chunk(b"abcdef") + b"0\r\nx-sum: 1\r\n\r\n", id="trailers"),
        pytest.param(reply(b"abcdef", "content-encoding: identity"), id="identity"),
    ],
)
@pytest.mark.parametrize("drip", [False, True], ids=["at-once", "byte-by-byte"])
def test_every_form_of_body_is_read(run, answer, drip):
    parts = [answer[i : i + 1] for i in range(len(answer))] if drip else [answer]
    assert ask(run, saying(*parts)) == b"abcdef"


@pytest.mark.parametrize("status", [204, 302, 404, 429, 500])
def test_a_status_is_only_a_status(run, status):
    answer = head("location: /elsewhere", status=f"{status} x")
    answer = answer if status == 204 else reply(b"no", "location: /elsewhere", status=f"{status} x")

    async def status_and_body(client):
        got = await client.post("/chat", b"{}")
        return got.status, await got.read()

    assert ask(run, saying(answer), status_and_body) == (status, b"" if status == 204 else b"no")


def test_an_answer_without_a_body_does_not_wait_for_one(run):
    with Server(serving(head(status="204 x"), reply(b"next"))) as server:

        async def main():
            client = Client(server.url, limits=QUICK)
            assert await read(client) == b""
            assert await read(client) == b"next"
            client.close()

        run(main())
    assert server.connections == 1


def test_events_arrive_as_they_are_sent(run):
    events = ["{}", "你好", "[DONE]"]
    got = ask(run, serving(sse(*events)), lambda client: stream(client, []))
    assert got == [event.encode() for event in events]


def test_an_event_is_not_kept_waiting_for_the_next(run):
    async def first(client):
        answer = await client.post("/chat", b"{}")
        events = events_of(answer)
        try:
            return await asyncio.wait_for(anext(events), 1)
        finally:
            await events.aclose()

    assert ask(run, hanging(CHUNKED + chunk(b"data: now\n\n")), first) == b"now"


def test_events_of_one_read_come_without_a_switch_of_tasks(run):
    async def switches(client):
        answer, turns = await client.post("/chat", b"{}"), 0

        async def count():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counter = asyncio.create_task(count())
        await asyncio.sleep(0.2)  # all has arrived by now
        before = turns
        assert len([event async for event in events_of(answer)]) == 500
        counter.cancel()
        return turns - before

    assert ask(run, serving(sse(*["x"] * 500)), switches) <= 1


# The connections


def test_connections_are_used_again(run):
    with Server(serving(reply(b"1"), sse("2"))) as server:

        async def main():
            client = Client(server.url)
            for _ in range(5):
                assert await read(client) == b"1"
                assert await stream(client, []) == [b"2"]
            client.close()

        run(main())
    assert server.connections == 1


def test_no_more_connections_than_allowed(run):
    at_work = high = 0

    def script(peer):
        nonlocal at_work, high
        while True:
            peer.request()
            at_work += 1
            high = max(high, at_work)
            time.sleep(0.01)
            at_work -= 1
            peer.send(reply(b"ok"))

    with Server(script) as server:

        async def main():
            client = Client(server.url, limits=Limits(max_connections=4))
            got = await asyncio.gather(*(read(client) for _ in range(60)))
            client.close()
            return got

        assert run(main()) == [b"ok"] * 60
    assert server.connections <= 4
    assert 2 <= high <= 4


def test_waiting_for_a_connection_has_an_end_and_costs_none(run):
    limits = Limits(connect_seconds=0.2, max_connections=1)

    async def two(client):
        first = await client.post("/chat", b"{}")
        with pytest.raises(UpstreamError) as caught:
            await client.post("/chat", b"{}")
        first.abort()
        return caught.value.kind, await status(client)

    assert ask(run, hanging(CHUNKED), two, limits) == ("timeout", 200)


def test_a_closed_idle_connection_is_replaced_unseen(run):
    def script(peer):
        peer.request()
        peer.send(reply(b"%d" % peer.number))

    async def three(client):
        got = []
        for _ in range(3):
            got.append(await read(client))
            await asyncio.sleep(0.05)
        return got

    assert ask(run, script, three) == [b"1", b"2", b"3"]


def test_connections_that_close_on_their_second_request_are_replaced(run):
    """As behind a restarted server: all the idle ones are of no use, and one retry must do."""

    def script(peer):
        peer.request()
        time.sleep(0.05)
        peer.send(reply(b"%d" % peer.number))
        peer.request()  # and not a byte in return

    async def two_and_one(client):
        assert {*await asyncio.gather(read(client), read(client))} == {b"1", b"2"}
        return await read(client)

    assert ask(run, script, two_and_one) == b"3"


@pytest.mark.parametrize("second", [b"", b"HTTP/1.1 2"], ids=["reset", "half a line"])
def test_no_request_is_repeated_that_may_have_been_answered(run, second):
    """A first use, or a first byte, and the failure is told instead."""

    def script(peer):
        if second:
            peer.request()
            peer.send(reply(b"1"))
        peer.request()
        peer.send(second)
        if not second:
            peer.reset()

    with Server(script) as server:

        async def main():
            client = Client(server.url, limits=QUICK)
            if second:
                await read(client)
            with pytest.raises(UpstreamError) as caught:
                await read(client)
            client.close()
            return caught.value.kind

        assert run(main()) == "closed_early"
    assert server.connections == 1


def test_a_silent_second_request_is_not_repeated(run):
    """The model may be at work on it: only a closed connection proves that it is not."""

    def script(peer):
        peer.request()
        peer.send(reply(b"1"))
        peer.request()
        peer.wait_gone()

    async def two(client):
        assert await read(client) == b"1"
        return await read(client)

    assert kind_of(run, script, two, Limits(first_byte_seconds=0.3)) == "timeout"


def test_an_idle_connection_is_closed_after_its_time(run):
    with Server(serving(reply(b"ok"))) as server:

        async def main():
            client = Client(server.url, limits=Limits(idle_seconds=0.2))
            await read(client)
            return await asyncio.to_thread(eventually, lambda: server.gone == 1)

        assert run(main())


@pytest.mark.parametrize("late", [0, 0.1], ids=["at once", "later"])
def test_what_follows_an_answer_never_opens_the_next(run, late):
    def script(peer):
        peer.request()
        both = reply(b"%d" % peer.number), reply(b"smuggled")
        peer.send(*(both if late else [b"".join(both)]), pause=late)
        peer.wait_gone()

    async def two(client):
        first = await read(client)
        await asyncio.sleep(late * 3)
        return first, await read(client)

    assert ask(run, script, two) == (b"1", b"2")


def test_connection_close_is_honoured(run):
    with Server(serving(reply(b"ok", "connection: close"))) as server:

        async def main():
            client = Client(server.url)
            assert [await read(client), await read(client)] == [b"ok", b"ok"]

        run(main())
    assert server.connections == 2


# Leaving early


def endless(peer):
    peer.request()
    peer.send(CHUNKED)
    while True:
        peer.send(chunk(b"data: more\n\n"))


@pytest.mark.parametrize("way", ["abort", "break", "cancel", "cancel before headers"])
def test_leaving_frees_the_connection_on_both_sides(run, way):
    async def leave(client):
        if way == "cancel before headers":
            await asyncio.wait_for(client.post("/chat", b"{}"), 0.2)
        if way == "cancel":
            await asyncio.wait_for(stream(client, []), 0.2)
        answer = await client.post("/chat", b"{}")
        async with contextlib.aclosing(events_of(answer)) as events:
            async for _ in events:
                if way == "abort":
                    answer.abort()
                break

    silent = way == "cancel before headers"
    limits = Limits(max_connections=1)  # so that each of them needs what the last one left
    with Server(hanging() if silent else endless) as server:

        async def main():
            client = Client(server.url, limits=limits)
            for _ in range(3):
                with contextlib.suppress(TimeoutError):
                    await leave(client)
            return await asyncio.to_thread(eventually, lambda: server.gone == 3)

        assert run(main())


def test_cancelled_while_it_waits_for_a_connection(run):
    async def main(client):
        first = await client.post("/chat", b"{}")
        waiting = asyncio.create_task(client.post("/chat", b"{}"))
        await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        first.abort()
        return await status(client)

    assert ask(run, hanging(CHUNKED), main, Limits(max_connections=1)) == 200


def test_abort_after_the_end_keeps_the_connection(run):
    with Server(serving(reply(b"ok"))) as server:

        async def main():
            client = Client(server.url)
            for _ in range(3):
                answer = await client.post("/chat", b"{}")
                await answer.read()
                answer.abort()
            client.close()

        run(main())
    assert server.connections == 1


# Too slow


@pytest.mark.parametrize(
    ("parts", "limits"),
    [
        ([], Limits(first_byte_seconds=0.3)),
        ([head(status="100 Continue")], Limits(first_byte_seconds=0.3)),
        ([CHUNKED, b"5\r\nab"], Limits(idle_seconds=0.3)),
        ([CHUNKED, b"5\r\nab"], Limits(total_seconds=0.3)),
    ],
    ids=["before headers", "after 100", "idle", "total"],
)
def test_a_server_that_hangs(run, parts, limits):
    start = time.monotonic()
    assert kind_of(run, hanging(*parts), limits=limits) == "timeout"
    assert 0.25 < time.monotonic() - start < 2


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nx: ", CHUNKED + b"fff\r\n"])
def test_a_slow_drip_does_not_outlast_the_limits(run, start):
    limits = Limits(first_byte_seconds=0.4, idle_seconds=0.2, total_seconds=0.6)
    drip = saying(start, *[b"x"] * 60, pause=0.03)
    began = time.monotonic()
    assert kind_of(run, drip, limits=limits) == "timeout"
    assert time.monotonic() - began < 3


def test_a_steady_drip_within_the_limits_is_read(run):
    limits = Limits(idle_seconds=0.3, total_seconds=5)
    parts = [CHUNKED, *[chunk(b"x")] * 10, LAST_CHUNK]
    assert ask(run, saying(*parts, pause=0.08), limits=limits) == b"x" * 10


def test_a_slow_reader_makes_the_server_wait_and_loses_nothing(run):
    sent = 0

    def script(peer):
        nonlocal sent
        peer.request()
        peer.send(head(f"content-length: {64 * len(ZEROS)}"))
        for _ in range(64):
            peer.send(ZEROS)
            sent += len(ZEROS)

    async def slowly(client):
        answer = await client.post("/chat", b"{}")
        await asyncio.sleep(0.6)  # longer than the server may be idle: but it is we who pause
        held = sent
        return held, len(await answer.read())

    held, size = ask(run, script, slowly, Limits(idle_seconds=0.3, max_body_bytes=64 * MB))
    assert held < 12 * MB  # mostly in the buffers of the two sockets
    assert size == 64 * len(ZEROS)


# Too large


def flood(start: bytes, each: bytes) -> Callable[[Peer], None]:
    """Send `start` and then 100 MB more."""

    def script(peer):
        peer.request()
        peer.send(start)
        for _ in range(100 * MB // len(each)):
            peer.send(each)

    return script


@pytest.mark.parametrize(
    ("script", "action", "most"),
    [
        (flood(head(f"content-length: {100 * MB}"), ZEROS), read, 24 * MB),
        (flood(CHUNKED, chunk(ZEROS)), read, 24 * MB),
        (flood(CHUNKED + chunk(b"data: "), chunk(ZEROS)), lambda c: stream(c, []), 4 * MB),
        (flood(head()[:-2] + b"x: ", ZEROS), read, 2 * MB),
        (flood(head()[:-2], b"x: y\r\n" * 4096), read, 2 * MB),
        (flood(b"HTTP/1.1 200 ", ZEROS), read, 2 * MB),
        (flood(b"", head(status="100 x") * 4096), read, 2 * MB),
        (flood(CHUNKED + b"5;", ZEROS), read, 2 * MB),
        (flood(CHUNKED + b"0\r\n", b"x: y\r\n" * 4096), read, 2 * MB),
        (flood(CHUNKED + b"0\r\nx: ", ZEROS), read, 2 * MB),
    ],
    ids=[
        "body",
        "chunked body",
        "one event",
        "one header",
        "many headers",
        "reason",
        "interim answers",
        "chunk extension",
        "many trailers",
        "one trailer",
    ],
)
def test_100_mb_end_early_in_bounded_memory(run, script, action, most):
    tracemalloc.start()
    try:
        assert kind_of(run, script, action, Limits()) == "too_large"
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


def test_crumbs_that_nobody_reads_do_not_fill_the_memory(run):
    """A piece of two bytes costs Python some forty more."""

    async def look_away(client):
        answer = await client.post("/chat", b"{}")
        tracemalloc.start()
        await asyncio.sleep(0.3)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        answer.abort()
        return peak

    assert ask(run, flood(CHUNKED, chunk(b"00") * 4096), look_away, Limits()) < 4 * MB


def test_100_mb_of_small_events_pass_in_bounded_memory(run):
    """A stream is bounded by its time, not by its length."""

    async def count(client):
        answer, events = await client.post("/chat", b"{}"), 0
        with contextlib.suppress(UpstreamError):
            async for _ in events_of(answer):
                events += 1
        return events

    event = b"data: " + b"x" * 8000 + b"\n\n"
    each = chunk(event * 32)
    tracemalloc.start()
    try:
        events = ask(run, flood(CHUNKED, each), count, Limits())
        assert events == 100 * MB // len(each) * 32
        assert tracemalloc.get_traced_memory()[1] < 8 * MB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("size", [64, 65])
def test_the_size_limits_are_exact(run, size):
    limits = Limits(max_body_bytes=64, max_event_bytes=70, max_header_bytes=1000)
    text = b"x" * size
    for script, action in [
        (saying(reply(text)), read),
        (saying(CHUNKED, chunk(b"data: " + text + b"\n\n"), LAST_CHUNK), lambda c: stream(c, [])),
        (saying(*head("content-length: 0", f"y: {'y' * (912 + size)}").partition(b": ")), read),
    ]:
        if size == 64:
            ask(run, script, action, limits)
        else:
            assert kind_of(run, script, action, limits) == "too_large"


# Broken off, or no HTTP at all


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [b"HTTP/1.1 20"],
        [head("content-length: 10"), b"only5"],
        [CHUNKED, chunk(b"abc")],
        [CHUNKED, b"5\r\nab"],
        [CHUNKED, chunk(b"abc"), b"0\r\n"],
        [head(status="100 Continue")],
    ],
)
def test_a_server_that_closes_early(run, parts):
    assert kind_of(run, saying(*parts)) == "closed_early"


def test_a_reset_is_an_early_close(run):
    def script(peer):
        peer.request()
        peer.send(CHUNKED, chunk(b"data: 1\n\n"))
        time.sleep(0.05)
        peer.reset()

    assert kind_of(run, script) == "closed_early"


@pytest.mark.parametrize(
    "end", [b"", chunk(b"data: half"), chunk(b"data: half") + LAST_CHUNK], ids=range(3)
)
def test_whole_events_are_given_before_the_break_and_half_ones_never(run, end):
    got: list[bytes] = []
    script = saying(CHUNKED, chunk(b"data: 1\n\ndata: 2\n\n"), end)
    assert kind_of(run, script, lambda client: stream(client, got)) == "closed_early"
    assert got == [b"1", b"2"]


def test_a_missing_last_empty_line_is_forgiven(run):
    script = saying(CHUNKED, chunk(b"data: 1\n\ndata: [DONE]\n"), LAST_CHUNK)
    assert ask(run, script, lambda client: stream(client, [])) == [b"1", b"[DONE]"]


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,
        b"HTTP/1.1 999999 x\r\n\r\n",
        b"HTTP/1.1 099 x\r\n\r\n",
        head("content-length: -1"),
        head("content-length: 1", "content-length: 2") + b"ab",
        head("content-length: 1", "transfer-encoding: chunked") + b"1\r\na\r\n0\r\n\r\n",
        head("no colon"),
        head("folded: a\r\n b", "content-length: 0"),
        CHUNKED + b"xyz\r\n",
        CHUNKED + b"2\r\nabcd\r\n",
        head("upgrade: websocket", "connection: upgrade", status="101 Switching Protocols"),
        head(status="101 Switching Protocols") + b"abc",
        reply(b"x", "content-encoding: gzip"),
        reply(b"x", "Content-Encoding: br"),
        head("transfer-encoding: gzip, chunked") + b"0\r\n\r\n",
    ],
    ids=range(16),
)
def test_garbage(run, answer):
    assert kind_of(run, saying(answer)) == "garbage"


@given(st.binary(min_size=1, max_size=200), st.sampled_from([b"", CHUNKED, head(), reply(b"ab")]))
def test_no_bytes_raise_anything_but_an_upstream_error(data, start):
    async def both():
        here, there = socket.socketpair()
        loop = asyncio.get_running_loop()
        client = Client("http://127.0.0.1", limits=QUICK)
        with there:
            there.setblocking(False)

            async def dial(make, *address, **options):
                return await original(make, sock=here)

            original, loop.create_connection = loop.create_connection, dial
            asking = asyncio.create_task(stream(client, []))
            await loop.sock_recv(there, 4096)
            await loop.sock_sendall(there, start + data)
        with contextlib.suppress(UpstreamError):
            await asking
        client.close()
        assert client._slots._value == QUICK.max_connections

    asyncio.run(both())


def test_nobody_listens(run):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    async def main():
        client = Client(f"http://127.0.0.1:{port}", limits=Limits(max_connections=1))
        for _ in range(3):  # a failure must not use up the one connection
            with pytest.raises(UpstreamError) as caught:
                await client.post("/", b"")
            assert caught.value.kind == "connect"
            assert isinstance(caught.value.__cause__, OSError)

    run(main())


def test_a_host_that_cannot_be(run):
    async def main():
        with pytest.raises(UpstreamError) as caught:
            await Client(f"http://{'x' * 80}..y").post("/", b"")
        return caught.value.kind

    assert run(main()) == "connect"


# TLS


def named(monkeypatch, name):
    """Let `name` lead to 127.0.0.1, as a line in /etc/hosts would."""
    real = socket.getaddrinfo

    def lookup(host, *args, **kwargs):
        return real("127.0.0.1" if host == name else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)


def test_tls_with_a_trusted_certificate(run, tmp_path):
    tls, ca_file = certificate(tmp_path, "127.0.0.1")
    stay = serving(reply(b"safe"), sse("1", "2"))

    async def both(client):
        return await read(client), await stream(client, [])

    assert ask(run, stay, both, tls=tls, ca_file=ca_file) == (b"safe", [b"1", b"2"])


def test_tls_without_trust(run, tmp_path):
    tls, _ = certificate(tmp_path, "127.0.0.1")
    assert kind_of(run, serving(reply(b"no")), tls=tls) == "tls"


def test_tls_with_another_host_name(run, tmp_path):
    tls, ca_file = certificate(tmp_path, "elsewhere.example", "127.0.0.2")
    assert kind_of(run, serving(reply(b"no")), tls=tls, ca_file=ca_file) == "tls"


def test_tls_names_the_host_it_wants(tmp_path, monkeypatch):
    named(monkeypatch, "model.example")
    tls, ca_file = certificate(tmp_path, "model.example")
    names = []
    tls.sni_callback = lambda sock, name, context: names.append(name)
    with Server(serving(reply(b"safe")), tls) as server:

        async def main():
            client = Client(f"https://model.example:{server.port}", ca_file=ca_file)
            body = await read(client)
            client.close()
            return body

        assert asyncio.run(main()) == b"safe"
    assert names == ["model.example"]


def test_tls_to_a_server_without_it(run):
    with Server(saying(reply(b"plain"))) as server:

        def plain(peer):
            peer.sock.recv(4096)
            peer.send(reply(b"plain"))

        server._script = plain

        async def main():
            with pytest.raises(UpstreamError) as caught:
                await Client(f"https://127.0.0.1:{server.port}").post("/", b"")
            return caught.value.kind

        assert run(main()) == "tls"


def test_a_handshake_that_hangs(run, tmp_path):
    _, ca_file = certificate(tmp_path, "127.0.0.1")
    with Server(Peer.wait_gone) as server:

        async def main():
            client = Client(
                f"https://127.0.0.1:{server.port}", None, Limits(connect_seconds=0.3), ca_file
            )
            with pytest.raises(UpstreamError) as caught:
                await client.post("/", b"")
            return caught.value.kind

        assert run(main()) == "timeout"


@pytest.mark.parametrize("action", [read, lambda client: stream(client, [])])
def test_floods_and_hangs_behind_tls(run, tmp_path, action):
    tls, ca_file = certificate(tmp_path, "127.0.0.1")
    for script, kind in [
        (flood(CHUNKED, chunk(ZEROS)), "too_large"),
        (hanging(CHUNKED), "timeout"),
    ]:
        limits = Limits(idle_seconds=0.3, max_body_bytes=MB)
        assert kind_of(run, script, action, limits, tls=tls, ca_file=ca_file) == kind


# What it is given


@pytest.mark.parametrize(
    "address",
    [
        "",
        "model",
        "ftp://model",
        "http://",
        "http://user:secret@model",
        "http://model?x=1",
        "http://model/#x",
        "http://model:0",
        "http://model:70000",
        "http://model:x",
        "http://mo del",
        "http://model/v 1",
        "http://模型/v1",
        "http://model\r\nx: y",
    ],
)
def test_an_unusable_address(address):
    with pytest.raises(Problem, match="https://host:port/v1") as caught:
        Client(address)
    assert caught.value.code == "upstream.address"


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("http://model_1:8000/v1", "model_1:8000"),
        ("https://API.example.com", "API.example.com"),
        ("http://[::1]:8000", "[::1]:8000"),
    ],
)
def test_the_host_header(address, host):
    assert f"\r\nhost: {host}\r\n" in Client(address)._head
    assert read_address(address).shown == host


@pytest.mark.parametrize(
    ("name", "value"),
    [("x", "a\r\nb: c"), ("x y", "a"), ("x", ""), ("x", "密"), ("Host", "a"), ("Connection", "a")],
)
def test_an_unusable_header(name, value):
    with pytest.raises(Problem, match=re.escape(f"The header {name} ")) as caught:
        Client("http://model", {name: value})
    assert caught.value.code == "upstream.header"


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_an_unusable_ca_file(tmp_path, content):
    path = tmp_path / "ca.pem"
    if content:
        path.write_text(content)
    with pytest.raises(Problem, match=re.escape(str(path))) as caught:
        Client("https://model", ca_file=str(path))
    assert caught.value.code == "upstream.ca_file"


@pytest.mark.parametrize("path", ["chat", "/a b", "/a\r\nx: y", "/密"])
def test_a_path_cannot_carry_more_than_a_path(path):
    with pytest.raises(ValueError, match=re.escape(path)):
        asyncio.run(Client("http://127.0.0.1").post(path, b""))
