"""The complete chat route against a scripted model: choices, calls, log-probabilities, envelopes."""

import json

import pytest

from scripted import ScriptedModel
from serving import HELLO, Serving, prepared, raw, serving_settings

WORD = "zorblefax"  # of the sample lexicon; means nothing
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    with ScriptedModel() as model:
        settings = serving_settings(tmp_path_factory.mktemp("house"), model.url)
        secret = prepared(settings)
        with Serving(settings) as serving:

            def ask(path="/v1/chat/completions", **fields):
                return serving.ask(secret, HELLO | fields, path, accept_language="en")

            def stream(**fields):
                headers = {"authorization": f"Bearer {secret}", "accept-language": "en"}
                body = json.dumps(HELLO | fields | {"stream": True}).encode()
                status, _, data = raw(serving.port, "POST", "/v1/chat/completions", body, headers)
                assert status == 200, data
                *events, done, rest = data.decode().split("\n\n")
                assert (done, rest) == ("data: [DONE]", "")
                return [json.loads(event.removeprefix("data: ")) for event in events]

            yield model, ask, stream


def test_every_choice_has_its_own_watch(house):
    model, ask, stream = house
    model.chat({"content": "all is well"}, {"content": f"here {WORD} stands"})
    _, _, answer = ask(n=2)
    texts = [choice["message"]["content"] for choice in answer["choices"]]
    reasons = [choice["finish_reason"] for choice in answer["choices"]]
    assert reasons == ["stop", "content_filter"]
    assert texts[0].startswith("all is well")
    assert texts[1].startswith("here \n\nThe rest of this answer was withheld")
    # the halves of the word in different choices are no word
    model.chat_stream((0, {"content": "zorb"}), (1, {"content": "lefax"}), choices=2)
    events = stream(n=2)
    said = ["", ""]
    for event in events:
        for choice in event["choices"]:
            said[choice["index"]] += choice["delta"].get("content", "")
    assert [text.split("\n")[0] for text in said] == ["zorb", "lefax"]


@pytest.mark.parametrize("field", ["reasoning_content", "refusal"])
def test_other_surfaces_are_watched_too(house, field):
    model, ask, stream = house
    model.chat({"content": "fine", field: f"I think of {WORD} often"})
    message = ask()[2]["choices"][0]["message"]
    assert message[field] == "I think of "
    model.chat_stream(
        *[(0, {field: letter}) for letter in f"I think of {WORD}"], (0, {"content": "x"})
    )
    said = "".join(c["delta"].get(field, "") for e in stream() for c in e["choices"])
    assert said == "I think of "


def test_surfaces_do_not_run_into_each_other(house):
    model, ask, _ = house
    model.chat({"reasoning_content": "zorb", "content": "lefax"})
    assert ask()[2]["choices"][0]["finish_reason"] == "stop"


def test_going_back_to_a_surface_does_not_complete_a_hit(house):
    """What was thought has left when the answer began; the rest of the word does not follow it."""
    model, _, stream = house
    for rest in ("lefax and more", "l", " fine, and more"):
        deltas = [(0, {"reasoning_content": c}) for c in "I say zorb"]
        deltas += [(0, {"content": "hm"})] + [(0, {"reasoning_content": c}) for c in rest]
        model.chat_stream(*deltas)
        events = stream()
        said = "".join(
            c["delta"].get("reasoning_content", "") for e in events for c in e["choices"]
        )
        assert said == ("I say zorb" if rest.startswith("lefax") else f"I say zorb{rest}")
        stopped = events[-1]["choices"][0]["finish_reason"] == "content_filter"
        assert stopped == rest.startswith("lefax")


