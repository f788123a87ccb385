"""The models behind the gateway: which upstreams answer for which name, and what if one fails.

Upstreams that serve the same name are asked in the order of the settings. The next one is asked when
nothing of an answer has been used: the connection failed, no byte of a body came in time, or the
status was 429 or 5xx. One that failed rests, each time longer, and is then tried by one request.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final, Protocol

import msgspec

from hegui.gateway.demo import DemoModel
from hegui.gateway.upstream import Client, Limits, UpstreamError
from hegui.language import Problem
from hegui.settings import Settings, Upstream

_REST_SECONDS: Final = 1.0  # after the first failure; doubled after each that follows
_LONGEST_REST: Final = 60.0
_TOO_MANY: Final = HTTPStatus.TOO_MANY_REQUESTS.value
_JITTER: Final = 0.25  # of a rest, so that processes do not come back in step


class ModelReply(Protocol):
    """What an upstream's answer offers (see `gateway.upstream.Reply`); `upstream` is its name."""

    status: int
    upstream: str

    async def begun(self) -> None: ...
    async def read(self) -> bytes: ...
    async def next_events(self) -> list[bytes]: ...
    def abort(self) -> None: ...


class Asked(Protocol):
    async def post(self, path: str, body: bytes) -> ModelReply: ...


class ModelClient(Asked, Protocol):
    def close(self) -> None: ...


class Status(msgspec.Struct, frozen=True):
    """How an upstream has done in this process, for people and for metrics."""

    name: str
    models: tuple[str, ...]
    rests_for: float  # seconds; 0 when it may be asked
    in_a_row: int  # failures since its last answer
    asked: int
    failed: dict[str, int]  # by kind of `UpstreamError`


class Source:
    """One upstream, its health and its counts."""

    def __init__(self, settings: Upstream, client: ModelClient, clock: Callable[[], float]) -> None:
        self.name, self._models, self.client = settings.name, settings.models, client
        self._clock = clock
        self.rests_until = 0.0
        self._in_a_row = self._asked = 0
        self._failed: Counter[str] = Counter()

    @property
    def awake(self) -> bool:
        return self._clock() >= self.rests_until

    def status(self) -> Status:
        rest = max(0.0, self.rests_until - self._clock())
        failed = dict(self._failed)
        return Status(self.name, self._models, rest, self._in_a_row, self._asked, failed)

    async def post(self, path: str, body: bytes) -> ModelReply:
        """Ask it; the reply is the beginning of an answer, or of an error that is the caller's own.

        Raises `UpstreamError`; a status of 429 or 5xx is one of kind "status".
        """
        self._asked += 1
        before = self._in_a_row
        if before:  # the others keep away until this request knows more
            self.rests_until = self._clock() + _LONGEST_REST
        try:
            reply = await self._begin(path, body)
        except UpstreamError as error:
            self._failed[error.kind] += 1
            if self._in_a_row == before:  # else this failure is one that has been counted
                self._rest()
            raise
        except BaseException:  # the client left before we knew: the next request may try
            if before:
                self.rests_until = 0.0
            raise
        self._in_a_row, self.rests_until = 0, 0.0
        return reply

    async def _begin(self, path: str, body: bytes) -> ModelReply:
        reply = await self.client.post(f"/{path.removeprefix('/')}", body)
        reply.upstream = self.name
        try:
            if reply.status == _TOO_MANY or reply.status >= 500:
                raise UpstreamError("status")  # noqa: TRY301 (it is aborted like the others)
            await reply.begun()
        except BaseException:
            reply.abort()
            raise
        return reply

    def _rest(self) -> None:
        self._in_a_row += 1
        # No more than the cap: a large power would overflow.
        rest = min(_LONGEST_REST, _REST_SECONDS * 2 ** min(self._in_a_row - 1, 10))
        jitter = random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 (no secret)
        self.rests_until = self._clock() + rest * jitter


class Line:
    """The upstreams that serve one name, first choice first."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = sources

    async def post(self, path: str, body: bytes) -> ModelReply:
        """The first answer that begins; raises the last upstream's `UpstreamError` if none does."""
        failure = None
        for source in self._order():
            try:
                return await source.post(path, body)
            except UpstreamError as error:
                failure = error
        raise failure or UpstreamError("connect")

    def _order(self) -> Sequence[Source]:
        """Those to ask now: all that are awake, then the least bad of those that rest."""
        awake = [source for source in self.sources if source.awake]
        if len(awake) == len(self.sources):
            return awake
        resting = [source for source in self.sources if source not in awake]
        return [*awake, min(resting, key=lambda source: source.rests_until)]


class Models:
    """Upstreams by model name; those without names answer for every other name."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self.upstreams = settings.upstream
        self._sources = [Source(each, _client(each), clock) for each in self.upstreams]
        both = list(zip(self.upstreams, self._sources, strict=True))
        self._by_model = {
            model: Line([source for upstream, source in both if model in upstream.models])
            for model in self.names()
        }
        self._other = Line([source for upstream, source in both if not upstream.models])

    @property
    def default(self) -> str:
        """The model of the chat page: the first name of the first upstream."""
        return next(iter(self.names()), "default")

    def names(self) -> list[str]:
        """Every name once, in the order of the settings."""
        every = [model for upstream in self.upstreams for model in upstream.models]
        return list(dict.fromkeys(every))

    def knows(self, model: str) -> bool:
        return model in self._by_model or bool(self._other.sources)

    def client(self, model: str) -> Asked:
        """Whom to ask for a model that `knows` has allowed; it goes on to the next by itself."""
        found = self._by_model.get(model, self._other)
        if not found.sources:
            raise KeyError(model)
        return found

    def status(self) -> list[Status]:
        """How each upstream is doing, in the order of the settings."""
        return [source.status() for source in self._sources]

    def close(self) -> None:
        """Close the connections that are not at work; in the loop that made them."""
        for source in self._sources:
            source.client.close()


def _client(upstream: Upstream) -> ModelClient:
    if upstream.url == "demo:":
        return DemoModel()
    return make_client(upstream)


def make_client(upstream: Upstream) -> Client:
    """The client of an upstream that is a server.

    Raises:
        Problem: `upstream.key` when its key is not in the environment, or as `Client` does.
    """
    headers = {}
    if upstream.api_key_env:
        secret = os.environ.get(upstream.api_key_env)
        if not secret:
            raise Problem(
                "upstream.key",
                "The upstream {name} wants its key in the environment variable {variable}: set it.",
                name=upstream.name,
                variable=upstream.api_key_env,
            )
        headers["authorization"] = f"Bearer {secret}"
    limits = Limits(
        connect_seconds=upstream.connect_seconds,
        first_byte_seconds=upstream.first_byte_seconds,
        idle_seconds=upstream.idle_seconds,
        total_seconds=upstream.total_seconds,
        max_body_bytes=upstream.max_answer_bytes,
        max_event_bytes=upstream.max_event_bytes,
        max_connections=upstream.max_connections,
    )
    return Client(upstream.url, headers, limits, upstream.ca_file or None)
