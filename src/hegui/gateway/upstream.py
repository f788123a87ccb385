"""The client of the model server: HTTP/1.1 (RFC 9112), its bodies whole or as events."""

import asyncio
import re
import ssl
from collections.abc import Mapping
from functools import partial
from typing import Final, cast

import httptools

from hegui.gateway.address import FRAMES, read_address, request_head, trust
from hegui.gateway.events import Events
from hegui.gateway.failure import Kind, Limits, UpstreamError

__all__ = ["Client", "Limits", "Reply", "UpstreamError"]

_Idle = dict["_Connection", None]  # the one used last comes last
_UNREAD_BYTES: Final = 256 * 1024  # may wait for a slow reader; then the server has to wait
_PIECE_BYTES: Final = 64  # what a piece costs beside its content; uncounted, crumbs fill memory
_TARGET: Final = re.compile(r"/[!-~]*")
_PLAIN: Final = (("content-encoding", "identity"), ("transfer-encoding", "chunked"))


class Reply:
    """The answer of a model server, for one reader: status, headers and `read` or `next_events`.

    Call `abort` when it is no longer wanted: until it has arrived whole it holds a connection.
    """

    def __init__(self, connection: "_Connection", limits: Limits) -> None:
        self.status, self.headers, self.upstream = 0, dict[str, str](), ""
        self.connection: _Connection | None = connection  # None once nothing more will come
        self.error: Kind | None = None
        self.pieces: list[bytes] = []
        self.unread_bytes, self._news = 0, asyncio.get_running_loop().create_future()
        self._limits = limits
        self._cut = Events(limits.max_event_bytes)

    async def begun(self) -> None:
        """Wait for the first bytes of the body, or its end; raises `UpstreamError`."""
        while not self.pieces and self.connection:
            await self.wait()
        if not self.pieces and self.error:
            raise UpstreamError(self.error)

    async def read(self) -> bytes:
        """Return the whole body; raise `UpstreamError` if it cannot be had within the limits."""
        body = bytearray()
        while piece := await self._take():
            body += piece
            if len(body) > self._limits.max_body_bytes:
                self.abort()
                raise UpstreamError("too_large")
        return bytes(body)

    async def next_events(self) -> list[bytes]:
        """Return the data of the server-sent events that have come, [] at the end of the stream.

        What came before the connection broke is returned before its `UpstreamError` is raised.
        """
        while data := await self._take():
            if found := self._cut.feed(data):
                return found
        return self._cut.end()

    def abort(self) -> None:
        """Close the connection at once, unless the answer has already arrived whole."""
        if self.connection:
            self.connection.finish("closed_early")

    async def wait(self) -> None:
        if self._news.done():
            self._news = self._news.get_loop().create_future()
        try:
            await self._news
        except asyncio.CancelledError:
            self.abort()
            raise

    def tell(self) -> None:
        if not self._news.done():
            self._news.set_result(None)

    async def _take(self) -> bytes:
        """Return what has arrived since the last call, b"" at the end."""
        if not self.pieces:
            await self.begun()
        data = b"".join(self.pieces)
        self.pieces.clear()
        self.unread_bytes = 0
        if self.connection:
            self.connection.resume()
        return data


