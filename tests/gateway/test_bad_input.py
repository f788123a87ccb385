"""Whatever a client sends is answered in OpenAI's shape, in its language, and never by a 5xx."""

import json
import socket

import pytest
from sqlalchemy import func, select

from hegui.evidence.archive import Archive
from hegui.settings import Limits, Server
from hegui.store.tables import exchanges
from serving import HELLO, MODEL, Serving, make_user, prepared, serving_settings

SAID = HELLO["messages"]
BAD_BODIES = {
    "empty": b"",
    "not JSON": b"{",
    "an array": b"[]",
    "a number": b"1",
    "null": b"null",
    "not UTF-8": b'{"model":"m","messages":[{"role":"user","content":"\xff"}]}',
    "half a surrogate": b'{"model":"m","messages":[{"role":"user","content":"\\ud800"}]}',
    "deep": b'{"model":"m","messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep in a field": b'{"model":"m","messages":[],"tools":' + b"[" * 9_999 + b"]" * 9_999 + b"}",
    "no model": json.dumps({"messages": SAID}).encode(),
    "no messages": json.dumps({"model": MODEL}).encode(),
    "empty messages": json.dumps({"model": MODEL, "messages": []}).encode(),
    "unknown role": json.dumps(
        HELLO | {"messages": [{"role": "narrator", "content": ""}]}
    ).encode(),
    "no content": json.dumps(HELLO | {"messages": [{"role": "user"}]}).encode(),
    "null content": json.dumps(HELLO | {"messages": [{"role": "user", "content": None}]}).encode(),
    "an image": json.dumps(
        HELLO
        | {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}
    ).encode(),
    "huge number": json.dumps(HELLO | {"seed": 10**400}).encode(),
    "not a number": b'{"model":"m","messages":[],"temperature":NaN}',
    "words for a number": json.dumps(HELLO | {"temperature": "{warm}"}).encode(),
    "tools that are none": json.dumps(HELLO | {"tools": ["x"]}).encode(),
    "old functions": json.dumps(HELLO | {"functions": [{"name": "f"}]}).encode(),
    "too many choices": json.dumps(HELLO | {"n": 17}).encode(),
    "no choice": json.dumps(HELLO | {"n": 0}).encode(),
    "too many alternatives": json.dumps(HELLO | {"top_logprobs": 21}).encode(),
    "audio": json.dumps(HELLO | {"modalities": ["audio"]}).encode(),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    settings = serving_settings(
        tmp_path_factory.mktemp("served"), server=Server(max_body_bytes=300_000)
    )
    secret = prepared(settings)
    with Serving(settings) as serving:
        yield serving, secret


def check(answer, status: int, code: str = "") -> dict:
    assert answer[0] == status, answer
    error = answer[2]["error"]
    assert error["message"]
    assert {"type", "code", "param", "report"} <= set(error)
    if code:
        assert error["code"] == code
    return error


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
def test_bad_body(served, body, language):
    serving, secret = served
    error = check(serving.ask(secret, body, accept_language=language), 400)
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"version":1}', b'{"version":"\xff"}', b"[" * 99_999]
)
def test_bad_acceptance(served, body):
    serving, secret = served
    check(serving.ask(secret, body, "/v1/agreement"), 400, "invalid_request")


def test_stale_acceptance(served):
    serving, secret = served
    answer = serving.ask(secret, {"version": "old"}, "/v1/agreement")
    check(answer, 409, "agreement_stale")


def test_unknown_model_route_and_method(served):
    serving, secret = served
    check(serving.ask(secret, HELLO | {"model": "{x}" * 99}), 404, "model_not_found")
    for path in ("/v1/edits", "/v1/chat/completions/", "/v1/%00", "/v1/{x}", "/v1/../v1"):
        check(serving.ask(secret, HELLO, path), 404, "unknown_route")
    check(serving.ask(secret, None), 405, "wrong_method")


@pytest.mark.parametrize(
    ("key", "code"),
    [("", "key_missing"), ("hg-wrong", "key_unknown"), ("\xff\xfe", "key_unknown")],
)
def test_without_a_valid_key(served, key, code):
    serving, _ = served
    answer = serving.ask(key, HELLO)
    assert check(answer, 401, code)["obligations"] == ["IM-9.1"]
    assert answer[1]["www-authenticate"] == "Bearer"


def test_key_that_may_not_name_users(served):
    serving, secret = served
    check(serving.ask(secret, HELLO, x_hegui_user="someone"), 401, "user_not_allowed")


def test_too_large_with_and_without_a_length(served):
    serving, secret = served
    check(serving.ask(secret, b" " * 300_001), 413, "too_large")
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n"
        f"authorization: Bearer {secret}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", serving.port), timeout=10) as sender:
        sender.sendall(head.encode() + b"%x\r\n%b\r\n" % (300_001, b" " * 300_001))
        assert sender.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_languages_differ_by_header(served):
    serving, secret = served
    said = serving.ask(secret, b"", accept_language="en-GB,zh;q=0.5")[2]["error"]["message"]
    assert said.isascii()


def test_agreement_first(tmp_path):
    settings = serving_settings(tmp_path)
    secret = prepared(settings, accept=False)
    with Serving(settings) as serving:
        assert check(serving.ask(secret, HELLO), 403, "agreement_required")["obligations"]
        assert count_exchanges(serving) == 0
        status, _, shown = serving.ask(secret, None, "/v1/agreement")
        assert (status, shown["accepted"]) == (200, None)
        accepted = serving.ask(secret, {"version": shown["version"]}, "/v1/agreement")
        assert accepted[2]["accepted"]
        assert serving.ask(secret, HELLO)[0] == 200
        assert count_exchanges(serving) == 1


def count_exchanges(serving) -> int:
    with serving.service.archive.store.read() as connection:
        return connection.scalar(select(func.count()).select_from(exchanges))


def test_too_many_requests(tmp_path):
    settings = serving_settings(tmp_path, limits=Limits(key_per_minute=600, user_per_minute=1))
    secret = prepared(settings)
    with Serving(settings) as serving:
        assert serving.ask(secret, HELLO)[0] == 200
        status, headers, body = serving.ask(secret, HELLO)
        check((status, headers, body), 429, "rate_limit")
        assert 1 <= int(headers["retry-after"]) <= 60
        assert count_exchanges(serving) == 1


def test_key_made_elsewhere_is_known_without_a_restart(served):
    serving, _ = served
    archive = Archive(serving.settings)
    secret = make_user(archive, asserts="header")
    archive.close()
    serving.service.callers.refresh()
    check(serving.ask(secret, HELLO, x_hegui_user="ann"), 403, "agreement_required")
    check(serving.ask(secret, HELLO), 401, "user_name")
