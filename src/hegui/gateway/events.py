"""Event streams (WHATWG HTML 9.2): bytes cut into events."""

from hegui.gateway.failure import UpstreamError


class Events:
    """Cuts bytes into events, however they arrive, in time linear to their number."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes, self._rest = max_bytes, bytearray()
        self._after_return, self._first = False, True

    def feed(self, data: bytes) -> list[bytes]:
        """Return the payload of each event that `data`, which is not empty, completes."""
        if self._after_return and data.startswith(b"\n"):
            data = data[1:]  # the second half of a \r\n whose first half has ended the line
        self._after_return = data.endswith(b"\r")
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if seen := len(self._rest):
            self._rest += data
            data = bytes(self._rest) if self._rest.find(b"\n\n", seen - 1) >= 0 else b""
        found: list[bytes] = []
        if data:
            *blocks, rest = data.split(b"\n\n")
            self._rest = bytearray(rest)
            found = self._payloads(blocks)
        if len(self._rest) > self._max_bytes:
            raise UpstreamError("too_large")
        return found

    def end(self) -> list[bytes]:
        """Close the stream: a missing last empty line is forgiven, a line cut in two is not."""
        if self._rest and not self._rest.endswith(b"\n"):
            raise UpstreamError("closed_early")
        rest, self._rest = bytes(self._rest), bytearray()
        return self._payloads([rest])

    def _payloads(self, blocks: list[bytes]) -> list[bytes]:
        found = []
        for raw in blocks:
            if len(raw) > self._max_bytes:
                raise UpstreamError("too_large")
            block = raw.removeprefix(b"\xef\xbb\xbf") if self._first else raw
            self._first = False
            if b"\n" not in block and block.startswith(b"data: "):  # nearly always
                found.append(block[6:])
                continue
            fields = [line.partition(b":") for line in block.split(b"\n")]
            lines = [value.removeprefix(b" ") for name, _, value in fields if name == b"data"]
            if lines:
                found.append(b"\n".join(lines))
        return found
