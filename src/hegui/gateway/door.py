"""The door: every exchange, whatever its route, comes in here and leaves here.

It runs the controls in their order, asks the model, lets through what the watches release, and keeps
the evidence: *admitted* is durable before the first byte of an answer leaves, *finished* before its
end does. A control that raises refuses; evidence that cannot be written stops the answer.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, Final, TypeVar

import msgspec
import structlog

from hegui.controls import CONTROLS
from hegui.controls.control import Control, Flow, House, Watch
from hegui.controls.identity import IdentityControl
from hegui.controls.label import LabelControl
from hegui.controls.record import RecordControl
from hegui.exchange import PASS, Exchange, State, Usage, Verdict
from hegui.gateway.models import Models
from hegui.gateway.upstream import UpstreamError
from hegui.language import N_
from hegui.people.callers import Caller

log = structlog.get_logger()

C = TypeVar("C", bound=Control)

_FINISH: Final = frozenset({"stop", "length", "content_filter"})


class Refused(Exception):  # noqa: N818 (a refusal is not an error of the program)
    """The exchange ends here; the verdict says why, and what the user is told."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.code)
        self.verdict = verdict


class _Said(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    message: _Said | None = None
    delta: _Said | None = None
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    """What we read of a model's answer or event; everything else is dropped, not passed on."""

    choices: list[_Choice] = []
    usage: Usage | None = None


_read = msgspec.json.Decoder(_Completion).decode


class _Chain:
    """Several watches behind one another: text passes all of them, or stops at the first."""

    def __init__(self, watches: Sequence[Watch]) -> None:
        self._watches = watches

    def feed(self, text: str) -> Flow:
        return self._pass(text, self._watches)

    def close(self) -> Flow:
        """Close from the front; what one still held goes through those behind it."""
        out = ""
        for place, watch in enumerate(self._watches):
            flow = watch.close()
            rest = self._pass(flow.text, self._watches[place + 1 :])
            out += rest.text
            for verdict in (rest.verdict, flow.verdict):
                if verdict is not PASS:
                    return Flow(out, verdict)
        return Flow(out)

    @staticmethod
    def _pass(text: str, watches: Sequence[Watch]) -> Flow:
        verdict = PASS
        for watch in watches:
            flow = watch.feed(text)
            text = flow.text
            if flow.verdict is not PASS:
                verdict = flow.verdict
        return Flow(text, verdict)


class Door:
    """One for each process."""

    def __init__(self, house: House, models: Models, instance: str) -> None:
        self.house, self.models, self.instance = house, models, instance
        controls = [control(house) for control in CONTROLS]
        self._identity = _only(controls, IdentityControl)
        self.label = _only(controls, LabelControl)
        self._record = _only(controls, RecordControl)
        self._admit = [c for c in controls if type(c).admit is not Control.admit]
        self._check = [c for c in controls if type(c).check is not Control.check]
        self._watch = [c for c in controls if type(c).watch is not Control.watch]

    async def identify(self, headers: dict[bytes, bytes]) -> tuple[Caller, str] | Verdict:
        """Who calls and for whom, or the refusal; a vault that fails is a refusal too."""
        try:
            return await self._identity.find(headers)
        except Exception as error:  # noqa: BLE001 (as in `_ask`)
            return _failed(self._identity, error)

    async def enter(self, exchange: Exchange) -> None:
        """Let the exchange in, or raise `Refused`.

        A request that the controls refuse for what it says is kept like an answered one; whoever has
        no agreement, or asks too often, leaves no trace but a count.
        """
        for control in self._admit:
            verdict = await self._ask(control, control.admit, exchange)
            if verdict.decision != "pass":
                raise Refused(verdict)
        for control in self._check:
            verdict = await self._ask(control, control.check, exchange)
            if verdict.decision != "pass":
                await self._keep(
                    self._record.admitted(exchange, self.instance),
                    self._record.finished(exchange, "refused", verdict),
                )
                exchange.state, exchange.verdict = "refused", verdict
                raise Refused(verdict)

    async def whole(self, exchange: Exchange) -> None:
        """Answer in one piece: when this returns, `exchange.released` may leave."""
        text = ""
        async with aclosing(self.stream(exchange)) as pieces:
            async for piece in pieces:
                text += piece
        exchange.released = [text]

    async def stream(self, exchange: Exchange) -> AsyncGenerator[str, None]:
        """Yield what may leave, piece by piece; when it ends, the end is on record.

        Raises `Refused` when the model or the evidence fails; whoever stops listening early leaves
        the exchange *interrupted* and the model told to stop.
        """
        admitted = self.house.archive.writer.submit(self._record.admitted(exchange, self.instance))
        try:
            async with aclosing(self._answer(exchange)) as pieces:
                async for piece in pieces:
                    if not admitted.done():
                        await admitted
                    exchange.released.append(piece)
                    yield piece
            await admitted
        except UpstreamError as error:
            await self._end(exchange, "interrupted", _failure(error))
            raise Refused(exchange.verdict) from error
        except BaseException as error:
            self._leave(exchange, error)
            if isinstance(error, Exception) and not isinstance(error, Refused):
                raise Refused(_unrecorded()) from error
            raise
        state: State = "withheld" if exchange.verdict.decision == "withhold" else "finished"
        await self._end(exchange, state, exchange.verdict)

    # -- the parts of an answer ------------------------------------------------------------------

    async def _answer(self, exchange: Exchange) -> AsyncGenerator[str, None]:
        """The label, what the watches let through of the model's text, the notice if it was cut."""
        exchange.state, exchange.label = "answering", self.label.version
        chain = _Chain([w for c in self._watch if (w := c.watch(exchange)) is not None])
        raw: list[str] = []
        released = 0
        async with aclosing(self._model(exchange)) as pieces:
            if before := self.label.before(exchange):
                yield before
            async for piece in pieces:
                raw.append(piece)
                flow = chain.feed(piece)
                released += len(flow.text)
                if flow.text:
                    yield flow.text
                if flow.verdict is not PASS:
                    break
            else:
                flow = chain.close()
                released += len(flow.text)
                if flow.text:
                    yield flow.text
        if flow.verdict is not PASS:
            exchange.verdict, exchange.finish = flow.verdict, "content_filter"
            exchange.withheld = "".join(raw)[released:]
            yield f"\n\n{flow.verdict.say(exchange.language)}"
        if after := self.label.after(exchange):
            yield after

    async def _model(self, exchange: Exchange) -> AsyncGenerator[str, None]:
        """The model's text, in the pieces in which it comes; closing this stops the model."""
        reply = await self.models.client(exchange.model).post("chat/completions", exchange.forward)
        try:
            if reply.status != 200:
                raise UpstreamError("status")
            if not exchange.stream:
                for piece in _take(exchange, await reply.read()):
                    yield piece
                return
            async with aclosing(reply.events()) as events:
                async for data in events:
                    if data == b"[DONE]":
                        return
                    for piece in _take(exchange, data):
                        yield piece
            raise UpstreamError("closed_early")
        finally:
            reply.abort()

    # -- verdicts and evidence ---------------------------------------------------------------------

    async def _ask(
        self,
        control: Control,
        decide: Callable[[Exchange], Awaitable[Verdict]],
        exchange: Exchange,
    ) -> Verdict:
        """The control's verdict; a failure, or no verdict, is a refusal."""
        try:
            verdict: Any = await decide(exchange)
            if isinstance(verdict, Verdict):
                return verdict
        except Exception as error:  # noqa: BLE001 (whatever went wrong, the door stays shut)
            return _failed(control, error)
        return _failed(control, TypeError())

    async def _keep(self, *entries: Any) -> None:
        try:
            await self.house.archive.writer.commit(*entries)
        except Exception as error:
            log.error("evidence.failed", error=type(error).__name__)  # noqa: TRY400 (as above)
            raise Refused(_unrecorded()) from error

    async def _end(self, exchange: Exchange, state: State, verdict: Verdict) -> None:
        exchange.state, exchange.verdict = state, verdict
        await self._keep(self._record.finished(exchange, state, verdict))

    def _leave(self, exchange: Exchange, error: BaseException) -> None:
        """Nobody listens any more, or something broke: put that on record without waiting."""
        exchange.state = "interrupted"
        code = "client_left" if not isinstance(error, Exception) else "broken"
        verdict = Verdict("withhold", "door", code=code)
        if not isinstance(error, Refused):
            log.info("exchange.interrupted", exchange=exchange.id, error=type(error).__name__)
        ended = self.house.archive.writer.submit(
            self._record.finished(exchange, "interrupted", verdict)
        )
        ended.add_done_callback(lambda future: future.exception())  # it is on record, or logged


def _only(controls: Sequence[Control], kind: type[C]) -> C:
    return next(control for control in controls if isinstance(control, kind))


def _take(exchange: Exchange, data: bytes) -> list[str]:
    """The text of the first choice; usage and the reason of the end go into the exchange."""
    try:
        completion = _read(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UpstreamError("garbage") from error
    exchange.usage = completion.usage or exchange.usage
    pieces = []
    for choice in completion.choices:
        said = choice.message or choice.delta
        if choice.index == 0 and said is not None and said.content:
            pieces.append(said.content)
        if choice.index == 0 and choice.finish_reason in _FINISH:
            exchange.finish = choice.finish_reason
    return pieces


def _failed(control: Control, error: Exception) -> Verdict:
    log.error("control.failed", control=control.name, error=type(error).__name__)
    message = N_("A check of this service did not work, so nothing was answered: try again.")
    return control.verdict("refuse", "control_failed", message, status=503)


def _failure(error: UpstreamError) -> Verdict:
    message = N_("The model did not answer as it should: try again in a moment.")
    code = f"upstream_{error.kind}"
    return Verdict("withhold", "upstream", code=code, message=message, status=502, retry_after=1)


def _unrecorded() -> Verdict:
    message = N_("The service cannot keep its records just now, so it does not answer: try later.")
    code = "evidence_unavailable"
    return Verdict("refuse", "record", code=code, message=message, status=503, retry_after=5)
