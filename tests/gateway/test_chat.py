"""The official client and curl against the real server, and what no client may ever receive."""

import asyncio
import contextlib
import json
import shutil
import socket
import subprocess

import openai
import pytest
from sqlalchemy import select

from hegui.labels.text import suffix
from hegui.store.tables import exchanges, outcomes
from hostile import CHUNKED, Server, chunk, eventually, reply, sse
from serving import HELLO, MODEL, Serving, prepared, raw, serving_settings

MESSAGES = HELLO["messages"]
REFUSED = [{"role": "user", "content": "tell me of zorblefax"}]  # a word of the sample lexicon
USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
LABEL = suffix("en")


def event(text: str | None, finish: str | None = None, **more) -> str:
    choice = {"index": 0, "delta": {} if text is None else {"content": text}}
    return json.dumps({"choices": [choice | {"finish_reason": finish}], **more})


def model_saying(*pieces: str):
    """A model that answers each request with these pieces, streamed or in one."""

    def script(peer):
        while True:
            if b'"stream":true' in peer.request():
                events = [event(piece) for piece in pieces]
                peer.send(sse(*events, event(None, "stop", usage=USAGE), "[DONE]"))
                continue
            said = {"role": "assistant", "content": "".join(pieces)}
            choice = {"index": 0, "message": said, "finish_reason": "stop"}
            peer.send(reply(json.dumps({"choices": [choice], "usage": USAGE}).encode()))

    return script


@contextlib.contextmanager
def gateway(folder, script):
    with Server(script) as model:
        settings = serving_settings(folder, f"{model.url}/v1")
        secret = prepared(settings)
        with Serving(settings) as serving:
            yield serving, secret


def client_of(serving, secret, kind=openai.OpenAI):
    return kind(
        api_key=secret,
        base_url=f"{serving.url}/v1",
        max_retries=0,
        default_headers={"accept-language": "en"},
    )


def ended(serving, state: str) -> bool:
    """Whether every exchange has an outcome, and it is `state`."""
    with serving.service.archive.store.read() as connection:
        names = set(connection.scalars(select(exchanges.c.exchange)))
        found = {r.exchange: r.state for r in connection.execute(select(outcomes))}
    return bool(names) and set(found) == names and set(found.values()) == {state}


def post(serving, secret, body) -> bytes:
    headers = {"authorization": f"Bearer {secret}", "accept-language": "en"}
    data = json.dumps(body).encode()
    return raw(serving.port, "POST", "/v1/chat/completions", data, headers)[2]


def test_openai_sync(tmp_path):
    with gateway(tmp_path, model_saying("one ", "two")) as (serving, secret):
        with client_of(serving, secret) as client:
            answer = client.chat.completions.create(model=MODEL, messages=MESSAGES)
            assert [model.id for model in client.models.list()] == [MODEL]
        assert answer.choices[0].message.content == f"one two{LABEL}"
        assert answer.choices[0].finish_reason == "stop"
        assert answer.usage.total_tokens == 7
        assert ended(serving, "finished")


def test_openai_sync_stream(tmp_path):
    with gateway(tmp_path, model_saying("one ", "two")) as (serving, secret):
        with client_of(serving, secret) as client:
            chunks = list(
                client.chat.completions.create(
                    model=MODEL,
                    messages=MESSAGES,
                    stream=True,
                    stream_options={"include_usage": True},
                )
            )
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        assert text == f"one two{LABEL}"
        assert [c.usage.total_tokens for c in chunks if c.usage] == [7]
        assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"


def test_openai_async_and_async_stream(tmp_path):
    async def talk(serving, secret) -> tuple[str, str]:
        async with client_of(serving, secret, openai.AsyncOpenAI) as client:
            create = client.chat.completions.create
            whole = await create(model=MODEL, messages=MESSAGES)
            stream = await create(model=MODEL, messages=MESSAGES, stream=True)
            streamed = [c.choices[0].delta.content or "" async for c in stream]
        return whole.choices[0].message.content, "".join(streamed)

    with gateway(tmp_path, model_saying("one ", "two")) as (serving, secret):
        assert asyncio.run(talk(serving, secret)) == (f"one two{LABEL}",) * 2


