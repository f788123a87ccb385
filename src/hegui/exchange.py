"""The one object of the house: an exchange (one request and its answer), and the verdicts on it."""

import time
from collections.abc import Callable, Sequence
from os import urandom
from typing import Any, Final, Literal

import msgspec

from hegui.language import say
from hegui.people.callers import Caller
from hegui.safety.minimise import Restorer

Decision = Literal["pass", "mask", "withhold", "refuse"]
Unscanned = Literal["image", "audio", "file"]
Surface = Literal["content", "reasoning", "refusal", "tool", "end"]
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


class Call(msgspec.Struct, gc=False):
    """A tool that the model wants called."""

    index: int
    id: str
    name: str


class Token(msgspec.Struct, gc=False):
    """A token of an answer with its log-probability, and what else could have stood there."""

    token: str
    logprob: float = 0.0
    bytes: list[int] | None = None
    top_logprobs: list["Token"] | msgspec.UnsetType = msgspec.UNSET


class Piece(msgspec.Struct, gc=False):
    """Text of one surface of one choice of an answer.

    `content`, `reasoning` and `refusal` come in pieces, `tool` (the arguments of a call, as JSON) comes
    whole. `end` closes its choice; its text is the reason: stop, length, tool_calls, content_filter.
    """

    choice: int
    surface: Surface
    text: str
    tokens: Sequence[Token] = ()
    call: Call | None = None


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
    path: str = "chat/completions"  # of the model server
    choices: int = 1  # answers that were asked for
    plain: bool = True  # the answer is prose for a person: not JSON, no calls of tools
    unscanned: tuple[
        Unscanned, ...
    ] = ()  # kinds of parts that no control can read: image, audio, file
    reasoning: bool = True  # the user gets to see what the model thought
    upstream: str = ""  # which of the model servers answered
    state: State = "running"
    verdict: Verdict = PASS
    released: dict[tuple[int, Surface], list[str]] = msgspec.field(default_factory=dict)
    withheld: dict[tuple[int, Surface], str] = msgspec.field(default_factory=dict)  # never seen
    usage: Usage | None = None
    profile: Literal["adult", "minor"] = "adult"
    policy: str = ""  # version of what decided
    ran: str = ""  # names of the controls that let it in, or did not
    watched: str = ""  # names of those that saw the answer before the user did
    passed: list[dict[str, str]] = msgspec.field(
        default_factory=list
    )  # unscanned: kind, owner, reason
    found: set[str] = msgspec.field(default_factory=set)  # risks, and kinds of personal information
    shadow: set[str] = msgspec.field(
        default_factory=set
    )  # what the policy in shadow would have done
    rewrite: Callable[[Callable[[str], str]], bytes] | None = (
        None  # `forward` with its texts changed
    )
    restorer: Callable[[], Restorer] | None = None  # puts back what the model was not shown
    label: str = ""  # version of the label that was shown
    aigc: dict[str, str] = msgspec.field(
        default_factory=dict
    )  # the same for machines, in the envelope

    @property
    def answer(self) -> str:
        """What the user saw as the (first) answer."""
        return "".join(self.released.get((0, "content"), ()))


_START: Final = time.time_ns()


def new_id() -> str:
    """32 hex digits, the first 12 the time in milliseconds: ids sort by time, tables grow at one end.

    None is earlier than the start of the process, even if the clock goes back: what a process that
    died has left open is looked for from there (see `gateway.instances`).
    """
    return f"{max(_START, time.time_ns()) // 1_000_000:012x}{urandom(10).hex()}"
