"""The clients that people use, unmodified, against every route: streamed and not."""

import asyncio
import json
import shutil
import subprocess

import openai
import pytest
from pydantic import BaseModel

from hostile import sse
from routing import HIT, SCHEMA, WEATHER, events, leaked, routed
from saying import choice
from serving import MODEL

pytestmark = pytest.mark.once

SAID = [{"role": "user", "content": "hello"}]
LOUD = {"accept-language": "en"}
FUNCTION = {"name": "weather", "description": "Tells the weather.", "parameters": SCHEMA}
CHAT_TOOL = {"type": "function", "function": FUNCTION}
TOOL = {"type": "function", "strict": True, **FUNCTION}


class City(BaseModel):
    city: str


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with routed(tmp_path_factory.mktemp("clients")) as found:
        yield found


@pytest.fixture(scope="module")
def client(gateway):
    with openai.OpenAI(
        api_key=gateway.secret,
        base_url=f"{gateway.serving.url}/v1",
        max_retries=0,
        default_headers=LOUD,
    ) as found:
        yield found


# -- openai: chat --------------------------------------------------------------------------------------


def chat(client, **more):
    return client.chat.completions.create(model=MODEL, messages=SAID, **more)


def test_openai_chat_with_tools(gateway, client):
    gateway.model.says(choice("Let me see.", calls=[("weather", WEATHER), ("weather", "{}")]))
    said = chat(client, tools=[CHAT_TOOL]).choices[0]
    assert said.finish_reason == "tool_calls"
    assert said.message.content == "Let me see."
    assert [c.function.arguments for c in said.message.tool_calls] == [WEATHER, "{}"]
    with client.chat.completions.stream(model=MODEL, messages=SAID, tools=[CHAT_TOOL]) as stream:
        streamed = stream.get_final_completion().choices[0]
    assert streamed.finish_reason == "tool_calls"
    assert [c.function.arguments for c in streamed.message.tool_calls] == [WEATHER, "{}"]


def test_openai_chat_with_two_choices(gateway, client):
    gateway.model.says(choice("one"), choice(f"two {HIT}"))
    said = chat(client, n=2).choices
    assert [c.finish_reason for c in said] == ["stop", "content_filter"]
    assert said[0].message.content.startswith("one\n")
    texts, ends = ["", ""], ["", ""]
    for chunk in chat(client, n=2, stream=True):
        for part in chunk.choices:
            texts[part.index] += part.delta.content or ""
            ends[part.index] = part.finish_reason or ends[part.index]
    assert ends == ["stop", "content_filter"]
    assert texts[0] == said[0].message.content
    assert texts[1].startswith("two \n\nThe rest")


def test_openai_chat_with_log_probabilities(gateway, client):
    gateway.model.says(choice("ab", tokens=True))
    asking = {"logprobs": True, "top_logprobs": 2, "response_format": {"type": "json_object"}}
    tokens = chat(client, **asking).choices[0].logprobs.content
    assert [(t.token, t.top_logprobs[1].token) for t in tokens] == [("a", "?"), ("b", "?")]
    streamed = [
        token.token
        for chunk in chat(client, stream=True, **asking)
        for part in chunk.choices
        if part.logprobs
        for token in part.logprobs.content
    ]
    assert streamed == ["a", "b"]


def test_openai_chat_in_json_mode(gateway, client):
    gateway.model.says(choice(WEATHER))
    whole = chat(client, response_format={"type": "json_object"})
    assert json.loads(whole.choices[0].message.content) == {"city": "Paris"}
    parsed = client.chat.completions.parse(model=MODEL, messages=SAID, response_format=City)
    assert parsed.choices[0].message.parsed == City(city="Paris")


# -- openai: responses, completions --------------------------------------------------------------------


def test_openai_responses(gateway, client):
    gateway.model.says(choice("one two", reasoning="hm"))
    answer = client.responses.create(model=MODEL, input="hello", metadata={"a": "b"})
    assert answer.output_text.startswith("one two\n\n[")
    assert answer.metadata == {"a": "b"}
    assert answer.usage.total_tokens == 7
    assert answer.aigc["Label"] == "1"
    texts, last = "", None
    for event in client.responses.create(model=MODEL, input="hello", stream=True):
        texts += event.delta if event.type == "response.output_text.delta" else ""
        last = event
    assert last.type == "response.completed"
    assert last.response.output_text == texts == answer.output_text


def test_openai_responses_with_its_stream_helper(gateway, client):
    gateway.model.says(choice("so", reasoning="hm", calls=[("weather", WEATHER)]))
    with client.responses.stream(model=MODEL, input="hello", tools=[TOOL]) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert final.output_text == "so"
    call = next(item for item in final.output if item.type == "function_call")
    assert call.parsed_arguments == {"city": "Paris"}


