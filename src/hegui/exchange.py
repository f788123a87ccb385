"""The one object of the house: an exchange (one request and its answer), and the verdicts on it."""

import time
from os import urandom
from typing import Any, Final, Literal

import msgspec

from hegui.language import say
from hegui.people.callers import Caller

Decision = Literal["pass", "mask", "withhold", "refuse"]
State = Literal["running", "answering", "finished", "withheld", "refused", "interrupted"]


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What a control decided, under which obligations, and what the user is told.

    *pass* · *mask* (the span is replaced) · *withhold* (stop, tell why and how to appeal) · *refuse*
    (before the model is asked). `code` is stable; `message` is an English template of the catalogue;
    `category` is a key of the 31 risks; `review` also opens a case for a person.
    """

    decision: Decision
    control: str = ""
    carries: tuple[str, ...] = ()
    code: str = ""
    message: str = ""
    values: dict[str, Any] = {}
    category: str = ""
    review: bool = False
    status: int = 403  # of HTTP, when the answer is an error
    retry_after: int = 0  # seconds

    def say(self, language: str) -> str:
        return say(language, self.message, **self.values)


PASS: Final = Verdict("pass")


class Usage(msgspec.Struct):
    """Tokens, as the model's server counts them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


class Exchange(msgspec.Struct):
    """One request and its answer, from the door to the ledger."""

    id: str
    route: str
    language: str
    caller: Caller
    person: str  # the user: the caller itself, or someone it speaks for
    model: str
    stream: bool
    texts: tuple[str, ...]  # every text of the request, in order
    request: bytes  # as it came in; sealed as evidence
    forward: bytes  # as it goes to the model
    state: State = "running"
    verdict: Verdict = PASS
    released: list[str] = msgspec.field(default_factory=list)
    withheld: str = ""  # what the model wrote and the user never saw
    finish: str = "stop"  # why the model ended: stop, length, content_filter
    usage: Usage | None = None
    label: str = ""  # version of the label that was shown


_START: Final = time.time_ns()


def new_id() -> str:
    """32 hex digits, the first 12 the time in milliseconds: ids sort by time, tables grow at one end.

    None is earlier than the start of the process, even if the clock goes back: what a process that
    died has left open is looked for from there (see `gateway.instances`).
    """
    return f"{max(_START, time.time_ns()) // 1_000_000:012x}{urandom(10).hex()}"