class _Connection(asyncio.Protocol):
    """One socket, carrying one request at a time; between two it waits in `idle`."""

    def __init__(self, limits: Limits, slots: asyncio.Semaphore, idle: _Idle) -> None:
        self._limits, self._slots, self._idle = limits, slots, idle
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._busy = self._paused = self.used = False  # used: has carried an answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._deadline = self._loop.time() + self._limits.idle_seconds
        self._timer = self._loop.call_at(self._deadline, self._ring)

    def send(self, request: bytes) -> Reply:
        self._reply, self._busy = Reply(self, self._limits), True
        self._complete = self._keep = False
        self._head_bytes = self.silent_bytes = 0  # the latter: since the body last grew
        now = self._loop.time()
        self._last = now + self._limits.total_seconds
        self._expire(min(self._last, now + self._limits.first_byte_seconds))
        self._transport.write(request)
        return self._reply

    def finish(self, error: Kind | None, *, keep: bool = False) -> None:
        """End the request in hand, if any, and close the connection or keep it for the next."""
        if self._busy:
            self._busy, self._reply.connection, self._reply.error = False, None, error
            self._reply.tell()
            self._slots.release()
        if keep:
            self._idle[self], self.used = None, True
            self._expire(self._loop.time() + self._limits.idle_seconds)
        else:
            self._idle.pop(self, None)
            self._timer.cancel()
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        status = self._reply.status if self._busy else 0
        if status and not exc and self._reply.headers.keys().isdisjoint(FRAMES):
            self.finish(None)  # a body of no stated length ends with its connection
        else:
            self.finish("tls" if isinstance(exc, ssl.SSLError) else "closed_early")

    def data_received(self, data: bytes) -> None:
        if not self._busy:  # nobody asked: the two ends are out of step
            self.finish(None)
            return
        self.silent_bytes += len(data)
        error: Kind | None = None
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as caught:
            raised = caught.__context__  # by one of the methods named on_
            error = raised.kind if isinstance(raised, UpstreamError) else "garbage"
        if self._complete:
            # What follows the end is no part of this answer and must not open the next one.
            self.finish(None, keep=self._keep and not error and not self._paused)
        elif error or self.silent_bytes > 2 * self._limits.max_header_bytes:  # endless lines
            self.finish(error or "too_large")
        else:
            self._reply.tell()
            self._allow_time()

    def _allow_time(self) -> None:
        """Give the server its time for the next bytes, unless it waits for our reader."""
        if self._reply.unread_bytes > _UNREAD_BYTES:
            self._paused = True
            self._transport.pause_reading()
            self._expire(self._last)
        elif self._reply.status:
            self._expire(min(self._last, self._loop.time() + self._limits.idle_seconds))

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
            self._allow_time()

    def _expire(self, when: float) -> None:
        """Set the deadline; the timer is touched only if it would ring too late."""
        self._deadline = when
        if when < self._timer.when():
            self._timer.cancel()
            self._timer = self._loop.call_at(when, self._ring)

    def _ring(self) -> None:
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._ring)
        else:
            self.finish("timeout")

    def on_message_begin(self) -> None:
        if self._complete:
            raise UpstreamError("garbage")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value) + 4  # a colon, a space and the line's end
        if self._head_bytes > self._limits.max_header_bytes:
            raise UpstreamError("too_large")
        if not self._reply.status:  # what follows the body is of no use here
            headers, key = self._reply.headers, name.decode("latin-1").lower()
            text = value.decode("latin-1")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text

    def on_headers_complete(self) -> None:
        headers, status = self._reply.headers, self._parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            headers.clear()  # of an interim answer; the real one follows
            return
        if status < 200 or any(headers.get(k, plain).lower() != plain for k, plain in _PLAIN):
            raise UpstreamError("garbage")
        self._reply.status = status

    def on_body(self, body: bytes) -> None:
        self.silent_bytes = 0
        self._reply.pieces.append(body)
        self._reply.unread_bytes += len(body) + _PIECE_BYTES

    def on_message_complete(self) -> None:
        self._complete = self._reply.status > 0
        self._keep = self._parser.should_keep_alive()  # only known while it is here


class Client:
    """Asks one model server, over connections that stay open between requests.

    `base_url` is http or https, with an optional port and path prefix; `headers` go out with every
    request; `ca_file` (PEM) is trusted beside the system's authorities. Raises `Problem`.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str] | None = None,
        limits: Limits | None = None,
        ca_file: str | None = None,
    ) -> None:
        address = read_address(base_url)
        self._prefix, self._host, self._port = address.prefix, address.host, address.port
        self._tls = trust(ca_file) if address.is_tls else None
        self._head = request_head(address.shown, headers or {})
        self._limits = limits or Limits()
        self._slots = asyncio.Semaphore(self._limits.max_connections)
        self._idle: _Idle = {}

    async def post(self, path: str, body: bytes) -> Reply:
        """Send `body`, JSON if the headers do not say otherwise; return when the headers are here.

        `path` follows the base URL's own. Redirects are not followed. A connection that the server
        had closed while it was idle is replaced, once. Raises `UpstreamError`.
        """
        target = self._prefix + path
        if not _TARGET.fullmatch(target):
            raise ValueError(target)
        request = f"POST {target} HTTP/1.1\r\n{self._head}{len(body)}\r\n\r\n".encode() + body
        reply, stale = await self._ask(request)
        if stale:
            self.close()  # the others have been idle for even longer
            reply, _ = await self._ask(request)
        if reply.error and not reply.status:
            raise UpstreamError(reply.error)
        return reply

    async def reach(self) -> None:
        """Make sure of a connection, and keep it for the next request; raises `UpstreamError`."""
        connection = await self._take()
        self._idle[connection] = None
        self._slots.release()

    async def _ask(self, request: bytes) -> tuple[Reply, bool]:
        """Return the answer, and whether its connection had been closed before it was asked."""
        connection = await self._take()
        reply = connection.send(request)
        while reply.connection and not reply.status:
            await reply.wait()
        unheard = not reply.status and not connection.silent_bytes
        return reply, connection.used and unheard and reply.error == "closed_early"

    async def _take(self) -> _Connection:
        if self._idle and not self._slots.locked():
            await self._slots.acquire()  # at once, hence without a timer
            return self._idle.popitem()[0]
        try:
            async with asyncio.timeout(self._limits.connect_seconds):
                await self._slots.acquire()
                return self._idle.popitem()[0] if self._idle else await self._dial()
        except TimeoutError as cause:
            raise UpstreamError("timeout") from cause
        except (OSError, UnicodeError) as cause:  # the latter of a host name that cannot be
            raise UpstreamError("tls" if isinstance(cause, ssl.SSLError) else "connect") from cause

    async def _dial(self) -> _Connection:
        loop = asyncio.get_running_loop()
        make = partial(_Connection, self._limits, self._slots, self._idle)
        try:
            return (await loop.create_connection(make, self._host, self._port, ssl=self._tls))[1]
        except BaseException:
            self._slots.release()
            raise

    def close(self) -> None:
        """Close the connections that are not at work."""
        while self._idle:
            self._idle.popitem()[0].finish(None)
