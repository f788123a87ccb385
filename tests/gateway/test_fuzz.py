"""Whatever a client or a model sends: an answer of our own within seconds, and the ledger stays whole.

There is no OpenAPI description to drive a generator from, so the bodies are made here: valid ones of
each API with fields changed, dropped and added, JSON of any shape, bytes. Only a model's bad reply may
become a 5xx, and that is a 502 which names the model. A 503 would mean that something broke in here.
"""

import http.client
import json
import socket
import time
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from archive import nothing
from hegui.evidence.archive import Archive
from hegui.evidence.verify import verify
from hegui.gateway.app import ROUTES
from hegui.settings import Limits, Server
from hegui.store.tables import entries, exchanges, outcomes
from hostile import eventually, reply, sse
from routing import HIT, SCHEMA
from saying import Saying, call, token
from serving import MODEL, Serving, make_user, prepared, serving_settings
from soaking import publish

pytestmark = pytest.mark.once

FEW, MANY = 60, 1_200  # examples a test: `make test`, `make soak`
PATIENCE = 10  # seconds in which every answer must be over
SAID = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": [{"type": "text", "text": "hello"}]},
    {"role": "assistant", "content": None, "tool_calls": [call(0, "look", '{"q": [1, "a"]}')]},
    {"role": "tool", "tool_call_id": "call-0", "content": "seen"},
]
TOOL = {"name": "look", "description": "looks", "parameters": SCHEMA}
COMMON = {"model": MODEL, "temperature": 0.5, "top_p": 1}
VALID: dict[str, Any] = {
    "/v1/chat/completions": COMMON
    | {
        "messages": SAID,
        "n": 2,
        "seed": 7,
        "stop": ["end"],
        "logprobs": True,
        "top_logprobs": 2,
        "logit_bias": {"50": 1},
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA}},
        "tools": [{"type": "function", "function": TOOL}],
        "tool_choice": {"type": "function", "function": {"name": "look"}},
        "stream_options": {"include_usage": True},
    },
    "/v1/responses": COMMON
    | {
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "hello"}]},
            {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "seen"},
        ],
        "instructions": "Be kind.",
        "tools": [{"type": "function", **TOOL}],
        "text": {"format": {"type": "json_schema", "name": "s", "schema": SCHEMA}},
        "include": ["message.output_text.logprobs"],
        "top_logprobs": 2,
        "reasoning": {"effort": "low"},
        "metadata": {"a": "b"},
    },
    "/v1/completions": COMMON
    | {"prompt": ["hello"], "n": 2, "echo": True, "stop": "end", "stream_options": {}},
    "/v1/messages": COMMON
    | {
        "max_tokens": 9,
        "system": [{"type": "text", "text": "Be kind."}],
        "messages": [
            {"role": "user", "content": "hello"},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "t", "name": "look", "input": {"q": 1}}],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "t", "content": "seen"}],
            },
        ],
        "tools": [{"name": "look", "input_schema": SCHEMA}],
        "tool_choice": {"type": "auto"},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    },
    "/v1/embeddings": {"model": MODEL, "input": ["hello", "you"], "encoding_format": "float"},
    "/v1/moderations": {"input": ["hello", {"type": "text", "text": "you"}]},
    "/v1/models": {},
    "/v1/agreement": {"version": "1"},
}
ASKING = list(VALID)[:5]  # those that ask a model
STREAMING = list(VALID)[:4]


# -- what a model may say when all is well ----------------------------------------------------------

USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


def chat_said(name: str) -> dict[str, Any]:
    """A choice of a chat, whole (`message`) or a part of a stream (`delta`)."""
    said = {
        "role": "assistant",
        "content": f"hi {HIT[:2]}",
        "reasoning_content": "hm",
        "refusal": None,
        "tool_calls": [call(0, "look", '{"q": 1}')],
    }
    logprobs = {"content": [token("h"), token("i")], "refusal": None}
    return {"index": 0, name: said, "logprobs": logprobs, "finish_reason": "tool_calls"}


def says(path: str, name: str) -> dict[str, Any]:
    """A good answer for this route, or a good event of its stream."""
    if path == "/v1/embeddings":
        return {"data": [{"embedding": [0.5, 1], "index": 0}], "usage": USAGE}
    text = {"index": 0, "text": "hi", "finish_reason": "stop"}
    choice = text if path == "/v1/completions" else chat_said(name)
    return {"id": "x", "object": "o", "choices": [choice, choice | {"index": 1}], "usage": USAGE}


