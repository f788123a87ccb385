"""Wherever a model cuts its words: what a client received ends where the first hit begins, not after.

The oracle is one plain scan of the whole text. Each route is asked with tools or an end to fill in, so
that its answer is no prose and carries no label nor notice: what was received is then exactly what
was released. Every streamed case is asked whole as well, and must say the same.
"""

import json
import random

import pytest

from hegui.safety.sample import sample_lexicon
from routing import HIT, SCHEMA, Routed, events, routed
from saying import choice
from serving import MODEL
from soaking import publish

pytestmark = pytest.mark.once

SAID = [{"role": "user", "content": "hello"}]
FUNCTION = {"name": "weather", "parameters": SCHEMA}
BODIES = {
    "/v1/chat/completions": {
        "messages": SAID,
        "tools": [{"type": "function", "function": FUNCTION}],
    },
    "/v1/responses": {"input": "hello", "tools": [{"type": "function", **FUNCTION}]},
    "/v1/completions": {"prompt": "hello", "suffix": "the end"},
    "/v1/messages": {
        "messages": SAID,
        "max_tokens": 9,
        "tools": [{"name": "weather", "input_schema": SCHEMA}],
        "thinking": {"type": "adaptive"},
    },
}
SURFACES = ("content", "reasoning", "refusal", "tool")
CASES = [
    (path, surface)
    for path in BODIES
    for surface in (SURFACES if path != "/v1/completions" else ("content",))
]
PARTS = [
    *HIT, HIT, HIT[:2], HIT[2:], "quin", "drasp", "QUIN", "好", "a", " ", "，", "\n", "\u200b", "…",
]  # fmt: skip


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with routed(tmp_path_factory.mktemp("borders")) as found:
        yield found


def answer(surface: str, text: str, cuts: random.Random):
    if surface == "tool":
        return choice(calls=[("weather", json.dumps({"city": text}))], cuts=cuts)
    return choice(**{surface: text}, cuts=cuts)


# -- what of it a client can read, for each route and surface ----------------------------------------


def of_chat(surface: str, bodies) -> str:
    field = "reasoning_content" if surface == "reasoning" else surface
    said = [
        part.get("delta") or part.get("message") or {}
        for body in bodies
        for part in body["choices"]
    ]
    if surface == "tool":
        return calls(c["function"]["arguments"] for s in said for c in s.get("tool_calls", ()))
    return "".join(s.get(field) or "" for s in said)


def of_responses(surface: str, bodies) -> str:
    """What the deltas say, and beside it what every repetition of it says."""
    kind = {"content": "output_text", "reasoning": "reasoning_text"}.get(surface, surface)
    if bodies[-1].get("object") == "response":
        return of_response(kind, bodies[-1])
    wanted = "function_call_arguments" if surface == "tool" else kind
    deltas = [body for body in bodies if body["type"] == f"response.{wanted}.delta"]
    repeated = of_response(kind, bodies[-1]["response"])
    said = [body["delta"] for body in deltas]
    told = calls(said) if surface == "tool" else "".join(said)
    assert told == repeated
    return told


def of_response(kind: str, response) -> str:
    if kind == "tool":
        return calls(o["arguments"] for o in response["output"] if o["type"] == "function_call")
    parts = [part for item in response["output"] for part in item.get("content", ())]
    return "".join(part.get("text", part.get("refusal")) for part in parts if part["type"] == kind)


def of_completions(_surface: str, bodies) -> str:
    return "".join(part["text"] for body in bodies for part in body["choices"])


def of_messages(surface: str, bodies) -> str:
    kind, field = {"reasoning": ("thinking", "thinking"), "tool": ("tool_use", "input")}.get(
        surface, ("text", "text")
    )
    if bodies[-1].get("type") == "message":
        blocks = [block[field] for block in bodies[-1]["content"] if block["type"] == kind]
        return calls(map(json.dumps, blocks)) if surface == "tool" else "".join(blocks)
    deltas = [body["delta"] for body in bodies if body["type"] == "content_block_delta"]
    if surface == "tool":
        return calls(delta["partial_json"] for delta in deltas if "partial_json" in delta)
    return "".join(delta.get(field, "") for delta in deltas)


def calls(arguments) -> str:
    return "".join(json.loads(text)["city"] for text in arguments)


READ = dict(zip(BODIES, (of_chat, of_responses, of_completions, of_messages), strict=True))


def received(gateway: Routed, path: str, surface: str, *, stream: bool) -> str:
    body = BODIES[path] | {"model": MODEL, "stream": stream}
    status, data = gateway.post(path, body)
    assert status == 200, data
    return READ[path](surface, events(data) if stream else [json.loads(data)])


def expected(surface: str, text: str) -> tuple[str, bool]:
    """What may be received, and whether the text says something that may not."""
    stops = [h for h in sample_lexicon().scan(text) if h.entry.action in ("refuse", "withhold")]
    if not stops:
        return text, False
    return ("" if surface == "tool" else text[: stops[0].start]), True


def try_cases(gateway: Routed, path: str, surface: str, count: int, seed: int) -> int:
    """Ask `count` random texts, cut at random; returns how many said something forbidden."""
    dice, hits = random.Random(f"{path} {surface} {seed}"), 0
    for number in range(count):
        text = "".join(dice.choices(PARTS, k=dice.randrange(1, 12)))
        may, hit = expected(surface, text)
        hits += hit
        gateway.model.says(answer(surface, text, dice))
        for stream in (True, False):
            got = received(gateway, path, surface, stream=stream)
            assert got == may, (path, surface, seed, number, text, stream)
    return hits


@pytest.mark.parametrize(("path", "surface"), CASES)
def test_what_is_received_ends_where_the_hit_begins(gateway, path, surface):
    count = 500 if path == "/v1/completions" else 125  # 500 a route
    hits = try_cases(gateway, path, surface, count, seed=1)
    assert count / 5 < hits < count


@pytest.mark.soak
@pytest.mark.parametrize(("path", "surface"), CASES)
def test_soak_borders(gateway, path, surface):
    count = 10_000
    hits = try_cases(gateway, path, surface, count, seed=2)
    publish(f"borders, {path}, {surface}", f"{count} cases, {hits} with a hit: 0 leaked, 0 missed")