def test_openai_responses_in_turns(gateway, client):
    gateway.model.says(choice("", reasoning="hm", calls=[("weather", WEATHER)]))
    said = [{"role": "user", "content": "weather?"}]
    first = client.responses.create(model=MODEL, input=said, tools=[TOOL])
    call = first.output[-1]
    told = {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
    gateway.model.says(choice("Rain."))
    again = [*said, *first.output, told]
    answer = client.responses.create(model=MODEL, input=again, tools=[TOOL], store=False)
    assert answer.output_text == "Rain."
    roles = [message["role"] for message in gateway.model.asked[0][1]["messages"]]
    assert roles == ["user", "assistant", "tool"]


def test_openai_responses_into_a_type(gateway, client):
    gateway.model.says(choice(WEATHER))
    parsed = client.responses.parse(model=MODEL, input="hello", text_format=City)
    assert parsed.output_parsed == City(city="Paris")
    with client.responses.stream(model=MODEL, input="hello", text_format=City) as stream:
        assert stream.get_final_response().output_parsed == City(city="Paris")


def test_openai_responses_withheld_and_broken_off(gateway, client):
    gateway.model.says(choice(f"before {HIT} after"))
    *_, last = client.responses.create(model=MODEL, input="hello", stream=True)
    assert last.type == "response.incomplete"
    assert last.response.incomplete_details.reason == "content_filter"
    assert last.response.output_text.startswith("before ")
    gateway.model.sends(_half())
    kinds = []
    with pytest.raises(openai.APIError) as broken:
        kinds.extend(
            event.type for event in client.responses.create(model=MODEL, input="x", stream=True)
        )
    assert broken.value.code == "upstream_closed_early"


def test_openai_completions(gateway, client):
    gateway.model.says(choice("upon a time"))
    answer = client.completions.create(model=MODEL, prompt="Once", max_tokens=9)
    assert answer.choices[0].text.startswith("upon a time\n\n[")
    assert answer.usage.total_tokens == 7
    chunks = list(client.completions.create(model=MODEL, prompt="Once", stream=True))
    assert "".join(c.choices[0].text for c in chunks) == answer.choices[0].text
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_openai_asynchronously(gateway):
    async def talk():
        async with openai.AsyncOpenAI(
            api_key=gateway.secret, base_url=f"{gateway.serving.url}/v1", max_retries=0
        ) as client:
            async with client.responses.stream(model=MODEL, input="hello") as stream:
                response = await stream.get_final_response()
            chunks = await client.completions.create(model=MODEL, prompt="Once", stream=True)
            return response.output_text, "".join([c.choices[0].text async for c in chunks])

    gateway.model.says(choice("one"))
    said, completed = asyncio.run(talk())
    assert said == completed
    assert said.startswith("one\n\n[")


def _half() -> bytes:
    event = {"choices": [{"index": 0, "delta": {"content": "half an answer, and then no more"}}]}
    return sse(json.dumps(event))


# -- anthropic -----------------------------------------------------------------------------------------

MESSAGE = {"model": MODEL, "max_tokens": 9, "messages": SAID}
ANTHROPIC_TOOL = {"name": "weather", "description": "Tells the weather.", "input_schema": SCHEMA}


@pytest.fixture(scope="module")
def claude(gateway):
    anthropic = pytest.importorskip("anthropic", reason="the anthropic client is not installed")
    with anthropic.Anthropic(
        api_key=gateway.secret, base_url=gateway.serving.url, max_retries=0, default_headers=LOUD
    ) as found:
        yield found


def test_anthropic(gateway, claude):
    gateway.model.says(choice("one two"))
    message = claude.messages.create(**MESSAGE)
    assert message.content[0].text.startswith("one two\n\n[")
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens == 4
    assert message.aigc["Label"] == "1"
    kinds = [event.type for event in claude.messages.create(**MESSAGE, stream=True)]
    assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")


def test_anthropic_with_its_stream_helper(gateway, claude):
    gateway.model.says(choice("one two", reasoning="hm"))
    thinking = {"type": "enabled", "budget_tokens": 1024}
    with claude.messages.stream(**MESSAGE, thinking=thinking) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text.startswith("one two\n\n[")
    assert [block.type for block in final.content] == ["thinking", "text"]
    assert final.content[0].thinking == "hm"
    assert final.usage.input_tokens == 3


def test_anthropic_tools_in_turns(gateway, claude):
    gateway.model.says(choice("Let me see.", calls=[("weather", WEATHER)]))
    asking = MESSAGE | {"tools": [ANTHROPIC_TOOL], "tool_choice": {"type": "any"}}
    message = claude.messages.create(**asking)
    assert message.stop_reason == "tool_use"
    assert [block.type for block in message.content] == ["text", "tool_use"]
    assert message.content[1].input == {"city": "Paris"}
    with claude.messages.stream(**asking) as stream:
        streamed = stream.get_final_message()
    assert streamed.content[1].input == {"city": "Paris"}
    result = {"type": "tool_result", "tool_use_id": streamed.content[1].id, "content": "rain"}
    turns = [
        *SAID,
        {"role": "assistant", "content": streamed.content},
        {"role": "user", "content": [result]},
    ]
    gateway.model.says(choice("Rain."))
    assert claude.messages.create(**(asking | {"messages": turns})).content[0].text == "Rain."
    roles = [said["role"] for said in gateway.model.asked[0][1]["messages"]]
    assert roles == ["user", "assistant", "tool"]


def test_anthropic_withheld_refused_and_broken_off(gateway, claude):
    import anthropic

    gateway.model.says(choice(f"before {HIT} after"))
    with claude.messages.stream(**MESSAGE) as stream:
        final = stream.get_final_message()
    assert final.stop_reason == "refusal"
    assert final.content[0].text.startswith("before \n\nThe rest")
    with pytest.raises(anthropic.BadRequestError) as refused:
        claude.messages.create(**(MESSAGE | {"system": "zorblefax"}))
    assert refused.value.body["error"]["code"] == "input_refused"
    gateway.model.sends(_half())
    with pytest.raises(anthropic.APIStatusError), claude.messages.stream(**MESSAGE) as stream:
        stream.get_final_message()


# -- langchain -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["chat", "responses"])
def langchain(gateway, request):
    module = pytest.importorskip("langchain_openai", reason="langchain-openai is not installed")
    return module.ChatOpenAI(
        model=MODEL,
        api_key=gateway.secret,
        base_url=f"{gateway.serving.url}/v1",
        max_retries=0,
        use_responses_api=request.param == "responses",
    )


def test_langchain_invoke_and_stream(gateway, langchain):
    gateway.model.says(choice("one two"))
    answer = langchain.invoke("hello")
    assert answer.text.startswith("one two\n\n[")
    assert answer.usage_metadata["output_tokens"] == 4
    streamed = "".join(chunk.text for chunk in langchain.stream("hello"))
    assert streamed == answer.text


def test_langchain_tools_in_turns(gateway, langchain):
    gateway.model.says(choice("", calls=[("weather", WEATHER)]))
    bound = langchain.bind_tools([CHAT_TOOL])
    whole = bound.invoke("weather?")
    assert [(call["name"], call["args"]) for call in whole.tool_calls] == [
        ("weather", {"city": "Paris"})
    ]
    chunks = list(bound.stream("weather?"))
    streamed = sum(chunks[1:], start=chunks[0])
    assert [(call["name"], call["args"]) for call in streamed.tool_calls] == [
        ("weather", {"city": "Paris"})
    ]
    told = {"role": "tool", "tool_call_id": whole.tool_calls[0]["id"], "content": "rain"}
    gateway.model.says(choice("Rain."))
    assert bound.invoke(["weather?", whole, told]).text == "Rain."


def test_langchain_structured_output(gateway, langchain):
    gateway.model.says(choice(WEATHER))
    structured = langchain.with_structured_output(City, method="json_schema")
    assert structured.invoke("where?") == City(city="Paris")


# -- curl ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"messages": SAID}),
        ("/v1/responses", {"input": "hello"}),
        ("/v1/completions", {"prompt": "hello"}),
        ("/v1/messages", {"messages": SAID, "max_tokens": 9}),
    ],
)
@pytest.mark.parametrize("streamed", [True, False])
def test_curl(gateway, path, body, streamed):
    curl = shutil.which("curl")
    if not curl:
        pytest.skip("curl is not installed")
    gateway.model.says(choice(f"before {HIT} after"))
    command = [curl, "-sS", "--noproxy", "*", "-N", f"{gateway.serving.url}{path}"]
    command += ["-H", f"Authorization: Bearer {gateway.secret}", "-H", "Accept-Language: en"]
    command += ["-d", json.dumps(body | {"model": MODEL, "stream": streamed})]
    received = subprocess.run(command, capture_output=True, check=True, timeout=30).stdout
    assert leaked(received) == set()
    assert b"/report/" in received
    assert len(events(received)) > 3 if streamed else json.loads(received)["aigc"]
