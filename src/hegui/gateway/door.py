"""The door: every exchange, whatever its route, comes in here and leaves here.

It runs the controls in their order, asks the model, lets through what the watches release, and keeps
the evidence: *admitted* is durable before the first byte of an answer leaves, *finished* before its
end does. A control that raises refuses; evidence that cannot be written stops the answer.
"""

from asyncio import Future
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any, Final, Literal, TypeVar

import structlog

from hegui.controls import CONTROLS
from hegui.controls.control import Control, House, Watch
from hegui.controls.identity import IdentityControl
from hegui.controls.label import LabelControl
from hegui.controls.moderation import ModerationControl
from hegui.controls.record import RecordControl
from hegui.exchange import PASS, Exchange, Piece, Verdict
from hegui.gateway.answer import Answer
from hegui.gateway.models import ModelReply, Models
from hegui.gateway.reading import DONE, Reader, join
from hegui.gateway.upstream import UpstreamError
from hegui.language import N_
from hegui.people.callers import Caller

log = structlog.get_logger()

C = TypeVar("C", bound=Control)
T = TypeVar("T")
_OK: Final = HTTPStatus.OK.value  # looked up in the class, each time costs a call


class Refused(Exception):  # noqa: N818 (a refusal is not an error of the program)
    """The exchange ends here; the verdict says why, and what the user is told."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.code)
        self.verdict = verdict


class Door:
    """One for each process."""

    def __init__(self, house: House, models: Models, instance: str) -> None:
        self.house, self.models, self.instance = house, models, instance
        every = [control(house) for control in CONTROLS]
        controls = [control for control in every if control.on]
        self._identity = _only(every, IdentityControl)
        self.label = _only(every, LabelControl)
        self._record = _only(every, RecordControl)
        self.judge = _only(every, ModerationControl).judge
        self._admit = [c for c in controls if type(c).admit is not Control.admit]
        self._check = [c for c in controls if type(c).check is not Control.check]
        self._watch = [c for c in controls if type(c).watch is not Control.watch]
        ran = (self._identity, *self._admit, *self._check)
        self._ran = " ".join(control.name for control in ran)
        self._watching = " ".join(c.name for c in self._watch)

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
        exchange.aigc = self.label.envelope(exchange)
        if self.house.archive.writer.is_down:
            raise Refused(_unrecorded())
        await self.admit(exchange)
        exchange.ran = self._ran
        verdict = await _ask("check", self._check, exchange)
        if verdict.decision != "pass":
            exchange.ran = _up_to(verdict.control, self._ran)
            await self._keep(
                self._record.admitted(exchange, self.instance),
                self._record.finished(exchange, "refused", verdict),
            )
            exchange.state, exchange.verdict = "refused", verdict
            raise Refused(verdict)

    async def admit(self, exchange: Exchange) -> None:
        """Let whoever asks in, or raise `Refused`; nothing is put on record."""
        verdict = await _ask("admit", self._admit, exchange)
        if verdict.decision != "pass":
            raise Refused(verdict)

    async def whole(self, exchange: Exchange) -> list[Piece]:
        """Answer in one piece, which may leave when this returns.

        Raises `Refused` when the model or the evidence fails.
        """
        exchange.label = self.label.version
        answer = Answer(exchange, self.label, lambda: self._watches(exchange))
        read = Reader(exchange).read
        return await self.fetch(exchange, lambda data: answer.take(read(data), last=True))

    async def fetch(self, exchange: Exchange, read: Callable[[bytes], T]) -> T:
        """What `read` makes of the model's reply; both ends are on record when this returns.

        `read` raises `UpstreamError` for what it cannot understand. Raises `Refused` as `whole`.
        """
        admitted = self._begin(exchange)
        try:
            reply = await self._post(exchange)
            try:
                result = read(await reply.read())
            finally:
                reply.abort()
            await admitted
        except BaseException as error:
            await self._break(exchange, error, admitted)
            raise
        await self._end(exchange)
        return result

    async def stream(self, exchange: Exchange) -> AsyncGenerator[list[Piece], None]:
        """Yield what may leave, as it comes; when it ends, the end is on record.

        Raises `Refused` when the model or the evidence fails; whoever stops listening early leaves
        the exchange *interrupted* and the model told to stop.
        """
        exchange.label = self.label.version
        answer = Answer(exchange, self.label, lambda: self._watches(exchange))
        reader, admitted = Reader(exchange), self._begin(exchange)
        try:
            reply = await self._post(exchange)
            try:
                while not answer.over:
                    if not (events := await reply.next_events()):
                        raise UpstreamError("closed_early")
                    if pieces := _pass(reader, answer, events):
                        if not admitted.done():
                            await admitted
                        yield pieces
            finally:
                reply.abort()
            await admitted
        except BaseException as error:
            await self._break(exchange, error, admitted)
            raise
        await self._end(exchange)

    def _begin(self, exchange: Exchange) -> "Future[None]":
        """Hand *admitted* in; it becomes durable while the model thinks."""
        exchange.state = "answering"
        return self.house.archive.writer.submit(self._record.admitted(exchange, self.instance))

    def _watches(self, exchange: Exchange) -> list[Watch]:
        """New watches for one surface."""
        exchange.watched = self._watching
        return [watch for c in self._watch if (watch := c.watch(exchange)) is not None]

    async def _post(self, exchange: Exchange) -> ModelReply:
        reply = await self.models.client(exchange.model).post(exchange.path, exchange.forward)
        if reply.status != _OK:
            reply.abort()
            raise UpstreamError("status")
        exchange.upstream = reply.upstream
        return reply

    # -- verdicts and evidence ---------------------------------------------------------------------

    async def _keep(self, *entries: Any) -> None:
        """Put a refused request on record with its refusal."""
        await self._recorded(self.house.archive.writer.submit(*entries))

    async def _recorded(self, future: "Future[None]") -> None:
        """Wait until it is durable; the end of an answer may be so in the outbox."""
        try:
            await future
        except Exception as error:
            log.error("evidence.failed", error=type(error).__name__)  # noqa: TRY400 (as above)
            raise Refused(_unrecorded()) from error

    def _end(self, exchange: Exchange) -> Awaitable[None]:
        exchange.state = "withheld" if exchange.verdict.decision == "withhold" else "finished"
        return self._finish(exchange)

    def _finish(self, exchange: Exchange) -> Awaitable[None]:
        """Put the end on record; while the store is away, it waits in the outbox."""
        entry = self._record.finished(exchange, exchange.state, exchange.verdict)
        return self._recorded(self.house.archive.writer.finish(entry))

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
            await self._finish(exchange)
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


async def _ask(
    moment: Literal["admit", "check"], controls: Sequence[Control], exchange: Exchange
) -> Verdict:
    """The first verdict that is no pass; a control's failure, or no verdict of it, is a refusal."""
    for control in controls:
        try:
            verdict: Any = await getattr(control, moment)(exchange)
        except Exception as error:  # noqa: BLE001 (whatever went wrong, the door stays shut)
            return _failed(control, error)
        if not isinstance(verdict, Verdict):
            return _failed(control, TypeError())
        if verdict.decision != "pass":
            return verdict
    return PASS


def _only(controls: Sequence[Control], kind: type[C]) -> C:
    return next(control for control in controls if isinstance(control, kind))


def _pass(reader: Reader, answer: Answer, events: Sequence[bytes]) -> list[Piece]:
    """What may leave now that these events of a stream have come."""
    said: list[Piece] = []
    for data in events:
        if data == DONE:
            return answer.take(join(said), last=True)
        said += reader.read(data)
    return answer.take(join(said))


def _up_to(control: str, names: str) -> str:
    """The names up to that of the control that stopped there: those behind it were not asked."""
    before, found, _ = names.partition(control)
    return before + found


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
