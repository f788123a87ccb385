"""`/v1/messages`: what reaches the model, what comes back in which order, what never does."""

import json

import msgspec
import pytest
from hypothesis import given

from hegui.exchange import Piece, Verdict
from hegui.gateway.adapter import Asked
from hegui.gateway.messages import Messages, Request
from hegui.gateway.messages_events import error_shape
from hostile import reply, sse
from routing import HIT, REFUSED, SCHEMA, WEATHER, events, exchange, leaked, requests, routed
from saying import choice
from serving import MODEL

PATH = "/v1/messages"
SAID = [{"role": "user", "content": "hello"}]
HELLO = {"model": MODEL, "max_tokens": 9, "messages": SAID}
TOOL = {"name": "weather", "description": "tells {it}", "input_schema": SCHEMA}
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 1024}}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with routed(tmp_path_factory.mktemp("messages")) as found:
        yield found


def ask(gateway, **more):
    return gateway.whole(PATH, HELLO | more)


def stream(gateway, **more):
    return gateway.stream(PATH, HELLO | more)


def parse(**body) -> Asked:
    found = Messages().parse(json.dumps(HELLO | body).encode())
    assert isinstance(found, Asked), found
    return found


def forwarded(**body):
    return json.loads(parse(**body).forward)


# -- what reaches the model --------------------------------------------------------------------------


def test_settings_become_those_of_a_chat():
    sent = forwarded(
        system=[{"type": "text", "text": "be kind", "cache_control": {"type": "ephemeral"}}],
        temperature=0.5,
        top_p=0.25,
        top_k=3,
        stop_sequences=["END"],
        metadata={"user_id": "dropped"},
        tools=[TOOL, {**TOOL, "type": "custom", "strict": True, "cache_control": None}],
        tool_choice={"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
        output_config={"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}},
        service_tier="auto",
    )
    function = {"name": "weather", "description": "tells {it}", "parameters": SCHEMA}
    form = {"name": "answer", "schema": SCHEMA}
    assert sent == {
        "model": MODEL,
        "messages": [{"role": "system", "content": "be kind"}, *SAID],
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.25,
        "stop": ["END"],
        "reasoning_effort": "low",
        "response_format": {"type": "json_schema", "json_schema": form},
        "tools": [
            {"type": "function", "function": function},
            {"type": "function", "function": {**function, "strict": True}},
        ],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "parallel_tool_calls": False,
    }


@pytest.mark.parametrize(
    ("choice_of_tool", "sent"), [("auto", "auto"), ("any", "required"), ("none", "none")]
)
def test_choice_of_a_tool(choice_of_tool, sent):
    assert forwarded(tools=[TOOL], tool_choice={"type": choice_of_tool})["tool_choice"] == sent


def test_blocks_become_messages():
    document = {"type": "text", "media_type": "text/plain", "data": "a page"}
    turns = [
        {"role": "user", "content": [{"type": "text", "text": "weather?"}]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "a tool knows", "signature": "x"},
            {"type": "redacted_thinking", "data": "x"},
            {"type": "text", "text": "Let me see."},
            {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Paris"}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "t1", "is_error": False, "content": [
                {"type": "text", "text": "rain"}]},
            {"type": "text", "text": "and?"},
            {"type": "document", "title": "A title", "source": document}]},
        {"role": "assistant", "content": "It"},
    ]  # fmt: skip
    messages = forwarded(messages=turns)["messages"]
    calls = messages[1].pop("tool_calls")
    assert json.loads(calls[0]["function"]["arguments"]) == {"city": "Paris"}
    assert calls[0]["id"] == "t1"
    assert messages == [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": "Let me see.", "reasoning_content": "a tool knows"},
        {"role": "tool", "content": "rain", "tool_call_id": "t1"},
        {"role": "user", "content": [
            {"type": "text", "text": "and?"}, {"type": "text", "text": "A title\na page"}]},
        {"role": "assistant", "content": "It"},
    ]  # fmt: skip
    texts = set(parse(messages=turns, system="of system").texts)
    wanted = {"of system", "weather?", "a tool knows", "Let me see.", "Paris", "rain", "and?", "It"}
    assert wanted | {"A title\na page"} <= texts