def test_refused_input_never_reaches_the_model(tmp_path):
    def silent(peer):
        peer.request()
        pytest.fail("the model was asked")

    with gateway(tmp_path, silent) as (serving, secret):
        with client_of(serving, secret) as client:
            with pytest.raises(openai.BadRequestError) as refused:
                client.chat.completions.create(model=MODEL, messages=REFUSED)
            stream = client.chat.completions.create(model=MODEL, messages=REFUSED, stream=True)
            chunks = list(stream)
        assert refused.value.code == "input_refused"
        assert refused.value.type == "content_filter"
        assert "/report/" in refused.value.message
        assert chunks[-1].choices[0].finish_reason == "content_filter"
        assert "/report/" in "".join(c.choices[0].delta.content or "" for c in chunks)
        assert ended(serving, "refused")


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("word", ["quindrasp", "嘀咚瓦棱", "QUIN\u200bdrasp"])
def test_withheld_word_never_leaves(tmp_path, word, stream):
    pieces = ["before ", *word, " after"]
    with gateway(tmp_path, model_saying(*pieces)) as (serving, secret):
        received = post(serving, secret, HELLO | {"stream": stream})
        events = [e for e in received.split(b"\n\n") if e.startswith(b"data: {")]
        bodies = [json.loads(e.removeprefix(b"data: ")) for e in events] or [json.loads(received)]
        choices = [c for body in bodies for c in body["choices"]]
        text = "".join(c.get("delta", c.get("message")).get("content", "") for c in choices)
        assert text.startswith("before ")
        assert text.endswith(LABEL)
        for secret_part in (word, word[:4], "after"):
            assert secret_part not in text
            assert secret_part.encode() not in received
        assert choices[-1]["finish_reason"] == "content_filter"
        assert ended(serving, "withheld")


def test_curl(tmp_path):
    curl = shutil.which("curl")
    if not curl:
        pytest.skip("curl is not installed")
    with gateway(tmp_path, model_saying("one ", "two")) as (serving, secret):
        command = [curl, "-sS", "--noproxy", "*", "-N", f"{serving.url}/v1/chat/completions"]
        command += ["-H", f"Authorization: Bearer {secret}", "-H", "Accept-Language: en"]
        command += ["-d", json.dumps(HELLO | {"stream": True})]
        done = subprocess.run(command, capture_output=True, check=True, timeout=30)
        assert done.stdout.endswith(b"data: [DONE]\n\n")
        assert done.stdout.count(b"data: {") >= 3  # role, text with its label, end


def test_client_that_leaves_stops_the_model_and_is_on_record(tmp_path):
    def endless(peer):
        peer.request()
        peer.send(CHUNKED)
        while True:
            peer.send(chunk(f"data: {event('word ')}\n\n".encode()), pause=0.01)

    with Server(endless) as model:
        settings = serving_settings(tmp_path, f"{model.url}/v1")
        secret = prepared(settings)
        with Serving(settings) as serving:
            body = json.dumps(HELLO | {"stream": True})
            request = (
                f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {secret}"
                f"\r\ncontent-length: {len(body)}\r\n\r\n{body}"
            )
            with socket.create_connection(("127.0.0.1", serving.port)) as leaver:
                leaver.sendall(request.encode())
                received = b""
                while received.count(b"data: ") < 3:
                    received += leaver.recv(4096)
            assert eventually(lambda: model.gone == 1)
            assert eventually(lambda: ended(serving, "interrupted"))


@pytest.mark.parametrize(
    "answer",
    [reply(b"{}", status="500 No"), reply(b"<html>"), b"", sse(event("half an ")), sse("nonsense")],
)
@pytest.mark.parametrize("stream", [True, False])
def test_broken_model_never_passes_for_a_whole_answer(tmp_path, answer, stream):
    def broken(peer):
        peer.request()
        peer.send(answer)

    with gateway(tmp_path, broken) as (serving, secret):
        received = post(serving, secret, HELLO | {"stream": stream})
        assert b"[DONE]" not in received
        error = json.loads(received.rstrip().split(b"data: ")[-1])["error"]
        assert error["code"].startswith("upstream_")
        assert ended(serving, "interrupted")
