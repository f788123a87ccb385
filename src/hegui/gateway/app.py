"""`/v1`: the routes of the gateway, as a plain ASGI application."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import aclosing
from typing import Any, Final, Literal, TypeVar

import msgspec

from hegui.exchange import Exchange, Verdict, new_id
from hegui.gateway import embeddings, moderations
from hegui.gateway.adapter import Adapter, Asked, Writer
from hegui.gateway.chat import Chat
from hegui.gateway.completions import Completions
from hegui.gateway.door import Door, Refused
from hegui.gateway.messages import Messages
from hegui.gateway.messages_events import error_shape
from hegui.gateway.responses import Responses
from hegui.gateway.wire import (
    Headers,
    Receive,
    Scope,
    Send,
    bad_request,
    error_body,
    read_body,
    send_error,
    send_json,
)
from hegui.language import N_, Problem, choose
from hegui.people.agreement import read_agreement
from hegui.people.callers import Caller

T = TypeVar("T")


class Route(msgspec.Struct, frozen=True):
    """A path, its methods, and who may use it: `caller` is whoever holds a valid API key."""

    path: str
    methods: tuple[str, ...]
    role: str


_MESSAGES: Final = "/v1/messages"  # Anthropic's: it has its own header for the key, its own errors
ROUTES: Final = (
    Route("/v1/chat/completions", ("POST",), "caller"),
    Route("/v1/embeddings", ("POST",), "caller"),
    Route("/v1/moderations", ("POST",), "caller"),
    Route("/v1/responses", ("POST",), "caller"),
    Route("/v1/completions", ("POST",), "caller"),
    Route(_MESSAGES, ("POST",), "caller"),
    Route("/v1/models", ("GET",), "caller"),
    Route("/v1/agreement", ("GET", "POST"), "caller"),
)
_LONGEST: Final = 120  # letters of a model's name, as the table of exchanges holds them
_MOMENT: Final = 0.1  # seconds; most clients that leave do so later
_ADAPTERS: Final[dict[str, Adapter]] = {
    "/v1/chat/completions": Chat(),
    "/v1/responses": Responses(),
    "/v1/completions": Completions(),
    _MESSAGES: Messages(),
}
_METHODS: Final = {route.path: route.methods for route in ROUTES}


class Call(msgspec.Struct):
    """One HTTP request while it is served."""

    path: str
    method: str
    headers: dict[bytes, bytes]
    receive: Receive
    send: Send
    language: str


class Acceptance(msgspec.Struct):
    version: str


class Gateway:
    """Serves `/v1`. An unknown route is refused; whatever goes wrong, the answer has the API's shape."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self._settings = door.house.settings
        self._report = self._settings.service.report_address
        self._under_way = 0
        self._handlers: dict[str, Callable[[Call, Caller, str], Awaitable[None]]] = {
            "/v1/embeddings": self._embeddings,
            "/v1/moderations": self._moderations,
            "/v1/models": self._models,
            "/v1/agreement": self._agreement,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        accept = headers.get(b"accept-language", b"").decode("latin-1")
        language = choose(accept, self._settings.service.language)
        call = Call(scope["path"], scope["method"], headers, receive, send, language)
        if call.path == _MESSAGES and (key := headers.get(b"x-api-key")):
            headers.setdefault(b"authorization", b"Bearer " + key)
        self._under_way += 1
        try:
            await self._serve(call)
        except Refused as refused:
            await self._error(call, refused.verdict)
        finally:
            self._under_way -= 1

    async def _serve(self, call: Call) -> None:
        if self._under_way > self._settings.server.max_requests:
            message = N_("The service is busy: wait a moment and try again.")
            raise Refused(
                Verdict("refuse", "limits", (), "busy", message, status=503, retry_after=1)
            )
        methods = _METHODS.get(call.path)
        if methods is None:
            message = N_("There is no route {path} here: {known} are served.")
            known = ", ".join(_METHODS)
            raise Refused(bad_request("unknown_route", message, 404, path=call.path, known=known))
        if call.method not in methods:
            message = N_("{path} takes {methods} only.")
            allowed = ", ".join(methods)
            raise Refused(
                bad_request("wrong_method", message, 405, path=call.path, methods=allowed)
            )
        found = await self.door.identify(call.headers)
        if isinstance(found, Verdict):
            raise Refused(found)
        if (adapter := _ADAPTERS.get(call.path)) is not None:
            await self._answer(call, *found, adapter)
        else:
            await self._handlers[call.path](call, *found)

    async def _error(self, call: Call, verdict: Verdict) -> None:
        body = error_body(verdict, call.language, self._report)
        anthropic = call.path.startswith(_MESSAGES)
        await send_error(call.send, verdict, error_shape(body) if anthropic else body)

    async def _body(self, call: Call) -> bytes:
        body = await read_body(call.receive, call.headers, self._settings.server.max_body_bytes)
        if isinstance(body, Verdict):
            raise Refused(body)
        return body

    # -- /v1/models, /v1/agreement -------------------------------------------------------------------

    async def _models(self, call: Call, _caller: Caller, _person: str) -> None:
        data = [
            {"id": name, "object": "model", "created": 0, "owned_by": "hegui"}
            for name in self.door.models.names()
        ]
        await send_json(call.send, 200, {"object": "list", "data": data})

    async def _agreement(self, call: Call, _caller: Caller, person: str) -> None:
        """Show the agreement in force, and take a platform's word that its user accepted it."""
        agreements = self.door.house.agreements
        if call.method == "POST":
            try:
                wanted = msgspec.json.decode(await self._body(call), type=Acceptance)
                await asyncio.to_thread(agreements.accept, person, wanted.version, "api")
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                message = N_("The request is not valid: {reason}. Mend that and send it again.")
                raise Refused(bad_request("invalid_request", message, reason=error)) from error
            except Problem as problem:
                refusal = bad_request(problem.code, problem.message, 409, **problem.values)
                raise Refused(refusal) from problem
        version, since, body = await asyncio.to_thread(agreements.current)
        text = read_agreement(body)
        accepted = await asyncio.to_thread(agreements.accepted, person)
        answer = {"version": version, "since": since, "accepted": accepted, "agreement": text}
        await send_json(call.send, 200, answer)

    # -- the routes with an answer of a model -------------------------------------------------------

    async def _answer(self, call: Call, caller: Caller, person: str, adapter: Adapter) -> None:
        body = await self._body(call)
        asked = _taken(adapter.parse(body))
        exchange = self._exchange(call, caller, person, adapter.route, asked, body)
        self._require_model(asked.model)
        if asked.stream:
            serving = self._stream(call, exchange, adapter.writer(exchange, asked))
        else:
            serving = self._whole(call, exchange, adapter, asked)
        await _while_listening(call.receive, serving)

    def _require_model(self, name: str) -> None:
        # An upstream may take any name, but what no record can hold must not come in.
        fits = len(name) <= _LONGEST and "\0" not in name
        if not fits or not self.door.models.knows(name):
            message = N_("There is no model {model}: GET /v1/models lists them.")
            raise Refused(bad_request("model_not_found", message, 404, model=name[:80]))

    @staticmethod
    def _exchange(
        call: Call, caller: Caller, person: str, route: str, asked: Asked, body: bytes
    ) -> Exchange:
        return Exchange(
            id=new_id(),
            route=route,
            language=call.language,
            caller=caller,
            person=person,
            model=asked.model,
            stream=asked.stream,
            texts=asked.texts,
            request=body,
            forward=asked.forward,
            path=asked.path,
            choices=asked.choices,
            plain=asked.plain,
            unscanned=asked.unscanned,
            rewrite=asked.rewrite,
            profile=_profile(call.headers),
            reasoning=asked.reasoning,
        )

    async def _whole(self, call: Call, exchange: Exchange, adapter: Adapter, asked: Asked) -> None:
        await self.door.enter(exchange)
        pieces = await self.door.whole(exchange)
        answer = adapter.whole(exchange, asked, pieces)
        await send_json(call.send, 200, answer, _marks(exchange))

    async def _stream(self, call: Call, exchange: Exchange, writer: Writer) -> None:
        try:
            await self.door.enter(exchange)
        except Refused as refused:
            if exchange.state != "refused":
                raise  # no exchange came about: an ordinary HTTP error
            await _start(call.send, exchange)
            await _send(call.send, writer.refusal(refused.verdict), more=False)
            return
        started = False
        try:
            async with aclosing(self.door.stream(exchange)) as batches:
                async for pieces in batches:
                    head = b""
                    if not started:
                        started = True
                        await _start(call.send, exchange)
                        head = writer.first()  # before the pieces: some APIs number their events
                    await _send(call.send, head + writer.pieces(pieces))
        except Refused as refused:
            if not started:
                raise
            told = error_body(refused.verdict, exchange.language, self._report)
            await _send(call.send, writer.error(told), more=False)
            return
        await _send(call.send, writer.last(), more=False)

    # -- /v1/embeddings, /v1/moderations -------------------------------------------------------------

    async def _embeddings(self, call: Call, caller: Caller, person: str) -> None:
        body = await self._body(call)
        asked = _taken(embeddings.parse(body))
        self._require_model(asked.model)
        exchange = self._exchange(call, caller, person, embeddings.ROUTE, asked, body)

        async def serving() -> None:
            await self.door.enter(exchange)
            answer = await self.door.fetch(exchange, lambda data: embeddings.read(exchange, data))
            await send_json(call.send, 200, answer, [(b"x-hegui-exchange", exchange.id.encode())])

        await _while_listening(call.receive, serving())

    async def _moderations(self, call: Call, caller: Caller, person: str) -> None:
        body = await self._body(call)
        texts = _taken(moderations.parse(body))
        asked = Asked(moderations.MODEL, stream=False, texts=tuple(texts), forward=b"")
        await self.door.admit(self._exchange(call, caller, person, moderations.ROUTE, asked, body))
        await send_json(call.send, 200, moderations.answer(texts, self.door.judge))


def _profile(headers: dict[bytes, bytes]) -> Literal["adult", "minor"]:
    """Whom a platform says the answer is for; a minor's rules are never laxer, so anybody may."""
    given = headers.get(b"x-hegui-profile", b"adult")
    if given in {b"adult", b"minor"}:
        return "minor" if given == b"minor" else "adult"
    message = N_(
        "The header X-Hegui-Profile is neither adult nor minor: correct it or leave it out."
    )
    raise Refused(bad_request("unknown_profile", message))


def _taken(parsed: T | Verdict) -> T:
    """What an adapter understood; raises `Refused` for what it did not."""
    if isinstance(parsed, Verdict):
        raise Refused(parsed)
    return parsed


def _marks(exchange: Exchange) -> Headers:
    """Headers that name the exchange, and say by machine that its content is AI-generated."""
    marks = [(b"x-hegui-exchange", exchange.id.encode())]
    return [*marks, (b"x-aigc-label", b"1")] if exchange.aigc else marks


async def _start(send: Send, exchange: Exchange) -> None:
    headers = [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-cache"),
        (b"x-accel-buffering", b"no"),  # a proxy that holds events back would undo the streaming
        *_marks(exchange),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def _send(send: Send, data: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": more})


async def _while_listening(receive: Receive, serving: Coroutine[Any, Any, None]) -> None:
    """Serve; if the client leaves meanwhile, stop, and the model with it."""
    watching = _Watching(receive)
    try:
        await serving
    except asyncio.CancelledError:
        if not watching.gone:  # the server is stopping; else the client has left: all is said
            raise
    finally:
        watching.stop()


class _Watching:
    """Cancels the current task when the client disconnects, so that the model is stopped.

    Listening for that costs a task, so it begins only when an answer takes longer than a moment.
    """

    def __init__(self, receive: Receive) -> None:
        self.gone = False
        self._receive, self._serving = receive, asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(_MOMENT, self._listen)
        self._listening: asyncio.Task[None] | None = None

    def _listen(self) -> None:
        self._listening = self._loop.create_task(self._wait())

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        if self._serving is not None:
            self._serving.cancel()

    def stop(self) -> None:
        self._timer.cancel()
        if self._listening is not None:
            self._listening.cancel()