def test_images_and_files_are_named_as_unscanned():
    data = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
    blocks = [
        {"type": "image", "source": data},
        {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
        {"type": "document", "source": data | {"media_type": "application/pdf"}},
    ]
    asked = parse(messages=[{"role": "user", "content": blocks}])
    assert asked.unscanned == ("file", "image")
    parts = json.loads(asked.forward)["messages"][0]["content"]
    assert parts[0]["image_url"]["url"] == "data:image/png;base64,AAAA"
    assert parts[1]["image_url"]["url"] == "https://x/y.png"
    assert parts[2]["file"]["file_data"] == "data:application/pdf;base64,AAAA"
    result = {"type": "tool_result", "tool_use_id": "t", "content": blocks[:1]}
    assert parse(messages=[{"role": "user", "content": [result]}]).unscanned == ("image",)


@pytest.mark.parametrize(
    "more",
    [
        {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        {"tools": [{"type": "bash_20250124", "name": "bash"}]},
        {"tools": [{"type": ["custom"], "name": "x", "input_schema": {}}]},
        {"mcp_servers": [{"type": "url", "url": "https://x", "name": "x"}]},
        {"container": "c1"},
        {"tool_choice": {"type": "whatever"}},
        {"system": [{"type": "search_result", "text": "x"}]},
        *(
            {"messages": [{"role": "user", "content": [block]}]}
            for block in (
                {"type": "search_result", "source": "x", "title": "x", "content": []},
                {"type": "image", "source": {"type": "file", "file_id": "f"}},
                {"type": "document", "source": {"type": "url", "url": "https://x"}},
                {"text": "no type"},
            )
        ),
        {"messages": [{"role": "assistant", "content": [{"type": "server_tool_use"}]}]},
    ],
)
def test_what_cannot_be_checked_is_refused(more):
    verdict = Messages().parse(json.dumps(HELLO | more).encode())
    assert not isinstance(verdict, Asked)
    assert verdict.code == "unsupported"


# -- answers -----------------------------------------------------------------------------------------


def test_whole_answer(gateway):
    gateway.model.says(choice("one two", reasoning="hm"))
    answer = ask(gateway, **THINKING)
    assert gateway.model.asked[0][0] == "/v1/chat/completions"
    assert (answer["type"], answer["role"], answer["model"]) == ("message", "assistant", MODEL)
    assert (answer["stop_reason"], answer["stop_sequence"]) == ("end_turn", None)
    assert answer["usage"] == {"input_tokens": 3, "output_tokens": 4}
    assert answer["aigc"]["Label"] == "1"
    thinking, text = answer["content"]
    assert thinking == {"type": "thinking", "thinking": "hm", "signature": ""}
    assert text["text"].startswith("one two\n\n[")
    assert "secret" not in json.dumps(answer)


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"thinking": {"type": "disabled"}},
        {"thinking": {"type": "adaptive", "display": "omitted"}},
    ],
)
def test_thoughts_only_for_those_who_asked(gateway, more, streamed):
    gateway.model.says(choice("one two", reasoning="hm"))
    received = gateway.post(PATH, HELLO | more | {"stream": streamed})[1]
    assert b"thinking" not in received
    assert b"hm" not in received


def test_stream_has_every_event_in_its_order(gateway):
    gateway.model.says(choice("one two", reasoning="hm", calls=[("weather", WEATHER)]))
    sent = stream(gateway, tools=[TOOL], **THINKING)
    kinds = [event["type"] for event in sent]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    assert sent[0]["message"]["content"] == []
    assert sent[0]["message"]["stop_reason"] is None
    assert sent[0]["message"]["aigc"] == sent[-1]["aigc"] != {}
    starts = [e for e in sent if e["type"] == "content_block_start"]
    assert [e["content_block"]["type"] for e in starts] == ["thinking", "text", "tool_use"]
    assert [e["index"] for e in starts] == [0, 1, 2]
    assert [e["index"] for e in sent if e["type"] == "content_block_stop"] == [0, 1, 2]
    for start in starts:
        mine = [kinds[n] for n, e in enumerate(sent) if e.get("index") == start["index"]]
        assert mine[0] == "content_block_start"
        assert set(mine[1:-1]) == {"content_block_delta"}
        assert mine[-1] == "content_block_stop"
    assert sent[-2]["delta"]["stop_reason"] == "tool_use"
    assert sent[-2]["usage"] == {"input_tokens": 3, "output_tokens": 4}


def test_events_bear_their_names(gateway):
    gateway.model.says(choice("one"))
    received = gateway.post(PATH, HELLO | {"stream": True})[1].decode()
    blocks = received.strip().split("\n\n")
    names = [block.split("\n")[0].removeprefix("event: ") for block in blocks]
    assert names == [event["type"] for event in events(received.encode())]


