"""The door: every exchange, whatever its route, comes in here and leaves here.

It runs the controls in their order, asks the model, lets through what the watches release, and keeps
the evidence: *admitted* is durable before the first byte of an answer leaves, *finished* before its
end does. A control that raises refuses; evidence that cannot be written stops the answer.
"""

from asyncio import Future
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any, Final, TypeVar

import msgspec
import structlog

from hegui.controls import CONTROLS
from hegui.controls.control import Control, Flow, House, Watch
from hegui.controls.identity import IdentityControl
from hegui.controls.label import LabelControl
from hegui.controls.record import RecordControl
from hegui.exchange import PASS, Exchange, Usage, Verdict
from hegui.gateway.models import ModelReply, Models
from hegui.gateway.upstream import UpstreamError
from hegui.language import N_
from hegui.people.callers import Caller
from hegui.store.writer import Entry

log = structlog.get_logger()

C = TypeVar("C", bound=Control)

_FINISH: Final = frozenset({"stop", "length", "content_filter"})
_DONE: Final = b"[DONE]"  # the closing mark of a stream


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


class Chain:
    """Several watches behind one another: text passes all of them, or stops at the first."""

    def __init__(self, watches: Sequence[Watch]) -> None:
        self._watches = watches

    def feed(self, text: str, *, last: bool = False) -> Flow:
        """What of `text` may leave; a watch that stops ends the stream for those behind it."""
        verdict = PASS
        for watch in self._watches:
            flow = watch.feed(text, last=last)
            text = flow.text
            if flow.verdict is not PASS:
                verdict, last = flow.verdict, True
        return Flow(text, verdict)


