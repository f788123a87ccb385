"""`/v1/completions`: a bare text goes on, streamed or not, and stops before what may not be said."""

import json

import msgspec
import pytest
from hypothesis import given

from hegui.exchange import Verdict
from hegui.gateway.adapter import Asked
from hegui.gateway.completions import Completions, Request
from hostile import reply, sse
from routing import HIT, REFUSED, events, leaked, requests, routed
from saying import USAGE, choice
from serving import MODEL

PATH = "/v1/completions"
HELLO = {"model": MODEL, "prompt": "Once"}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with routed(tmp_path_factory.mktemp("completions")) as found:
        yield found


def ask(gateway, **more):
    return gateway.whole(PATH, HELLO | more)


def stream(gateway, **more):
    status, received = gateway.post(PATH, HELLO | more | {"stream": True})
    assert status == 200, received
    assert received.endswith(b"data: [DONE]\n\n")
    return events(received)


def parse(**body):
    return Completions().parse(json.dumps(HELLO | body).encode())


def text_of(sent, number=0) -> str:
    choices = [c for event in sent for c in event["choices"] if c["index"] == number]
    return "".join(c["text"] for c in choices)


def test_request_is_an_allow_list():
    asked = parse(prompt=["a", "b"], n=2, stop=["END"], seed=1, user="x", best_of=3, echo=True)
    assert json.loads(asked.forward) == {
        "model": MODEL,
        "prompt": ["a", "b"],
        "n": 2,
        "stop": ["END"],
        "seed": 1,
        "echo": True,
    }
    assert (asked.path, asked.choices, asked.texts) == ("completions", 4, ("a", "b", "END"))


def test_a_text_with_an_end_gets_no_label_inside():
    assert parse().plain
    asked = parse(suffix="the end", stop="x")
    assert not asked.plain
    assert asked.texts == ("Once", "the end", "x")


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"prompt": [1, 2]}, "unsupported"),
        ({"prompt": [[1, 2], [3]]}, "unsupported"),
        ({"prompt": ["a", 1]}, "unsupported"),
        ({"logprobs": 0}, "unsupported"),
        ({"prompt": []}, "answers"),
        ({"prompt": ["a"] * 3, "n": 6}, "answers"),
    ],
)
def test_what_cannot_be_checked_is_refused(more, code):
    verdict = parse(**more)
    assert not isinstance(verdict, Asked)
    assert verdict.code == code
    assert verdict.say("en")


def test_whole_answer(gateway):
    gateway.model.says(choice("upon a"), choice("more", ends="length"))
    answer = ask(gateway, n=2)
    assert gateway.model.asked[0][0] == PATH
    assert answer["object"] == "text_completion"
    assert [c["text"].split("\n")[0] for c in answer["choices"]] == ["upon a", "more"]
    assert [c["finish_reason"] for c in answer["choices"]] == ["stop", "length"]
    assert answer["usage"] == USAGE
    assert answer["aigc"]["Label"] == "1"
    assert "secret" not in answer


def test_streamed_is_the_same_as_whole(gateway):
    gateway.model.says(choice("upon a"), choice(f"more {HIT}", ends="length"))
    sent = stream(gateway, n=2, stream_options={"include_usage": True})
    whole = ask(gateway, n=2)["choices"]
    # The address for an appeal names the exchange, so it differs.
    assert [text_of(sent, n).split("/report/")[0] for n in (0, 1)] == [
        c["text"].split("/report/")[0] for c in whole
    ]
    ends = [c for event in sent for c in event["choices"] if c["finish_reason"]]
    assert [(c["index"], c["finish_reason"]) for c in ends] == [(0, "stop"), (1, "content_filter")]
    assert "usage" in sent[-1]
    assert sent[0]["aigc"] == sent[-2]["aigc"] != {}
    assert len({event["id"] for event in sent}) == 1


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("more", [{}, {"suffix": "the end"}])
def test_no_character_of_a_hit_leaves(gateway, streamed, more):
    gateway.model.says(choice(f"before {HIT} after"))
    status, received = gateway.post(PATH, HELLO | more | {"stream": streamed})
    assert status == 200
    assert leaked(received) == set()
    assert b"after" not in received
    assert b'"before ' in received or b"before" in text_of(events(received)).encode()
    assert received.count(b'"content_filter"') == 1


def test_refused_input(gateway):
    gateway.model.says(choice("never"))
    status, received = gateway.post(PATH, HELLO | {"prompt": ["fine", REFUSED]})
    assert (status, json.loads(received)["error"]["code"]) == (400, "input_refused")
    sent = stream(gateway, suffix=REFUSED)
    assert "/report/" in text_of(sent)
    assert sent[-1]["choices"][0]["finish_reason"] == "content_filter"
    assert sent[0]["aigc"] == sent[-1]["aigc"] != {}
    assert gateway.model.asked == []


def test_model_that_breaks_off(gateway):
    half = {"choices": [{"index": 0, "text": "half an answer, and then no more of it"}]}
    gateway.model.sends(sse(json.dumps(half)))
    status, received = gateway.post(PATH, HELLO | {"stream": True})
    assert status == 200
    assert events(received)[-1]["error"]["code"] == "upstream_closed_early"
    assert b"[DONE]" not in received
    assert b'"finish_reason":"' not in received


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("answer", [reply(b"{}", status="500 No"), reply(b"<html>"), b""])
def test_model_that_fails(gateway, answer, streamed):
    gateway.model.sends(answer)
    status, received = gateway.post(PATH, HELLO | {"stream": streamed})
    assert status == 502
    assert json.loads(received)["error"]["code"].startswith("upstream_")


BAD = {
    "empty": b"",
    "an array": b"[]",
    "not UTF-8": b'{"model":"m","prompt":"\xff"}',
    "deep": b'{"model":"m","prompt":' + b"[" * 90_000 + b"]" * 90_000 + b"}",
    "no prompt": b'{"model":"m"}',
    "null": b'{"model":"m","prompt":null}',
    "an object": b'{"model":"m","prompt":{}}',
    "no choice": b'{"model":"m","prompt":"x","n":0}',
    "huge number": b'{"model":"m","prompt":"x","seed":1' + b"0" * 400 + b"}",
}


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
def test_bad_body(gateway, body, language):
    status, received = gateway.post(PATH, body, language)
    error = json.loads(received)["error"]
    assert status == 400
    assert error["type"] == "invalid_request_error"
    assert error["message"].isascii() == (language == "en")


@given(requests(*Request.__struct_fields__))
def test_any_body_is_understood_or_refused(body):
    found = Completions().parse(msgspec.json.encode(HELLO | body))
    assert isinstance(found, Asked | Verdict)
    assert isinstance(found, Asked) or found.say("en")
