"""The door fails closed: a control that breaks refuses, evidence that cannot be kept stops."""

import asyncio
import json

import pytest

from hegui.controls.control import Flow
from hegui.controls.identity import IdentityControl
from hegui.controls.limits import LimitsControl
from hegui.controls.moderation import ModerationControl
from hegui.exchange import Verdict
from hegui.gateway.answer import Chain
from serving import HELLO, Serving, prepared, raw, serving_settings


@pytest.mark.parametrize(
    ("control", "method"),
    [(IdentityControl, "find"), (LimitsControl, "admit"), (ModerationControl, "check")],
)
@pytest.mark.parametrize("stream", [True, False])
def test_control_that_raises_refuses(tmp_path, monkeypatch, control, method, stream):
    async def fail(*_args):
        raise RuntimeError("broken")

    settings = serving_settings(tmp_path)
    secret = prepared(settings)
    with Serving(settings) as serving:
        monkeypatch.setattr(control, method, fail)
        if stream and method == "check":
            assert "content_filter" in streamed(serving, secret)
            return
        status, _, body = serving.ask(secret, HELLO | {"stream": stream})
        assert (status, body["error"]["code"]) == (503, "control_failed")


def streamed(serving, secret) -> str:
    head = {"authorization": f"Bearer {secret}"}
    data = json.dumps(HELLO | {"stream": True}).encode()
    return raw(serving.port, "POST", "/v1/chat/completions", data, head)[2].decode()


def test_no_evidence_no_answer(tmp_path, monkeypatch):
    settings = serving_settings(tmp_path)
    secret = prepared(settings)
    with Serving(settings) as serving:
        writer = serving.service.archive.writer

        def fail(*_entries):
            future = asyncio.get_running_loop().create_future()
            future.set_exception(OSError("disk full"))
            return future

        monkeypatch.setattr(writer, "submit", fail)
        status, headers, body = serving.ask(secret, HELLO)
        assert (status, body["error"]["code"]) == (503, "evidence_unavailable")
        assert headers["retry-after"] == "5"
        assert "choices" not in body


class Holds:
    """Keeps one character back until it is closed; stops at an x."""

    def __init__(self):
        self.held = ""

    def feed(self, text, *, last=False):
        text = self.held + text
        self.held = "" if last else text[-1:]
        return self.cut(text if last else text[:-1])

    @staticmethod
    def cut(text):
        before, found, _ = text.partition("x")
        return Flow(before, Verdict("withhold")) if found else Flow(before)


def test_chain_closes_from_the_front_and_loses_nothing():
    chain = Chain([Holds(), Holds()])
    out = "".join(chain.feed(piece).text for piece in "abcd") + chain.feed("", last=True).text
    assert out == "abcd"


def test_chain_stops_on_what_was_still_held():
    chain = Chain([Holds(), Holds()])
    assert chain.feed("ax").verdict.decision == "pass"
    last = chain.feed("", last=True)
    assert last.verdict.decision == "withhold"
    assert last.text == "a"  # nothing follows, so the second watch need not hold it any longer