class Answer:
    """What of one answer may leave: its label, what the watches let through, the notice of a cut."""

    def __init__(self, exchange: Exchange, label: LabelControl, watches: Sequence[Watch]) -> None:
        self._exchange, self._label, self._chain = exchange, label, Chain(watches)
        self._raw: list[str] = []
        self._released = 0
        self._begun = False
        self.over = False  # nothing more will leave

    def take(self, text: str, *, last: bool = False) -> str:
        """What may leave now that the model has written `text`, or with `last`, has ended."""
        self._raw.append(text)
        flow = self._chain.feed(text, last=last)
        out = flow.text
        self._released += len(out)
        self.over = last or flow.verdict is not PASS
        if flow.verdict is not PASS:
            out += self._cut(flow.verdict)
        if self.over:
            out += self._label.after(self._exchange)
        if out and not self._begun:
            self._begun = True
            out = self._label.before(self._exchange) + out
        return out

    def _cut(self, verdict: Verdict) -> str:
        exchange = self._exchange
        exchange.verdict, exchange.finish = verdict, "content_filter"
        exchange.withheld = "".join(self._raw)[self._released :]
        return f"\n\n{verdict.say(exchange.language)}"


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
        if self.house.archive.writer.is_down:
            raise Refused(_unrecorded())
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
        """Answer in one piece: when this returns, `exchange.released` may leave.

        Raises `Refused` when the model or the evidence fails.
        """
        answer, admitted = self._begin(exchange)
        try:
            reply = await self._post(exchange)
            try:
                text = _take(exchange, await reply.read())
            finally:
                reply.abort()
            exchange.released = [answer.take(text, last=True)]
            await admitted
        except BaseException as error:
            await self._break(exchange, error, admitted)
            raise
        await self._end(exchange)

    async def stream(self, exchange: Exchange) -> AsyncGenerator[list[str], None]:
        """Yield what may leave, as it comes; when it ends, the end is on record.

        Raises `Refused` when the model or the evidence fails; whoever stops listening early leaves
        the exchange *interrupted* and the model told to stop.
        """
        answer, admitted = self._begin(exchange)
        try:
            reply = await self._post(exchange)
            try:
                while not answer.over:
                    if not (events := await reply.next_events()):
                        raise UpstreamError("closed_early")
                    if pieces := _pieces(exchange, answer, events):
                        if not admitted.done():
                            await admitted
                        exchange.released += pieces
                        yield pieces
            finally:
                reply.abort()
            await admitted
        except BaseException as error:
            await self._break(exchange, error, admitted)
            raise
        await self._end(exchange)

    def _begin(self, exchange: Exchange) -> tuple[Answer, "Future[None]"]:
        """Hand *admitted* in, and make what the answer has to pass."""
        admitted = self.house.archive.writer.submit(self._record.admitted(exchange, self.instance))
        exchange.state, exchange.label = "answering", self.label.version
        watches = [w for c in self._watch if (w := c.watch(exchange)) is not None]
        return Answer(exchange, self.label, watches), admitted

    async def _post(self, exchange: Exchange) -> ModelReply:
        reply = await self.models.client(exchange.model).post("chat/completions", exchange.forward)
        if reply.status != HTTPStatus.OK:
            reply.abort()
            raise UpstreamError("status")
        return reply

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
        """Put a refused request on record with its refusal."""
        await self._recorded(self.house.archive.writer.submit(*entries))

    async def _finish(self, entry: Entry) -> None:
        """Put the end on record; while the store is away, it waits in the outbox."""
        await self._recorded(self.house.archive.writer.finish(entry))

    async def _recorded(self, future: "Future[None]") -> None:
        try:
            await future
        except Exception as error:
            log.error("evidence.failed", error=type(error).__name__)  # noqa: TRY400 (as above)
            raise Refused(_unrecorded()) from error

    async def _end(self, exchange: Exchange) -> None:
        exchange.state = "withheld" if exchange.verdict.decision == "withhold" else "finished"
        await self._finish(self._record.finished(exchange, exchange.state, exchange.verdict))

    async def _break(
        self, exchange: Exchange, error: BaseException, admitted: "Future[None]"
    ) -> None:
        """Put a broken answer on record as *interrupted*; raises `Refused` if somebody still listens."""
        exchange.state = "interrupted"
        if admitted.done() and not admitted.cancelled() and admitted.exception():
            if isinstance(error, Exception):
                raise Refused(_unrecorded()) from error
            return  # it never came in: there is nothing to end
        if isinstance(error, UpstreamError):
            exchange.verdict = _failure(error)
            await self._finish(self._record.finished(exchange, "interrupted", exchange.verdict))
            raise Refused(exchange.verdict) from error
        self._leave(exchange, error)
        if isinstance(error, Exception) and not isinstance(error, Refused):
            raise Refused(_unrecorded()) from error

    def _leave(self, exchange: Exchange, error: BaseException) -> None:
        """Nobody listens any more, or something broke: put that on record without waiting."""
        code = "client_left" if not isinstance(error, Exception) else "broken"
        verdict = Verdict("withhold", "door", code=code)
        if not isinstance(error, Refused):
            log.info("exchange.interrupted", exchange=exchange.id, error=type(error).__name__)
        ended = self.house.archive.writer.finish(
            self._record.finished(exchange, "interrupted", verdict)
        )
        ended.add_done_callback(lambda future: future.exception())  # it is on record, or logged


def _only(controls: Sequence[Control], kind: type[C]) -> C:
    return next(control for control in controls if isinstance(control, kind))


def _pieces(exchange: Exchange, answer: Answer, events: Sequence[bytes]) -> list[str]:
    """What may leave now that these events of a stream have come."""
    out = []
    for data in events:
        ended = data == _DONE
        if piece := answer.take("" if ended else _take(exchange, data), last=ended):
            out.append(piece)
        if answer.over:
            break
    return out


def _take(exchange: Exchange, data: bytes) -> str:
    """The text of the first choice; usage and the reason of the end go into the exchange."""
    try:
        completion = _read(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamError("garbage") from error
    exchange.usage = completion.usage or exchange.usage
    text = ""
    for choice in completion.choices:
        if choice.index == 0:
            said = choice.message or choice.delta
            text += (said and said.content) or ""
            if choice.finish_reason in _FINISH:
                exchange.finish = choice.finish_reason
    return text


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