def put_together(sent):
    """The content that a client makes of a stream."""
    blocks = {}
    for event in sent:
        if event["type"] == "content_block_start":
            blocks[event["index"]] = dict(event["content_block"])
        elif event["type"] == "content_block_delta":
            delta, block = event["delta"], blocks[event["index"]]
            if delta["type"] == "input_json_delta":
                block["input"] = json.loads(delta["partial_json"])
            else:
                field = delta["type"].removesuffix("_delta")
                block[field] += delta[field]
    return list(blocks.values())


@pytest.mark.parametrize(
    "answer",
    [
        choice("one two", reasoning="hm"),
        choice("", refusal="I will not."),
        choice("so", calls=[("weather", WEATHER), ("weather", "")]),
        choice("so", calls=[("weather", "[1]")]),
        choice("one", ends="length"),
        choice("before " + HIT),
        choice("", calls=[("weather", json.dumps({"city": HIT}))]),
    ],
)
@pytest.mark.parametrize("more", [{}, {"tools": [TOOL]}, THINKING])
def test_streamed_or_whole_is_the_same_message(gateway, answer, more):
    gateway.model.says(answer)
    sent, whole = stream(gateway, **more), ask(gateway, **more)
    mine, theirs = (
        # The address for an appeal names the exchange, so it differs.
        [block | {"text": block.get("text", "").split("/report/")[0]} for block in content]
        for content in (put_together(sent), whole["content"])
    )
    assert mine == theirs
    assert sent[-2]["delta"]["stop_reason"] == whole["stop_reason"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (choice("one"), "end_turn"),
        (choice("one", ends="length"), "max_tokens"),
        (choice("one", ends="content_filter"), "refusal"),
        (choice("", refusal="no"), "refusal"),
        (choice("", calls=[("weather", "{}")]), "tool_use"),
        (choice("", calls=[("weather", "{}")], ends="stop"), "tool_use"),
        (choice("", calls=[("weather", "{}")], ends="length"), "max_tokens"),
    ],
)
def test_why_it_ended(gateway, answer, reason):
    gateway.model.says(answer)
    assert ask(gateway)["stop_reason"] == reason


def test_arguments_that_are_no_object_are_named_so(gateway):
    gateway.model.says(choice("", calls=[("weather", "{half"), ("weather", "7")]))
    content = ask(gateway, tools=[TOOL])["content"]
    assert [block["input"] for block in content] == [
        {"INVALID_JSON": "{half"},
        {"INVALID_JSON": "7"},
    ]


# -- what never leaves -------------------------------------------------------------------------------

SURFACES = {
    "content": choice(f"before {HIT} after"),
    "reasoning": choice("fine", reasoning=f"before {HIT} after"),
    "refusal": choice("", refusal=f"before {HIT} after"),
    "tool": choice("before", calls=[("weather", json.dumps({"city": f"x {HIT}"}))]),
    "tool, not JSON": choice("before", calls=[("weather", f"x {HIT}")]),
}


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("answer", SURFACES.values(), ids=SURFACES)
def test_no_character_of_a_hit_leaves(gateway, answer, streamed):
    gateway.model.says(answer)
    status, received = gateway.post(PATH, HELLO | THINKING | {"stream": streamed})
    assert status == 200
    assert leaked(received) == set()
    assert b"after" not in received
    assert b'"stop_reason":"refusal"' in received
    assert b"/report/" in received


def test_reason_is_told_where_no_text_may_hold_it(gateway):
    gateway.model.says(choice("", calls=[("weather", json.dumps({"city": HIT}))]))
    whole, sent = ask(gateway, tools=[TOOL]), stream(gateway, tools=[TOOL])
    assert whole["content"] == []
    for details in (whole["stop_details"], sent[-2]["delta"]["stop_details"]):
        assert "/report/" in details["explanation"]
    gateway.model.says(choice("one"))
    assert ask(gateway)["stop_details"] is None


def test_late_thoughts_go_to_their_own_block():
    asked = parse(**THINKING)
    texts = [("reasoning", "tho"), ("content", "an"), ("reasoning", "ught"), ("content", "swer")]
    pieces = [Piece(0, surface, text) for surface, text in [*texts, ("end", "stop")]]
    writer = Messages().writer(exchange(), asked)
    sent = events(writer.first() + writer.pieces(pieces) + writer.last())
    assert [block.get("text") or block["thinking"] for block in put_together(sent)] == [
        "thought",
        "answer",
    ]
    assert put_together(sent) == Messages().whole(exchange(), asked, pieces)["content"]