# -- anything at all ---------------------------------------------------------------------------------

TEXTS = st.one_of(
    st.text(max_size=8),
    st.text(st.characters(categories=["Cs", "Cc", "Lo"]), max_size=4),  # half surrogates too
    st.sampled_from(["", HIT, MODEL, "text", "user", "{x}", "data: ", "\r\n\r\n", "\0", "[DONE]"]),
    st.integers(1_000, 70_000).map("a".__mul__),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**25), 10**25),
    st.sampled_from([10**400, -(10**400), 1 << 63, -(1 << 63), 0, -1, 1e308, -0.0]),
    st.floats(),  # NaN and Infinity are no JSON, but clients write them
    TEXTS,
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=10,
)
DEEP = "@deep@"  # stands where the text gets something nested deeply


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container in the value with each of its keys."""
    if not isinstance(value, dict | list):
        return []
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    return [(value, key) for key in keys] + [p for key in keys for p in places(value[key])]


@st.composite
def changed(draw, base: Any) -> bytes:
    """The JSON of `base` with up to four changes anywhere inside."""
    body = json.loads(json.dumps(base))
    for _ in range(draw(st.integers(0, 4))):
        found = places(body)
        if draw(st.booleans()):  # as often right at the top as anywhere
            found = found[: len(body)]
        if not found:
            break
        inside, key = found[draw(st.integers(0, len(found) - 1))]
        change = draw(st.sampled_from(["replace", "drop", "add", "double", "deep"]))
        if change == "drop":
            del inside[key]
        elif change == "double" and isinstance(inside, list):
            inside.append(inside[key])
        elif change == "add" and isinstance(inside, dict):
            inside[draw(TEXTS)] = draw(JSON)
        else:
            inside[key] = DEEP if change == "deep" else draw(JSON)
    levels = draw(st.sampled_from([30, 65, 500, 20_000]))
    deep = b"[" * levels + b"]" * levels
    return json.dumps(body).encode().replace(f'"{DEEP}"'.encode(), deep)


@st.composite
def damaged(draw, base: Any) -> bytes:
    """The JSON of `base`, cut short or with bytes in it that do not belong there."""
    body = json.dumps(base, ensure_ascii=False).encode()
    at = draw(st.integers(0, len(body)))
    return body[:at] + draw(st.binary(max_size=6)) + draw(st.sampled_from([b"", body[at + 1 :]]))


def bodies(base: Any) -> st.SearchStrategy[bytes]:
    return st.one_of(
        changed(base),
        changed(base),
        damaged(base),
        JSON.map(lambda value: json.dumps(value).encode()),
        st.binary(max_size=60),
        st.sampled_from([b"", b"[" * 99_999, b'{"a":' * 50_000, b"\xff\xfe{}", b" " * 300_001]),
    )


def replies(path: str) -> st.SearchStrategy[bytes]:
    """What a model's server may send, down to bytes that are no HTTP."""
    whole, part = says(path, "message"), says(path, "delta")
    events = st.lists(st.one_of(changed(part), bodies(part)), max_size=4)
    over = st.sampled_from([["[DONE]"], []])
    texts = events.map(lambda found: [e.decode("utf-8", "replace") for e in found])
    statuses = st.sampled_from(["200 OK", "200 OK", "429 Slow", "500 No", "302 There", "204 None"])
    return st.one_of(
        changed(whole).map(reply),
        st.builds(lambda found, end: sse(*found, *end), texts, over),
        st.builds(lambda body, status: reply(body, status=status), bodies(whole), statuses),
        st.builds(lambda body: reply(body, "content-type: text/event-stream"), st.binary()),
        st.builds(bytes.__add__, st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n"]), st.binary()),
    )


VALUES = st.one_of(
    st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=12).map(
        lambda text: text.encode("latin-1").translate(None, b"\r\n")
    ),
    st.sampled_from([b"adult", b"zh;q=1e999", b"en;q=,,;", b"*", b"a," * 2_000, b"\xff", b"-1"]),
)
NAMES = ["Accept-Language", "X-Hegui-Profile", "X-Hegui-User", "X-Hegui-User-Token", "X-Hegui-No",
         "X-Api-Key", "Content-Type", "Accept", "Authorization", "Expect", "Cookie"]  # fmt: skip
HEADERS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3)


# -- the gateway ---------------------------------------------------------------------------------------


