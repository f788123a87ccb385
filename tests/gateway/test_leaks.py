"""The oracle at the socket: of a hit, no character is in the bytes that a client received.

Texts are made so that where the hit begins is known without any search: a beginning in which nothing
can stand, the word in some disguise, a rest. They are cut anywhere, sent through a real server, and
the client's bytes are put together again by a reader that knows nothing of the gateway.
"""

import json
import random
import re
from datetime import date
from typing import NamedTuple

import pytest

from hegui.safety.lexicon import GAP, Entry, Lexicon
from hegui.settings import Limits, Moderation
from scripted import ScriptedModel
from serving import HELLO, Serving, prepared, raw, serving_settings
from soaking import publish

pytestmark = pytest.mark.once

TERMS = ("zorblefax", "嘀咚瓦棱", "quv", "咕噜", "vexnal drimp")
CLEAN = "今天天气很好，我们去公园。The weather is fine; 3 apples, 12.5 kg! \n你好世界abcdegh "
SEPARATORS = " \t.-_*·，。\u200b\u200d😀"
TOOLS = [{"type": "function", "function": {"name": "look"}}]


class Case(NamedTuple):
    before: str
    hit: str  # "" for a text in which nothing stands
    after: str

    @property
    def text(self) -> str:
        return self.before + self.hit + self.after


def make_case(dice: random.Random) -> Case:
    before = "".join(dice.choices(CLEAN, k=dice.randrange(40)))
    after = "".join(dice.choices(CLEAN, k=dice.randrange(20)))
    if dice.random() < 0.3:
        return Case(before, "", after)
    term = dice.choice(TERMS)
    if term[0].isascii():  # a word has borders
        before, after = before + dice.choice("。 \n"), dice.choice("， !") + after
    return Case(before, disguise(dice, term), after)


def disguise(dice: random.Random, term: str) -> str:
    way = dice.randrange(4)
    if way == 1:
        return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in term)
    if way == 2:
        return term.upper()
    if way == 3:
        between = [c for c in SEPARATORS if not c.isspace()]
        gap = "".join(dice.choices(between, k=dice.randrange(1, GAP - 1)))
        return gap.join(term.replace(" ", ""))  # its own blank is one more separator
    return term


def cut(dice: random.Random, text: str) -> list[str]:
    pieces = []
    while text:
        size = dice.choice((1, 1, 2, 3, 5, 8, 40))
        pieces.append(text[:size])
        text = text[size:]
    return pieces


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    folder = tmp_path_factory.mktemp("leaks")
    lexicon = folder / "words.lexicon"
    entries = [Entry(term, "A.1.f") for term in TERMS]
    lexicon.write_bytes(Lexicon.build(entries, date(2026, 1, 1)).to_bytes())
    limits = Limits(key_per_minute=10**9, user_per_minute=10**9)
    with ScriptedModel() as model:
        settings = serving_settings(
            folder, model.url, moderation=Moderation(lexicon=lexicon), limits=limits
        )
        secret = prepared(settings)
        with Serving(settings) as serving:
            yield model, serving, secret


def ask(house, path: str, body: dict, *, stream: bool) -> bytes:
    _, serving, secret = house
    headers = {"authorization": f"Bearer {secret}", "accept-language": "en"}
    data = json.dumps(body | ({"stream": True} if stream else {})).encode()
    status, _, received = raw(serving.port, "POST", path, data, headers)
    assert status == 200, received
    return received


def events_in(received: bytes) -> list[dict]:
    lines = received.decode().splitlines()
    data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    return [json.loads(item) for item in data if item != "[DONE]"]


