import asyncio
import socket

import pytest

from hegui.gateway.models import Models
from hegui.gateway.upstream import UpstreamError
from hegui.language import Problem
from hegui.settings import Settings, Upstream
from hostile import CHUNKED, LAST_CHUNK, Server, chunk, head, reply, sse


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def models(*upstreams: Upstream, clock=None) -> Models:
    return Models(Settings(upstream=upstreams), clock or Clock())


def upstream(name: str, server, **more) -> Upstream:
    url = server if isinstance(server, str) else f"{server.url}/v1"
    limits = {"connect_seconds": 1, "first_byte_seconds": 0.3, "idle_seconds": 0.3} | more
    return Upstream(name=name, url=url, models=("x",), **limits)


def answering(answer: bytes):
    def script(peer):
        while True:
            peer.request()
            peer.send(answer)

    return script


def silent(*parts: bytes):
    def script(peer):
        peer.request()
        peer.send(*parts)
        peer.wait_gone()

    return script


def closing(peer):
    peer.request()


GOOD = reply(b"good")


def nobody() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}/v1"


async def ask(given: Models, model="x"):
    try:
        answer = await given.client(model).post("chat/completions", b"{}")
        return answer.upstream, await answer.read()
    finally:
        given.close()
        await asyncio.sleep(0)  # a transport closes a turn later


def test_the_first_of_the_file_is_asked_first_and_a_name_is_listed_once():
    with Server(answering(GOOD)) as server:
        both = models(
            upstream("a", server),
            Upstream(name="b", url=nobody(), models=("x", "y")),
        )
        assert asyncio.run(ask(both)) == ("a", b"good")
    assert server.requests[0].startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert both.names() == ["x", "y"]
    assert both.default == "x"


def test_unknown_name_has_no_model():
    only = models(Upstream(name="a", url="demo:", models=("x",)))
    assert not only.knows("z")
    with pytest.raises(KeyError):
        only.client("z")


def test_upstream_without_names_answers_for_every_other():
    other = models(Upstream(name="a", url="demo:"))
    assert other.knows("anything")
    assert other.default == "default"


def test_missing_key_of_an_upstream_is_told(monkeypatch):
    monkeypatch.delenv("TEST_UPSTREAM_KEY", raising=False)
    given = Upstream(name="a", url="http://127.0.0.1:1", api_key_env="TEST_UPSTREAM_KEY")
    with pytest.raises(Problem, match="TEST_UPSTREAM_KEY") as problem:
        models(given)
    assert problem.value.code == "upstream.key"


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (silent(), "timeout"),
        (silent(head("content-length: 5")), "timeout"),
        (silent(CHUNKED), "timeout"),
        (closing, "closed_early"),
        (answering(b"SSH-2.0-OpenSSH_9.2\r\n"), "garbage"),
        (answering(reply(b"x", "content-encoding: gzip")), "garbage"),
        (answering(reply(b"busy", status="429 Too Many")), "status"),
        (answering(reply(b"oops", status="500 Error")), "status"),
        (answering(reply(b"away", status="503 Away")), "status"),
    ],
)
def test_the_next_is_asked_when_nothing_of_an_answer_has_come(script, kind):
    with Server(script) as bad, Server(answering(GOOD)) as good:
        both = models(upstream("a", bad), upstream("b", good))
        assert asyncio.run(ask(both)) == ("b", b"good")
        first, second = both.status()
    assert (first.asked, first.failed, first.in_a_row) == (1, {kind: 1}, 1)
    assert first.rests_for > 0
    assert (second.asked, second.failed, second.rests_for) == (1, {}, 0)
    assert bad.connections == 1


def test_the_next_is_asked_when_nobody_listens():
    with Server(answering(GOOD)) as good:
        both = models(upstream("a", nobody()), upstream("b", good))
        assert asyncio.run(ask(both)) == ("b", b"good")
    assert both.status()[0].failed == {"connect": 1}


@pytest.mark.parametrize("status", ["400 Bad", "404 None"])
def test_an_error_that_is_the_callers_own_is_the_answer(status):
    with Server(answering(reply(b"no", status=status))) as first, Server(answering(GOOD)) as second:
        both = models(upstream("a", first), upstream("b", second))
        assert asyncio.run(ask(both)) == ("a", b"no")
    assert second.connections == 0