class Gateway:
    def __init__(self, serving: Serving, model: Saying, secrets: list[str]) -> None:
        self.serving, self.model, self.secrets = serving, model, secrets

    def headers(self, more: dict[str, bytes], which: int = 0) -> bytes:
        key = f"Bearer {self.secrets[which]}".encode()
        given = {"Host": b"x", "Connection": b"close", "Authorization": key} | more
        return b"".join(name.encode() + b": " + value + b"\r\n" for name, value in given.items())

    def post(self, path: str, body: bytes, more: dict[str, bytes], which: int = 0) -> int:
        head = self.headers(more, which) + b"Content-Length: %d\r\n" % len(body)
        return self.check(b"POST %b HTTP/1.1\r\n%b\r\n%b" % (path.encode(), head, body))

    def check(self, request: bytes, *, hang_up: bool = False) -> int:
        """Send this; what comes back must be an answer of ours, and soon. Returns its status."""
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", self.serving.port), PATIENCE) as sock:
            status, kind, received = _answer(sock, request, hang_up=hang_up)
        assert time.monotonic() - began < PATIENCE
        assert b"Traceback" not in received
        assert status < 500 or status == 502, received
        if request.startswith(b"HEAD "):
            assert not received
        elif status >= 400 and kind == "application/json":
            error = json.loads(received)["error"]
            assert error["message"]
            assert (status == 502) == error["code"].startswith("upstream_")
        elif status >= 400:  # the server's own words on what is no HTTP
            assert (status, received) == (400, b"Invalid HTTP request received."), received
        elif kind.startswith("text/event-stream"):
            _check_events(received)
        elif status:
            json.loads(received)
        return status

    def check_evidence(self) -> int:
        """Every exchange has one end, none broke in here, the ledger verifies; how many there are."""
        store = self.serving.service.archive.store
        assert eventually(lambda: _open(store) == set())
        with store.read() as connection:
            reasons = Counter(connection.scalars(select(outcomes.c.reason)))
            heads = [json.loads(head) for head in connection.scalars(select(entries.c.head))]
        kinds = Counter(h["kind"] for h in heads if h["kind"].startswith("exchange."))
        ends = Counter(h["subject"] for h in heads if h["kind"] == "exchange.finished")
        assert set(ends.values()) <= {1}
        assert kinds["exchange.admitted"] == kinds["exchange.finished"]
        assert reasons["broken"] == 0
        archive = Archive(self.serving.settings)
        report = verify(archive, nothing, unseal=True)
        archive.close()
        assert not report.findings
        return len(ends)


def _answer(sock: socket.socket, request: bytes, *, hang_up: bool) -> tuple[int, str, bytes]:
    """Status (0 if the server closed without one), content type, body."""
    try:
        sock.sendall(request)
        if hang_up:
            sock.shutdown(socket.SHUT_WR)
    except ConnectionError:
        pass  # it has seen enough, and its answer may be here already
    received = http.client.HTTPResponse(sock, method="HEAD" if request[:5] == b"HEAD " else None)
    try:
        received.begin()
        return received.status, received.headers.get("content-type", ""), received.read()
    except (http.client.RemoteDisconnected, ConnectionError):
        return 0, "", b""


def _check_events(received: bytes) -> None:
    """Each event is JSON, and an error in it is the model's."""
    for block in received.decode().strip().split("\n\n"):
        data = block.split("data: ", 1)[1]
        if data == "[DONE]":
            continue
        said = json.loads(data)
        error = said.get("error") or (said.get("response") or {}).get("error")
        if error or said.get("type") == "error":
            assert '"upstream_' in data, data


def _open(store) -> set[str]:
    with store.read() as connection:
        admitted = set(connection.scalars(select(exchanges.c.exchange)))
        return admitted - set(connection.scalars(select(outcomes.c.exchange)))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with Saying() as model:
        found = serving_settings(
            tmp_path_factory.mktemp("fuzz"),
            model.url,
            limits=Limits(10**9, 10**9),
            server=Server(max_body_bytes=300_000),
        )
        anything = msgspec.structs.replace(found.upstream[0], models=(), idle_seconds=2)
        found = msgspec.structs.replace(found, upstream=(anything,))
        secrets = [prepared(found)]
        archive = Archive(found)
        secrets.append(make_user(archive, asserts="header"))
        archive.close()
        with Serving(found) as serving:
            yield Gateway(serving, model, secrets)


