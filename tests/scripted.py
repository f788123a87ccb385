"""A model server that says exactly what a test tells it to, over real sockets.

    with ScriptedModel() as model:
        model.say({"choices": [...]})                 # a whole answer
        model.stream([{"choices": [...]}, ...])       # one event each, then [DONE]
        ...                                           # at model.url

What the gateway sent to it stands in `model.requests`, decoded.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.requests.append((self.path, json.loads(body)))
        if self.server.events is None:
            self.answer("application/json", json.dumps(self.server.whole).encode())
            return
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        data = [f"data: {json.dumps(event)}\n\n".encode() for event in self.server.events]
        for event in [*data, b"data: [DONE]\n\n"]:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(event), event))
        self.wfile.write(b"0\r\n\r\n")

    def answer(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        pass

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:  # the gateway has hung up, as it does when it has seen enough
            self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.whole: Any = {}
        self.events: list[Any] | None = None
        self.requests: list[tuple[str, Any]] = []


class ScriptedModel:
    def __enter__(self) -> Self:
        self._server = _Server()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.requests = self._server.requests
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def say(self, answer: object) -> None:
        self._server.whole, self._server.events = answer, None

    def stream(self, events: list[Any]) -> None:
        self._server.events = events

    def chat(self, *messages: dict[str, Any], ends: str = "stop", **more: Any) -> None:
        """Say a whole chat answer, a choice for each message."""
        choices = [
            {"index": n, "message": {"role": "assistant", **message}, "finish_reason": ends}
            for n, message in enumerate(messages)
        ]
        self.say({"choices": choices, "usage": USAGE, **more})

    def chat_stream(
        self, *deltas: tuple[int, dict[str, Any]], ends: str = "stop", choices: int = 1
    ) -> None:
        """Stream a chat answer, an event for each (choice, delta)."""
        events = [{"choices": [{"index": n, "delta": delta}]} for n, delta in deltas]
        over = [
            {"choices": [{"index": n, "delta": {}, "finish_reason": ends}]} for n in range(choices)
        ]
        self.stream([*events, *over, {"choices": [], "usage": USAGE}])


USAGE = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
