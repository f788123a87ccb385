"""What of an answer may leave: every surface of every choice passes its own watches."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from hegui.controls.control import Flow, Watch
from hegui.controls.label import LabelControl
from hegui.exchange import PASS, Call, Exchange, Piece, Surface, Token, Verdict
from hegui.gateway.upstream import UpstreamError
from hegui.safety.minimise import Restorer

_DEEPEST: Final = 64  # levels of a tool call's arguments


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


class _Surface:
    """One surface of one choice: what is still held, and the tokens that wait for their text."""

    def __init__(self, chain: Watch, shown: str = "") -> None:
        self._chain = chain
        self.held = ""
        self.closed = False
        self.tail = ""  # what left only because the surface was closed
        # What had left before the surface was opened again is judged with the rest, not said twice.
        self._replay, self._skip = shown, len(shown)
        self.restorer: Restorer | None = None
        self._came = self._left = 0  # bytes, counted only where there are tokens
        self._tokens: list[tuple[int, Token]] = []  # with the byte at which each ends

    def feed(self, text: str, *, last: bool) -> Flow:
        if self.closed:  # a whole answer that has the same choice twice
            raise UpstreamError("garbage")
        self.closed = last
        self.held += text
        flow = self._chain.feed(self._replay + text, last=last)
        self._replay = ""
        if self._skip:
            said, skipped = flow.text[self._skip :], min(self._skip, len(flow.text))
            flow, self._skip = Flow(said, flow.verdict), self._skip - skipped
        if last:
            self.tail = flow.text
        return flow

    def release(self, text: str, tokens: Sequence[Token]) -> list[Token]:
        """Let `text` go; returns its tokens, those of `tokens` that came with the last piece too.

        A text that was covered has none: they would say what the cover hides.
        """
        if tokens or self._tokens:
            return self._release(text, tokens)
        self.held = self.held[len(text) :]
        return []

    def _release(self, text: str, tokens: Sequence[Token]) -> list[Token]:
        for token in tokens:
            data = token.bytes if token.bytes is not None else token.token.encode()
            self._came += len(data)
            self._tokens.append((self._came, token))
        was, self.held = self.held[: len(text)], self.held[len(text) :]
        self._left += len(was.encode())
        ready = [token for end, token in self._tokens if end <= self._left]
        del self._tokens[: len(ready)]
        return ready if was == text else []


class Answer:
    """One answer on its way out: the label, what the watches let through, the notice of a cut."""

    def __init__(
        self, exchange: Exchange, label: LabelControl, watches: Callable[[], Sequence[Watch]]
    ) -> None:
        self._exchange, self._label, self._watches = exchange, label, watches
        self._surfaces: dict[tuple[int, Surface], _Surface] = {}
        self._ended: set[int] = set()
        self.over = False  # nothing more will leave

    def take(self, pieces: Sequence[Piece], *, last: bool = False) -> list[Piece]:
        """What may leave now that the model has said `pieces`, or with `last`, has ended."""
        out: list[Piece] = []
        for piece in pieces:
            if piece.choice not in self._ended:
                self._pass(piece, out)
        if last:
            for choice in range(self._exchange.choices):
                if choice not in self._ended:
                    self._end(choice, "stop", out)
        all_ended = len(self._ended) == self._exchange.choices
        self.over = last or (all_ended and self._exchange.verdict is not PASS)
        for piece in out:
            self._exchange.released.setdefault((piece.choice, piece.surface), []).append(piece.text)
        return out

    def _pass(self, piece: Piece, out: list[Piece]) -> None:
        if piece.surface == "end":
            self._end(piece.choice, piece.text, out)
        elif piece.surface == "tool":
            self._flush(piece.choice, out)  # a text stands before the calls that follow it
            if piece.choice not in self._ended:
                self._call(piece, out)
        else:
            last = not self._exchange.stream  # then it has come whole: one look is enough
            if (piece.choice, piece.surface) not in self._surfaces:
                # What was thought stands before what is said. Only the first time: should the model
                # go back to an earlier surface, what that one holds stays held.
                self._flush(piece.choice, out)
            if piece.choice not in self._ended:
                self._text(piece.choice, piece.surface, piece.text, piece.tokens, out, last=last)

    def _text(
        self, choice: int, name: Surface, text: str, tokens: Sequence[Token], out: list[Piece],
        *, last: bool = False,
    ) -> None:  # fmt: skip
        surface = self._open(choice, name, out)
        flow = surface.feed(text, last=last)
        ready = surface.release(flow.text, tokens)
        said = flow.text
        if surface.restorer:  # with names put back, the model's tokens are not those of the text
            said, ready = surface.restorer.feed(said, last=last or flow.verdict is not PASS), []
        if said:
            out.append(Piece(choice, name, said, [self._bare(t) for t in ready] if ready else ()))
        if flow.verdict is not PASS:
            self._cut(choice, flow.verdict, out)

    def _open(self, choice: int, name: Surface, out: list[Piece]) -> _Surface:
        """The surface: as it is, new, or opened again and judged together with what was its end."""
        surface = self._surfaces.get((choice, name))
        if surface is not None and not (surface.closed and self._exchange.stream):
            return surface
        before = self._label.before(self._exchange) if surface is None and name == "content" else ""
        if before:
            out.append(Piece(choice, name, before))
        shown = surface.tail if surface else ""
        surface = self._surfaces[choice, name] = _Surface(self._chain(), shown)
        if self._exchange.restorer:
            surface.restorer = self._exchange.restorer()
        return surface

    def _chain(self) -> Watch:
        """New watches for one surface."""
        watches = self._watches()
        return watches[0] if len(watches) == 1 else Chain(watches)

    def _bare(self, token: Token) -> Token:
        """The token without those of its alternatives that may not be said."""
        others = token.top_logprobs
        if others is msgspec.UNSET:
            return token
        said = [t for t in others if self._chain().feed(t.token, last=True) == Flow(t.token)]
        return msgspec.structs.replace(token, top_logprobs=said)

    def _call(self, piece: Piece, out: list[Piece]) -> None:
        """A call leaves whole or not at all; what its arguments say is judged as it will be read."""
        call = piece.call or Call(0, "", "")
        try:
            arguments = msgspec.json.decode(piece.text) if piece.text.strip() else {}
            covered = self._cover([call.id, call.name, arguments])
        except (msgspec.DecodeError, RecursionError):
            arguments = piece.text  # not JSON: a text like any other
            covered = self._cover([call.id, call.name, arguments])
        if isinstance(covered, Verdict):
            self._exchange.withheld[piece.choice, "tool"] = piece.text
            self._cut(piece.choice, covered, out)
            return
        identity, name, said = covered
        text = piece.text
        if said != arguments:
            text = said if isinstance(said, str) else _dump(said)
        out.append(Piece(piece.choice, "tool", text, call=Call(call.index, identity, name)))

    def _cover(self, value: Any) -> Any:
        """The value with every text in it as the watches let it through, or their verdict."""
        verdicts: list[Verdict] = []

        def passed(text: str) -> str:
            flow = self._chain().feed(text, last=True)
            if flow.verdict is not PASS:
                verdicts.append(flow.verdict)
            if self._exchange.restorer:
                return self._exchange.restorer().feed(flow.text, last=True)
            return flow.text

        covered = map_strings(value, passed)
        return verdicts[0] if verdicts else covered

    def _end(self, choice: int, reason: str, out: list[Piece]) -> None:
        self._flush(choice, out)
        if not self._surfaces:  # nothing was said: that was judged too, and evidence must say so
            Chain(self._watches()).feed("", last=True)
        if choice not in self._ended:
            self._close(choice, reason, out)

    def _flush(self, choice: int, out: list[Piece]) -> None:
        """Let go what is still held of the choice, or cut it where that was not to be said."""
        for (number, name), surface in list(self._surfaces.items()):
            if number == choice and not surface.closed and choice not in self._ended:
                self._text(choice, name, "", (), out, last=True)

    def _cut(self, choice: int, verdict: Verdict, out: list[Piece]) -> None:
        exchange = self._exchange
        exchange.verdict = verdict
        for (number, name), surface in self._surfaces.items():
            if number == choice and surface.held:
                exchange.withheld[number, name] = surface.held
        if exchange.plain:
            out.append(Piece(choice, "content", f"\n\n{verdict.say(exchange.language)}"))
        self._close(choice, "content_filter", out)

    def _close(self, choice: int, reason: str, out: list[Piece]) -> None:
        self._ended.add(choice)
        if after := self._label.after(self._exchange, self._shown(choice, out)):
            out.append(Piece(choice, "content", after))
        out.append(Piece(choice, "end", reason))

    def _shown(self, choice: int, out: Sequence[Piece]) -> str:
        """All that was shown of a choice's content so far."""
        before = self._exchange.released.get((choice, "content"), ())
        now = (p.text for p in out if p.choice == choice and p.surface == "content")
        return "".join((*before, *now))


def map_strings(value: Any, change: Callable[[str], str], depth: int = 0) -> Any:
    """A JSON value with `change` applied to every string in it, names of members too.

    Raises RecursionError for a value that is nested too deeply.
    """
    if depth > _DEEPEST:
        raise RecursionError
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [map_strings(item, change, depth + 1) for item in value]
    if isinstance(value, dict):
        return {change(name): map_strings(item, change, depth + 1) for name, item in value.items()}
    return value


def _dump(value: Any) -> str:
    return msgspec.json.encode(value).decode()