def fuzz(count: int, *strategies: st.SearchStrategy[Any]):
    """Run what it decorates on so many examples: the same ones in each ordinary run."""

    def run(example) -> None:
        limits = settings(
            max_examples=count,
            derandomize=count == FEW,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        limits(given(*strategies)(example))()

    return run


# -- the tests -----------------------------------------------------------------------------------------


def fuzz_requests(gateway: Gateway, path: str, count: int) -> None:
    good = reply(json.dumps(says(path, "message")).encode())

    @fuzz(count, bodies(VALID[path]), HEADERS, st.booleans())
    def ask(body, more, named):
        gateway.model.sends(good)
        gateway.post(path, body, more, int(named))

    gateway.check_evidence()


def fuzz_streams(gateway: Gateway, path: str, count: int) -> None:
    part = json.dumps(says(path, "delta"))

    @fuzz(count, changed(VALID[path] | {"stream": True}))
    def ask(body):
        gateway.model.sends(sse(part, part, "[DONE]"))
        gateway.post(path, body, {})

    assert gateway.check_evidence()


def fuzz_replies(gateway: Gateway, path: str, count: int) -> None:
    before = gateway.check_evidence()

    @fuzz(count, replies(path), st.booleans())
    def ask(answer, stream):
        gateway.model.sends(answer)
        gateway.post(path, json.dumps(VALID[path] | {"stream": stream}).encode(), {})

    assert gateway.check_evidence() >= before + count // 2


def fuzz_framing(gateway: Gateway, path: str, count: int) -> None:
    """Lengths that lie, chunks that are none, and clients that go away in the middle."""
    body = json.dumps(VALID[path]).encode()
    framing = st.one_of(
        st.integers(-9, len(body) + 50).map(lambda n: f"Content-Length: {n}"),
        st.sampled_from([
            "Content-Length: 9" * 9, "Content-Length: 99999999999999999999", "Content-Length: x",
            "Transfer-Encoding: chunked", "Transfer-Encoding: gzip", "X: y",
            "Content-Length: 1\r\nContent-Length: 2", "Content-Length: 3\r\nTransfer-Encoding: chunked",
        ]),
    )  # fmt: skip
    parts = st.sampled_from([b"", body, b"5\r\n" + body, b"ffffffffffff\r\nx", b"0\r\n\r\n" + body])
    methods = st.sampled_from(["POST", "GET", "PUT", "HEAD", "PRI", "get", "P\0ST", ""])

    @fuzz(count, framing, st.one_of(parts, st.binary(max_size=40)), methods)
    def ask(length, sent, method):
        gateway.model.sends(reply(json.dumps(says(path, "message")).encode()))
        head = f"{method} {path} HTTP/1.1\r\n{length}\r\n".encode()
        gateway.check(head + gateway.headers({}) + b"\r\n" + sent, hang_up=True)

    gateway.check_evidence()


RUNS = [
    *[(fuzz_requests, route.path) for route in ROUTES],
    *[(fuzz_streams, path) for path in STREAMING],
    *[(fuzz_replies, path) for path in ASKING],
    *[(fuzz_framing, path) for path in ("/v1/chat/completions", "/v1/models", "/v1/agreement")],
]
NAMED = [f"{run.__name__} {path}" for run, path in RUNS]


@pytest.mark.parametrize(("run", "path"), RUNS, ids=NAMED)
def test_fuzz(gateway, run, path):
    run(gateway, path, FEW)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_soak_fuzz(gateway):
    for run, path in RUNS:
        run(gateway, path, MANY)
    ends = gateway.check_evidence()
    result = (
        f"{len(RUNS) * MANY:,} examples, {ends:,} exchanges on record with one end each: no 5xx but "
        "for a bad model, no hang, ledger verified"
    )
    publish("anything a client or a model may send, every route", result)


@pytest.mark.parametrize("name", ["a" * 121, "a" * 70_000, "a\0b"])
def test_model_whose_name_no_record_holds(gateway, name):
    for path in ASKING:
        data = json.dumps(VALID[path] | {"model": name}).encode()
        assert gateway.post(path, data, {}) == 404


def test_every_valid_body_is_answered(gateway):
    """Else the changes would all be changes of something that is refused anyway."""
    for path in ASKING:
        for stream in (False, True) if path in STREAMING else (False,):
            whole, part = (json.dumps(says(path, name)) for name in ("message", "delta"))
            gateway.model.sends(sse(part, "[DONE]") if stream else reply(whole.encode()))
            data = json.dumps(VALID[path] | {"stream": stream}).encode()
            assert gateway.post(path, data, {}) == 200, path