def test_refused_input(gateway):
    gateway.model.says(choice("never"))
    status, received = gateway.post(PATH, HELLO | {"system": REFUSED})
    body = json.loads(received)
    assert (status, body["type"], body["error"]["code"]) == (400, "error", "input_refused")
    assert body["error"]["type"] == "invalid_request_error"
    sent = stream(gateway, system=REFUSED)
    assert "/report/" in put_together(sent)[0]["text"]
    assert sent[-2]["delta"]["stop_reason"] == "refusal"
    assert sent[0]["message"]["aigc"] == sent[-1]["aigc"] != {}
    assert gateway.model.asked == []


def test_model_that_breaks_off(gateway):
    half = {"choices": [{"index": 0, "delta": {"content": "half an answer, and then no more"}}]}
    gateway.model.sends(sse(json.dumps(half)))
    sent = stream(gateway)
    assert sent[-1]["type"] == "error"
    assert sent[-1]["error"]["type"] == "api_error"
    assert sent[-1]["error"]["code"] == "upstream_closed_early"
    assert "message_stop" not in [event["type"] for event in sent]


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("answer", [reply(b"{}", status="500 No"), reply(b"<html>"), b""])
def test_model_that_fails(gateway, answer, streamed):
    gateway.model.sends(answer)
    status, received = gateway.post(PATH, HELLO | {"stream": streamed})
    body = json.loads(received)
    assert (status, body["type"], body["error"]["type"]) == (502, "error", "api_error")


# -- who asks, and what is wrong ---------------------------------------------------------------------


def test_key_in_either_header(gateway):
    gateway.model.says(choice("one"))
    bearer = {"authorization": f"Bearer {gateway.secret}"}
    for headers, status in (
        (bearer, 200),
        ({"x-api-key": gateway.secret, "anthropic-version": "2023-06-01"}, 200),
        (bearer | {"x-api-key": "hg-wrong"}, 200),
        ({"x-api-key": "hg-wrong"}, 401),
        ({}, 401),
    ):
        given, received = gateway.bare(PATH, HELLO, **headers)
        assert given == status
        if status == 401:
            assert json.loads(received)["error"]["type"] == "authentication_error"


def test_key_in_anthropics_header_opens_no_other_route(gateway):
    body = {"model": MODEL, "messages": SAID}
    assert gateway.bare("/v1/chat/completions", body, **{"x-api-key": gateway.secret})[0] == 401


def test_unknown_model_and_route(gateway):
    for path, body in ((PATH, HELLO | {"model": "none"}), (f"{PATH}/count_tokens", HELLO)):
        status, received = gateway.post(path, body)
        answer = json.loads(received)
        assert (status, answer["type"], answer["error"]["type"]) == (
            404,
            "error",
            "not_found_error",
        )


def test_errors_keep_what_is_ours():
    shaped = error_shape({"error": {"type": "server_error", "message": "m", "report": "r"}})
    assert shaped == {
        "type": "error",
        "error": {"type": "api_error", "message": "m", "report": "r"},
    }


BAD = {
    "empty": b"",
    "an array": b"[]",
    "not UTF-8": b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"\xff"}]}',
    "deep": b'{"model":"m","max_tokens":1,"messages":' + b"[" * 90_000 + b"]" * 90_000 + b"}",
    **{
        name: json.dumps({n: v for n, v in (HELLO | more).items() if v is not ...}).encode()
        for name, more in {
            "no max_tokens": {"max_tokens": ...},
            "no tokens": {"max_tokens": 0},
            "no model": {"model": ...},
            "no messages": {"messages": ...},
            "empty messages": {"messages": []},
            "unknown role": {"messages": [{"role": "narrator", "content": "x"}]},
            "null content": {"messages": [{"role": "user", "content": None}]},
            "blocks that are none": {"messages": [{"role": "user", "content": ["x"]}]},
            "a text that is none": {
                "messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]
            },
            "a result of nothing": {
                "messages": [{"role": "user", "content": [{"type": "tool_result"}]}]
            },
            "tools that are none": {"tools": ["x"]},
            "a tool without a schema": {"tools": [{"name": "x"}]},
            "words for a choice": {"tool_choice": "auto"},
        }.items()
    },
}


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
def test_bad_body(gateway, body, language):
    status, received = gateway.post(PATH, body, language)
    answer = json.loads(received)
    assert (status, answer["type"]) == (400, "error")
    assert answer["error"]["type"] == "invalid_request_error"
    assert answer["error"]["message"].isascii() == (language == "en")


@given(requests(*Request.__struct_fields__))
def test_any_body_is_understood_or_refused(body):
    found = Messages().parse(msgspec.json.encode(HELLO | body))
    assert isinstance(found, Asked | Verdict)
    assert isinstance(found, Asked) or found.say("en")
