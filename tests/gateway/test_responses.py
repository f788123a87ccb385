"""`/v1/responses`: what reaches the model, what comes back in which order, what never does."""

import json

import msgspec
import pytest
from hypothesis import given

from hegui.exchange import Piece, Verdict
from hegui.gateway.adapter import Asked
from hegui.gateway.responses import Request, Responses
from hegui.gateway.responses_events import Events
from hostile import reply, sse
from routing import HIT, REFUSED, SCHEMA, WEATHER, events, exchange, leaked, requests, routed
from saying import choice
from serving import MODEL

PATH = "/v1/responses"
HELLO = {"model": MODEL, "input": "hello"}
TOOL = {"type": "function", "name": "weather", "parameters": SCHEMA, "strict": True}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with routed(tmp_path_factory.mktemp("responses")) as found:
        yield found


def ask(gateway, **more):
    return gateway.whole(PATH, HELLO | more)


def stream(gateway, **more):
    return gateway.stream(PATH, HELLO | more)


def parse(**body) -> Asked:
    found = Responses().parse(json.dumps(HELLO | body).encode())
    assert isinstance(found, Asked), found
    return found


def forwarded(**body):
    return json.loads(parse(**body).forward)


def refused(**body) -> str:
    verdict = Responses().parse(json.dumps(HELLO | body).encode())
    assert not isinstance(verdict, Asked)
    return verdict.code


# -- what reaches the model --------------------------------------------------------------------------


def test_settings_become_those_of_a_chat():
    sent = forwarded(
        instructions="be kind",
        max_output_tokens=9,
        temperature=0.5,
        top_p=0.25,
        reasoning={"effort": "low", "summary": "auto"},
        parallel_tool_calls=False,
        text={"format": {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True}},
        tools=[TOOL],
        tool_choice={"type": "function", "name": "weather"},
        include=["message.output_text.logprobs", "reasoning.encrypted_content"],
        top_logprobs=2,
        store=True,
        user="dropped",
        unheard_of={"dropped": True},
    )
    function = {"name": "weather", "parameters": SCHEMA, "strict": True}
    assert sent == {
        "model": MODEL,
        "messages": [
            {"role": "system", "content": "be kind"},
            {"role": "user", "content": "hello"},
        ],
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.25,
        "reasoning_effort": "low",
        "parallel_tool_calls": False,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": SCHEMA, "strict": True},
        },
        "tools": [{"type": "function", "function": function}],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "logprobs": True,
        "top_logprobs": 2,
    }


def test_items_become_messages():
    items = [
        {"role": "developer", "content": [{"type": "input_text", "text": "be kind"}]},
        {"type": "message", "role": "user", "content": "weather?"},
        {"type": "reasoning", "id": "rs", "summary": [], "content": [
            {"type": "reasoning_text", "text": "a tool knows"}]},
        {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": WEATHER},
        {"type": "function_call", "call_id": "c2", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "rain"},
        {"type": "function_call_output", "call_id": "c2", "output": [
            {"type": "input_text", "text": "sun"}]},
        {"type": "message", "id": "msg", "status": "completed", "role": "assistant", "content": [
            {"type": "output_text", "text": "Both.", "annotations": [], "logprobs": []}]},
    ]  # fmt: skip
    call = {"type": "function", "function": {"name": "weather"}}
    first = {**call, "id": "c1", "function": {"name": "weather", "arguments": WEATHER}}
    second = {**call, "id": "c2", "function": {"name": "weather", "arguments": "{}"}}
    messages = forwarded(input=items)["messages"]
    assert messages[3].pop("tool_call_id") == "c1"
    assert messages[4].pop("tool_call_id") == "c2"
    calls = messages[2].pop("tool_calls")
    assert [c | {"type": "function"} for c in calls] == [first, second]
    assert [c["function"].get("arguments", "{}") for c in calls] == [WEATHER, "{}"]
    assert messages == [
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "reasoning_content": "a tool knows"},
        {"role": "tool", "content": "rain"},
        {"role": "tool", "content": "sun"},
        {"role": "assistant", "content": "Both."},
    ]
    texts = parse(input=items).texts
    assert {"be kind", "weather?", "a tool knows", "Paris", "rain", "sun", "Both."} <= set(texts)


