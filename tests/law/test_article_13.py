"""Art. 13: the service stays usable, and what fails ends clearly and on record."""

import contextlib
import http.client
import json
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from articles import asking, heads, standing
from hegui.evidence.archive import Archive
from hegui.settings import Limits
from hegui.store.tables import exchanges, outcomes
from hostile import CHUNKED, GoneError, Server, chunk, reply
from routing import routed
from saying import choice
from serving import prepared, serving_settings

pytestmark = pytest.mark.once

CHAT = "/v1/chat/completions"
WORKER = Path(__file__).parents[1] / "serving.py"


def archive_of(gateway):
    return gateway.serving.service.archive


def test_nobody_takes_more_than_the_limit(tmp_path):
    with routed(tmp_path, limits=Limits(key_per_minute=600, user_per_minute=2)) as gateway:
        gateway.model.says(choice("an answer"))
        replies = [gateway.serving.ask(gateway.secret, asking(CHAT)) for _ in range(3)]
        assert [status for status, _, _ in replies] == [200, 200, 429]
        _, head, told = replies[-1]
        assert told["error"]["code"] == "rate_limit"
        assert told["error"]["obligations"] == ["IM-13"]
        assert 0 < int(head["retry-after"]) <= 30
        assert len(gateway.model.asked) == 2
        found = standing(archive_of(gateway), "IM-13")
        assert found.state == "partly"  # the target for availability is the operator's
        assert {part.found.count.population for part in found.parts} == {2}


@pytest.mark.parametrize(
    "sent", [reply(b"secret of theirs", status="500 Oops"), reply(b"<html>"), b"HTT"]
)
def test_a_model_that_fails_is_a_clear_error_and_an_end_on_record(tmp_path, sent):
    with routed(tmp_path) as gateway:
        gateway.model.sends(sent)
        status, head, told = gateway.serving.ask(gateway.secret, asking(CHAT), accept_language="en")
        assert status == 502
        assert told["error"]["message"].startswith("The model did not answer as it should")
        assert "secret" not in json.dumps(told)
        assert head["retry-after"] == "1"
        [end] = heads(archive_of(gateway), "exchange.finished")
        assert end.facts["state"] == "interrupted"
        assert end.facts["reason"].startswith("upstream_")
        gateway.model.says(choice("an answer"))
        assert gateway.serving.ask(gateway.secret, asking(CHAT))[0] == 200
        ended = standing(archive_of(gateway), "IM-13").parts[0].found
        assert (ended.name, ended.count.population) == ("exchanges_ended", 2)
        assert ended.outcome == "good"


def endless(peer):
    event = json.dumps({"choices": [{"index": 0, "delta": {"content": "word "}}]})
    peer.request()
    peer.send(CHUNKED)
    with contextlib.suppress(GoneError):
        while True:
            peer.send(chunk(f"data: {event}\n\n".encode()), pause=0.02)


def kill_while_it_answers(settings, secret):
    """Start a gateway, read the first of an answer, kill it; returns the exchange."""
    server = subprocess.Popen(
        [sys.executable, WORKER, pickle.dumps(settings).hex()], stdout=subprocess.PIPE
    )
    try:
        port = int(server.stdout.readline())
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        headers = {"authorization": f"Bearer {secret}"}
        connection.request("POST", CHAT, json.dumps(asking(CHAT, stream=True)), headers)
        answer = connection.getresponse()
        assert answer.read(1)
        return answer.headers["x-hegui-exchange"]
    finally:
        os.kill(server.pid, signal.SIGKILL)
        server.wait(10)
        server.stdout.close()
        connection.close()


@pytest.mark.crash
def test_no_exchange_is_left_without_an_end_when_a_process_is_killed(urls, tmp_path):
    with Server(endless) as model:
        settings = serving_settings(tmp_path, f"{model.url}/v1", *urls)
        exchange = kill_while_it_answers(settings, prepared(settings))
    archive = Archive(settings)
    found = standing(archive, "IM-13")
    with archive.store.read() as connection:
        known = list(connection.scalars(select(exchanges.c.exchange)))
        ends = connection.execute(select(outcomes.c.exchange, outcomes.c.state)).all()
    archive.close()
    assert known == [exchange]
    assert [tuple(end) for end in ends] == [(exchange, "interrupted")]
    assert (found.parts[0].found.count.population, found.parts[0].found.outcome) == (1, "good")