@pytest.mark.parametrize("beginning", [chunk(b"d"), chunk(b"data: 1\n\n")])
def test_never_after_a_byte_of_an_answer(beginning):
    def script(peer):
        peer.request()
        peer.send(CHUNKED + beginning)

    with Server(script) as broken, Server(answering(GOOD)) as good:
        both = models(upstream("a", broken), upstream("b", good))
        with pytest.raises(UpstreamError) as caught:
            asyncio.run(ask(both))
    assert caught.value.kind == "closed_early"
    assert good.connections == 0


def test_a_failing_upstream_rests_ever_longer_and_one_request_tries_it():
    clock, healthy = Clock(), False

    def script(peer):
        peer.request()
        if healthy:
            peer.send(GOOD)

    with Server(script) as shaky, Server(answering(GOOD)) as good:
        both = models(upstream("a", shaky), upstream("b", good), clock=clock)
        rests = []
        for turn in range(1, 11):
            assert asyncio.run(ask(both))[0] == "b"
            assert asyncio.run(ask(both))[0] == "b"  # it rests: not asked
            assert shaky.connections == turn
            rests.append(both.status()[0].rests_for)
            clock.now += rests[-1] + 0.01
        healthy = True
        assert asyncio.run(ask(both)) == ("a", b"good")
    assert all(0.75 * want <= rest <= 1.25 * want for rest, want in zip(rests, [1, 2, 4, 8, 16, 32, *[60] * 4]))  # fmt: skip  # noqa: B905
    assert both.status()[0].in_a_row == 0


def test_many_at_once_count_as_one_failure_and_only_one_probes():
    clock = Clock()
    with Server(silent()) as hung, Server(answering(GOOD)) as good:
        both = models(upstream("a", hung), upstream("b", good), clock=clock)

        async def everyone():
            return {name for name, _ in await asyncio.gather(*[ask(both) for _ in range(20)])}

        assert asyncio.run(everyone()) == {"b"}
        assert both.status()[0].in_a_row == 1
        clock.now += 2
        before = hung.connections
        assert asyncio.run(everyone()) == {"b"}
        assert hung.connections == before + 1


def test_a_probe_whose_client_left_does_not_keep_the_upstream_away():
    clock = Clock()
    with Server(silent()) as hung:
        only = models(upstream("a", hung, first_byte_seconds=5), clock=clock)
        only._sources[0]._rest()
        clock.now += 2

        async def leave():
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ask(only), 0.1)

        asyncio.run(leave())
    assert only.status()[0].rests_for == 0


def test_if_all_rest_the_least_bad_is_tried():
    clock = Clock()
    with Server(answering(GOOD)) as good:
        both = models(upstream("a", good), upstream("b", nobody()), clock=clock)
        first, second = both._sources
        first._rest()
        second._rest()
        second._rest()
        assert first.rests_until < second.rests_until
        assert asyncio.run(ask(both)) == ("a", b"good")


def test_when_all_fail_the_last_failure_is_told():
    with Server(answering(reply(b"busy", status="429 Too Many"))) as busy:
        both = models(upstream("a", nobody()), upstream("b", busy))
        with pytest.raises(UpstreamError) as caught:
            asyncio.run(ask(both))
    assert caught.value.kind == "status"
    assert [status.failed for status in both.status()] == [{"connect": 1}, {"status": 1}]


def test_the_limits_of_the_settings_hold():
    with Server(answering(reply(b"x" * 200))) as server:
        small = models(upstream("a", server, max_answer_bytes=100))
        with pytest.raises(UpstreamError) as caught:
            asyncio.run(ask(small))
    assert caught.value.kind == "too_large"


def test_events_of_the_second_choice_arrive():
    with Server(answering(sse("1", "[DONE]"))) as good:
        both = models(upstream("a", nobody()), upstream("b", good))

        async def stream():
            answer = await both.client("x").post("chat/completions", b"{}")
            events = []
            while found := await answer.next_events():
                events += found
            both.close()
            return answer.upstream, events

        assert asyncio.run(stream()) == ("b", [b"1", b"[DONE]"])


def test_an_empty_answer_is_an_answer():
    with Server(answering(CHUNKED + LAST_CHUNK)) as server:
        assert asyncio.run(ask(models(upstream("a", server)))) == ("a", b"")