def test_every_text_is_for_the_controls():
    tool = TOOL | {"description": "tells {of}"}
    form = {"type": "json_schema", "name": "n", "schema": {"description": "of schema"}}
    texts = parse(instructions="of system", tools=[tool], text={"format": form}).texts
    assert {"of system", "hello", "tells {of}", "of schema"} <= set(texts)


def test_images_and_files_are_named_as_unscanned():
    parts = [
        {"type": "input_text", "text": "look"},
        {"type": "input_image", "image_url": "https://x/y.png", "file_id": None},
        {"type": "input_file", "file_data": "data:,x", "filename": "x"},
    ]
    asked = parse(input=[{"role": "user", "content": parts}])
    assert asked.unscanned == ("file", "image")
    sent = json.loads(asked.forward)["messages"][0]["content"]
    assert [part["type"] for part in sent] == ["text", "image_url", "file"]


@pytest.mark.parametrize(
    "more",
    [
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"conversation": {"id": "conv_1"}},
        {"background": True},
        {"prompt": {"id": "pmpt_1"}},
        {"include": ["file_search_call.results"]},
        {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": []}},
        {"tool_choice": "{whatever}"},
        {"input": [{"type": "item_reference", "id": "x"}]},
        {"input": [{"type": ["message"], "role": "user", "content": "x"}]},
        {"input": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
        *(
            {"tools": [{"type": kind}]}
            for kind in ("web_search", "file_search", "code_interpreter", "computer", "mcp",
                         "image_generation", "custom", None)
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_checked_or_kept_is_refused(more):
    assert refused(**more) == "unsupported"


# -- answers -----------------------------------------------------------------------------------------


def test_whole_answer(gateway):
    gateway.model.says(choice("one two", reasoning="hm"))
    answer = ask(gateway, metadata={"a": "b"}, temperature=0.5, max_output_tokens=9)
    assert gateway.model.asked[0][0] == "/v1/chat/completions"
    assert (answer["object"], answer["status"], answer["store"]) == ("response", "completed", False)
    assert (answer["metadata"], answer["temperature"]) == ({"a": "b"}, 0.5)
    assert answer["usage"]["input_tokens"] == 3
    assert answer["usage"]["output_tokens"] == 4
    assert answer["aigc"]["Label"] == "1"
    reasoning, message = answer["output"]
    assert reasoning["type"] == "reasoning"
    assert reasoning["content"] == [{"type": "reasoning_text", "text": "hm"}]
    assert message["role"] == "assistant"
    assert message["content"][0]["text"].startswith("one two\n\n[")
    assert "secret" not in json.dumps(answer)


ORDER = [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.reasoning_text.delta",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.reasoning_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
]


def test_stream_has_every_event_in_its_order(gateway):
    gateway.model.says(choice("one two", reasoning="hm"))
    sent = stream(gateway)
    assert [event["sequence_number"] for event in sent] == list(range(len(sent)))
    kinds = [event["type"] for event in sent]
    assert list(dict.fromkeys(kinds)) == list(dict.fromkeys(ORDER))
    again = [kind for kind in kinds if not kind.endswith(".delta")]
    assert again == [kind for kind in ORDER if not kind.endswith(".delta")]
    assert sent[0]["response"]["aigc"] == sent[-1]["response"]["aigc"]
    assert sent[0]["response"]["status"] == "in_progress"
    texts = [event for event in sent if event["type"].startswith("response.output_text")]
    assert {(e["item_id"], e["output_index"], e["content_index"]) for e in texts} == {
        (sent[-1]["response"]["output"][1]["id"], 1, 0)
    }


def strip(response):
    """The response without what differs between two answers."""
    body = json.loads(json.dumps(response).replace(response["id"].removeprefix("resp_"), "ID"))
    return {name: value for name, value in body.items() if name != "created_at"}


@pytest.mark.parametrize(
    "answer",
    [
        choice("one two", reasoning="hm"),
        choice("", refusal="I will not."),
        choice("so", calls=[("weather", WEATHER), ("weather", "{}")]),
        choice("one", ends="length"),
        choice("before " + HIT),
        choice("", calls=[("weather", json.dumps({"city": HIT}))]),
        choice("both", tokens=True),
    ],
)
@pytest.mark.parametrize("more", [{}, {"tools": [TOOL]}])
def test_streamed_or_whole_is_the_same_response(gateway, answer, more):
    gateway.model.says(answer)
    sent = stream(gateway, **more)
    whole, last = ask(gateway, **more), sent[-1]["response"]
    ignored = {"usage": None}  # of a stream that was cut, the model never told the counts
    assert strip(last) | ignored == strip(whole) | ignored
    done = [event["item"] for event in sent if event["type"] == "response.output_item.done"]
    assert done == last["output"]
    for event in sent:
        if event["type"].endswith("_text.done"):
            item = last["output"][event["output_index"]]
            assert item["content"][event["content_index"]]["text"] == event["text"]
            of = (event["output_index"], event["content_index"])
            deltas = [
                e["delta"]
                for e in sent
                if e["type"] == event["type"].replace("done", "delta")
                and (e["output_index"], e["content_index"]) == of
            ]
            assert "".join(deltas) == event["text"]


def test_calls_of_tools(gateway):
    gateway.model.says(choice("", calls=[("weather", WEATHER), ("weather", "{}")]))
    output = stream(gateway, tools=[TOOL])[-1]["response"]["output"]
    assert [(item["call_id"], item["arguments"]) for item in output] == [
        ("call-0", WEATHER),
        ("call-1", "{}"),
    ]
    assert len({item["id"] for item in output}) == 2


def test_calls_without_an_id_can_be_told_apart(gateway):
    calls = [{"function": {"name": "weather", "arguments": "{}"}}] * 2
    body = {"choices": [{"message": {"tool_calls": calls}, "finish_reason": "tool_calls"}]}
    gateway.model.sends(reply(json.dumps(body).encode()))
    output = ask(gateway, tools=[TOOL])["output"]
    assert len({item["call_id"] for item in output}) == 2


def test_log_probabilities(gateway):
    gateway.model.says(choice("ab", tokens=True))
    asking = {"include": ["message.output_text.logprobs"], "top_logprobs": 2, "tools": [TOOL]}
    sent = stream(gateway, **asking)
    message = sent[-1]["response"]["output"][0]
    tokens = message["content"][0]["logprobs"]
    assert [t["token"] for t in tokens] == ["a", "b"]
    assert tokens[0]["bytes"] == [97]
    assert [t["token"] for t in tokens[0]["top_logprobs"]] == ["a", "?"]
    deltas = [t for e in sent if e["type"].endswith("text.delta") for t in e["logprobs"]]
    assert deltas == tokens


@pytest.mark.parametrize(
    ("ends", "status", "reason"),
    [
        ("stop", "completed", None),
        ("length", "incomplete", "max_output_tokens"),
        ("content_filter", "incomplete", "content_filter"),
    ],
)
def test_how_it_ended(gateway, ends, status, reason):
    gateway.model.says(choice("one", ends=ends))
    sent = stream(gateway)
    assert sent[-1]["type"] == f"response.{status}"
    for response in (ask(gateway), sent[-1]["response"]):
        assert response["status"] == status
        assert (response["incomplete_details"] or {}).get("reason") == reason


# -- what never leaves -------------------------------------------------------------------------------

SURFACES = {
    "content": choice(f"before {HIT} after"),
    "reasoning": choice("fine", reasoning=f"before {HIT} after"),
    "refusal": choice("", refusal=f"before {HIT} after"),
    "tool": choice("before", calls=[("weather", json.dumps({"city": f"x {HIT}"}))]),
    "tool, not JSON": choice("before", calls=[("weather", f"x {HIT}")]),
    "tokens": choice(f"before {HIT} after", tokens=True),
}


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("answer", SURFACES.values(), ids=SURFACES)
def test_no_character_of_a_hit_leaves(gateway, answer, streamed):
    gateway.model.says(answer)
    more = {"stream": streamed, "include": ["message.output_text.logprobs"]}
    status, received = gateway.post(PATH, HELLO | more)
    assert status == 200
    assert leaked(received) == set()
    assert b"after" not in received
    last = events(received)[-1]["response"] if streamed else json.loads(received)
    assert last["incomplete_details"]["reason"] == "content_filter"
    assert "/report/" in json.dumps(last["output"])


def test_reason_is_told_where_no_text_may_hold_it(gateway):
    gateway.model.says(choice("", calls=[("weather", json.dumps({"city": HIT}))]))
    whole, sent = ask(gateway, tools=[TOOL]), stream(gateway, tools=[TOOL])
    for response in (whole, sent[-1]["response"]):
        assert response["output"] == []
        assert "/report/" in response["incomplete_details"]["message"]


def test_late_thoughts_go_to_their_own_item():
    asked = parse()
    texts = [("reasoning", "tho"), ("content", "an"), ("reasoning", "ught"), ("content", "swer")]
    pieces = [Piece(0, surface, text) for surface, text in [*texts, ("end", "stop")]]
    writer = Events(exchange(), asked)
    sent = events(writer.first() + writer.pieces(pieces) + writer.last())
    output = sent[-1]["response"]["output"]
    assert [item["content"][0]["text"] for item in output] == ["thought", "answer"]
    assert [event["text"] for event in sent if event["type"].endswith("_text.done")] == [
        "thought",
        "answer",
    ]


def test_refused_input(gateway):
    gateway.model.says(choice("never"))
    status, received = gateway.post(PATH, HELLO | {"instructions": REFUSED})
    error = json.loads(received)["error"]
    assert (status, error["code"], error["type"]) == (400, "input_refused", "content_filter")
    sent = stream(gateway, instructions=REFUSED)
    response = sent[-1]["response"]
    assert sent[-1]["type"] == "response.incomplete"
    assert response["incomplete_details"]["reason"] == "content_filter"
    assert "/report/" in response["output"][0]["content"][0]["text"]
    assert sent[0]["response"]["aigc"] == response["aigc"] != {}
    assert "zorblefax" not in json.dumps(sent)
    assert gateway.model.asked == []


def test_model_that_breaks_off(gateway):
    half = {"choices": [{"index": 0, "delta": {"content": "half an answer, and then no more"}}]}
    gateway.model.sends(sse(json.dumps(half)))
    sent = stream(gateway)
    failed, error = sent[-2:]
    assert failed["type"] == "response.failed"
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["error"]["code"] == "upstream_closed_early"
    assert failed["response"]["output"][0]["status"] == "incomplete"
    assert (error["type"], error["code"]) == ("error", "upstream_closed_early")
    assert error["error"]["message"] == error["message"]


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
    "not UTF-8": b'{"model":"m","input":"\xff"}',
    "deep": b'{"model":"m","input":' + b"[" * 90_000 + b"]" * 90_000 + b"}",
    "deep in an item": b'{"model":"m","input":[{"x":' + b"[" * 900 + b"]" * 900 + b"}]}",
    "no input": b'{"model":"m"}',
    "no items": b'{"model":"m","input":[]}',
    "a number": b'{"model":"m","input":7}',
    "items that are none": b'{"model":"m","input":["x"]}',
    "no role": b'{"model":"m","input":[{"content":"x"}]}',
    "unknown role": b'{"model":"m","input":[{"role":"narrator","content":"x"}]}',
    "null content": b'{"model":"m","input":[{"role":"user","content":null}]}',
    "tools that are none": b'{"model":"m","input":"x","tools":["x"]}',
    "nameless tool": b'{"model":"m","input":"x","tools":[{"type":"function"}]}',
    "unknown format": b'{"model":"m","input":"x","text":{"format":{"type":"xml"}}}',
    "metadata of numbers": b'{"model":"m","input":"x","metadata":{"a":1}}',
}


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
def test_bad_body(gateway, body, language):
    status, received = gateway.post(PATH, body, language)
    error = json.loads(received)["error"]
    assert status == 400
    assert error["type"] == "invalid_request_error"
    assert error["message"].isascii() == (language == "en")


def test_image_is_refused_as_unscannable(gateway):
    parts = [{"type": "input_image", "image_url": "https://x"}]
    body = HELLO | {"input": [{"role": "user", "content": parts}]}
    status, received = gateway.post(PATH, body)
    assert (status, json.loads(received)["error"]["code"]) == (400, "unscannable")


@given(requests(*Request.__struct_fields__))
def test_any_body_is_understood_or_refused(body):
    found = Responses().parse(msgspec.json.encode(HELLO | body))
    assert isinstance(found, Asked | Verdict)
    assert isinstance(found, Asked) or found.say("en")