def call(arguments, name="look"):
    return {"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}


def test_a_call_passes_whole_and_without_a_label(house):
    model, ask, stream = house
    arguments = json.dumps({"q": "weather", "n": [1, {"deep": "ok"}]})
    model.chat({"content": None, "tool_calls": [call(arguments)]}, ends="tool_calls")
    choice = ask(tools=TOOLS)[2]["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"] == {
        "role": "assistant", "content": None, "tool_calls": [call(arguments)],
    }  # fmt: skip
    parts = [{"index": 0, "id": "c1", "function": {"name": "look", "arguments": ""}}]
    parts += [{"index": 0, "function": {"arguments": letter}} for letter in arguments]
    model.chat_stream(*[(0, {"tool_calls": [part]}) for part in parts], ends="tool_calls")
    events = stream(tools=TOOLS)
    calls = [c for e in events for ch in e["choices"] for c in ch["delta"].get("tool_calls", ())]
    assert calls == [{"index": 0, **call(arguments)}]
    assert events[-1]["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(
    "arguments",
    [
        json.dumps({"q": f"say {WORD}"}),
        '{"q": "zorb\\u006cefax"}',  # spelt with an escape: it will be read decoded
        json.dumps({WORD: 1}),
        f"no JSON, but {WORD}",
    ],
)
def test_a_call_that_says_it_is_withheld(house, arguments):
    model, ask, stream = house
    model.chat({"tool_calls": [call(arguments)]}, ends="tool_calls")
    choice = ask(tools=TOOLS)[2]["choices"][0]
    assert choice["finish_reason"] == "content_filter"
    assert "tool_calls" not in choice["message"]
    model.chat_stream((0, {"tool_calls": [{"index": 0, **call(arguments)}]}), ends="tool_calls")
    events = stream(tools=TOOLS)
    assert "tool_calls" not in json.dumps(events)
    assert events[-1]["choices"][0]["finish_reason"] == "content_filter"


def test_json_mode_stays_json(house):
    model, ask, _ = house
    model.chat({"content": '{"a": 1}'})
    answer = ask(response_format={"type": "json_object"})[2]
    assert answer["choices"][0]["message"]["content"] == '{"a": 1}'
    assert answer["aigc"]["Label"] == "1"


def tokens(text):
    return [
        {"token": t, "logprob": -0.5, "bytes": list(t.encode()), "top_logprobs": []} for t in text
    ]


def test_log_probabilities_leave_with_their_text(house):
    model, ask, stream = house
    text = f"say {WORD} now"
    known = tokens(text)
    known[0]["top_logprobs"] = [
        {"token": WORD, "logprob": -3.0, "bytes": None}, {"token": "s", "logprob": -1.0, "bytes": None},
    ]  # fmt: skip
    model.say(
        {"choices": [{"index": 0, "message": {"content": text}, "logprobs": {"content": known}}]}
    )
    choice = ask(logprobs=True, top_logprobs=2)[2]["choices"][0]
    assert "".join(t["token"] for t in choice["logprobs"]["content"]) == "say "
    assert [t["token"] for t in choice["logprobs"]["content"][0]["top_logprobs"]] == ["s"]
    events = [
        {"choices": [{"index": 0, "delta": {"content": t["token"]}, "logprobs": {"content": [t]}}]}
        for t in tokens(text)
    ]
    model.stream(events)
    streamed = [
        t
        for e in stream(logprobs=True)
        for c in e["choices"]
        for t in (c.get("logprobs") or {}).get("content") or ()
    ]
    assert "".join(t["token"] for t in streamed) == "say "


def test_log_probabilities_of_split_characters(house):
    """Tokens of a byte-level model cut characters: they leave with the last of their bytes."""
    model, ask, _ = house
    data = "你好".encode()
    known = [{"token": "?", "logprob": -1.0, "bytes": [byte]} for byte in data]
    model.say(
        {"choices": [{"index": 0, "message": {"content": "你好"}, "logprobs": {"content": known}}]}
    )
    choice = ask(logprobs=True)[2]["choices"][0]
    assert [t["bytes"] for t in choice["logprobs"]["content"]] == [[byte] for byte in data]


def test_unknown_fields_of_the_model_do_not_pass(house):
    model, ask, stream = house
    extra = {"content": "hi", "secret": WORD, "annotations": [WORD]}
    model.chat(extra, system_fingerprint=WORD, prompt_filter_results=[WORD])
    assert WORD not in json.dumps(ask()[2])
    model.stream([{"choices": [{"index": 0, "delta": extra, "note": WORD}], "note": WORD}])
    assert WORD not in json.dumps(stream())


def test_unknown_fields_of_the_client_do_not_reach_the_model(house):
    model, ask, _ = house
    model.chat({"content": "hi"})
    ask(metadata={"a": "b"}, user="somebody", store=True, temperature=0.5)
    path, sent = model.requests[-1]
    assert path == "/v1/chat/completions"
    assert set(sent) == {"model", "messages", "temperature"}


def test_text_inside_tools_and_schemas_is_checked(house):
    _, ask, _ = house
    tools = [{"type": "function", "function": {"name": "f", "description": f"does {WORD}"}}]
    assert ask(tools=tools)[2]["error"]["code"] == "input_refused"
    schema = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"title": WORD}}}
    assert ask(response_format=schema)[2]["error"]["code"] == "input_refused"
    said = [{"role": "assistant", "tool_calls": [call('{"q": "zorb\\u006cefax"}')]}]
    assert ask(messages=said)[2]["error"]["code"] == "input_refused"
    parts = [{"type": "text", "text": "zorb"}, {"type": "text", "text": "lefax"}]
    said = [{"role": "user", "content": parts}]
    assert ask(messages=said)[2]["error"]["code"] == "input_refused"