def texts_in(value: object) -> list[str]:
    """Every string that a client would read, wherever in the answer it stands."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for item in value for text in texts_in(item)]
    if isinstance(value, dict):
        return [text for item in value.values() for text in texts_in(item)]
    return []


def chat_texts(answers: list[dict], field: str) -> str:
    said = ""
    for answer in answers:
        for choice in answer["choices"]:
            said += (choice.get("delta") or choice.get("message") or {}).get(field) or ""
    return said


SURFACES = {"content": "content", "reasoning": "reasoning_content", "refusal": "refusal"}
NOTICE = "\n\nThe rest of this answer was withheld"
LABEL = "\n\n[AI-generated content]"


def judge(case: Case, said: str, received: bytes, *, content: bool) -> None:
    """What the client read is the text up to the hit, or all of it; of the hit, nothing."""
    body = re.split(re.escape(NOTICE), said)[0].removesuffix(LABEL) if content else said
    assert body == (case.before if case.hit else case.text), (case, body)
    if case.hit:
        assert case.hit not in received.decode()


def tokens_of(piece: str) -> dict:
    return {"content": [{"token": c, "logprob": -1.0, "bytes": list(c.encode())} for c in piece]}


def run_chat(house, dice: random.Random, surface: str, *, logprobs: bool) -> None:
    model, case, field = house[0], make_case(dice), SURFACES[surface]
    body = HELLO | ({"logprobs": True} if logprobs else {})
    events = [
        {"choices": [{"index": 0, "delta": {field: piece}}
                     | ({"logprobs": tokens_of(piece)} if logprobs else {})]}
        for piece in cut(dice, case.text)
    ]  # fmt: skip
    model.stream(events)
    received = ask(house, "/v1/chat/completions", body, stream=True)
    streamed = events_in(received)
    judge(case, chat_texts(streamed, field), received, content=surface == "content")
    whole = {"index": 0, "message": {field: case.text}, "finish_reason": "stop"}
    if logprobs:
        whole["logprobs"] = tokens_of(case.text)
    model.say({"choices": [whole]})
    received = ask(house, "/v1/chat/completions", body, stream=False)
    answer = json.loads(received)
    judge(case, chat_texts([answer], field), received, content=surface == "content")
    ends = [c["finish_reason"] for e in streamed for c in e["choices"] if c["finish_reason"]]
    assert ends == [answer["choices"][0]["finish_reason"]]
    assert (ends == ["content_filter"]) == bool(case.hit)
    for answers in (streamed, [answer]):
        known = [
            t
            for a in answers
            for c in a["choices"]
            for t in (c.get("logprobs") or {}).get("content") or ()
        ]
        if logprobs:
            assert "".join(t["token"] for t in known) == (case.before if case.hit else case.text)


def run_call(house, dice: random.Random) -> None:
    """Arguments of a tool, their strings escaped or not, cut anywhere."""
    model, case = house[0], make_case(dice)
    arguments = json.dumps({"q": [case.text]}, ensure_ascii=dice.random() < 0.5)
    deltas = [(0, {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "look"}}]})]
    parts = [{"index": 0, "function": {"arguments": piece}} for piece in cut(dice, arguments)]
    deltas += [(0, {"tool_calls": [part]}) for part in parts]
    model.chat_stream(*deltas, ends="tool_calls")
    received = ask(house, "/v1/chat/completions", HELLO | {"tools": TOOLS}, stream=True)
    calls = [
        t
        for e in events_in(received)
        for c in e["choices"]
        for t in c["delta"].get("tool_calls", ())
    ]
    assert [json.loads(c["function"]["arguments"]) for c in calls] == (
        [] if case.hit else [{"q": [case.text]}]
    )


RUNS = {
    "chat content": lambda house, dice: run_chat(house, dice, "content", logprobs=False),
    "chat content, log-probabilities": lambda house, dice: run_chat(
        house, dice, "content", logprobs=True
    ),
    "chat reasoning": lambda house, dice: run_chat(house, dice, "reasoning", logprobs=False),
    "chat refusal": lambda house, dice: run_chat(house, dice, "refusal", logprobs=False),
    "chat tool arguments": run_call,
}


@pytest.mark.parametrize("run", RUNS)
def test_nothing_of_a_hit_leaves(house, run):
    dice = random.Random(run)
    for _ in range(40):  # tests/gateway/test_borders.py has 500 for every route
        RUNS[run](house, dice)


@pytest.mark.soak
@pytest.mark.parametrize("run", RUNS)
def test_nothing_of_a_hit_leaves_in_ten_thousand(house, run):
    seed = random.randrange(1 << 32)
    dice = random.Random(seed)
    for _ in range(10_000):
        RUNS[run](house, dice)
    publish(
        f"split borders at the socket: {run}", f"10,000 cases from seed {seed}, 0 leaked, 0 missed"
    )