def test_label_for_machines_in_first_and_last_event(house):
    model, _, stream = house
    model.chat_stream((0, {"content": "hello"}))
    events = stream()
    assert events[0]["aigc"]["Label"] == events[-1]["aigc"]["Label"] == "1"
    model.chat_stream((0, {"content": "hello"}))
    counted = stream(stream_options={"include_usage": True})
    assert counted[-1]["choices"] == []
    assert counted[-1]["usage"]["total_tokens"] == 8


def test_a_choice_that_comes_twice_is_no_answer(house):
    model, ask, _ = house
    choice = {"index": 0, "message": {"content": "zorb"}}
    model.say({"choices": [choice, choice]})
    status, _, answer = ask()
    assert (status, answer["error"]["code"]) == (502, "upstream_garbage")


def test_choices_nobody_asked_for_are_dropped(house):
    model, ask, _ = house
    model.chat({"content": "one"}, {"content": WORD}, {"content": "three"})
    choices = ask()[2]["choices"]
    assert [choice["index"] for choice in choices] == [0]


def test_embeddings(house):
    model, ask, _ = house
    vectors = [
        {"object": "embedding", "index": n, "embedding": [0.5, -1.0], "note": WORD} for n in (0, 1)
    ]
    model.say({"data": vectors, "usage": {"prompt_tokens": 4, "total_tokens": 4}, "note": WORD})
    status, head, answer = ask("/v1/embeddings", input=["a", "b"], dimensions=2)
    assert status == 200
    assert head["x-hegui-exchange"]
    assert [item["embedding"] for item in answer["data"]] == [[0.5, -1.0]] * 2
    assert WORD not in json.dumps(answer)
    assert model.requests[-1][0] == "/v1/embeddings"
    assert model.requests[-1][1] == {"model": "m", "input": ["a", "b"], "dimensions": 2}
    assert ask("/v1/embeddings", input=f"a {WORD}")[2]["error"]["code"] == "input_refused"
    assert ask("/v1/embeddings", input=[[1, 2]])[0] == 400
    model.say({"data": "no"})
    assert ask("/v1/embeddings", input="a")[0] == 502


def test_moderations(house):
    _, ask, _ = house
    status, _, answer = ask("/v1/moderations", input=["fine", f"say {WORD}", "zorb-lefax"])
    assert status == 200
    assert [result["flagged"] for result in answer["results"]] == [False, True, True]
    first = answer["results"][1]
    assert len(first["categories"]) == len(first["category_scores"]) == 31
    assert {key for key, on in first["categories"].items() if on} == {
        key for key, score in first["category_scores"].items() if score
    }
    assert ask("/v1/moderations", input=[{"type": "image_url", "image_url": {}}])[0] == 400
