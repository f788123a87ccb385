"""The real gateway on a free port: in a thread of this process, or as a process to be killed."""

import asyncio
import http.client
import json
import pickle
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Self

import msgspec
import uvicorn

from archive import settings_in
from hegui.evidence.archive import Archive
from hegui.gateway.service import Service
from hegui.people.agreement import Agreements
from hegui.people.callers import Callers
from hegui.settings import Register, Settings, Upstream
from hostile import eventually

MODEL = "m"
HELLO = {"model": MODEL, "messages": [{"role": "user", "content": "hello"}]}


def serving_settings(
    folder: Path, upstream: str = "demo:", store_url: str = "", vault_url: str = "", **sections
) -> Settings:
    """Settings of a gateway in `folder`, with every model behind the one upstream.

    Its clock is slow: a test that wants something counted counts it.
    """
    slow = Register(count_seconds=3600)
    behind = (Upstream(name="test", url=upstream, models=(MODEL,)),)
    settings = settings_in(folder, store_url, vault_url)
    return msgspec.structs.replace(settings, upstream=behind, **({"register": slow} | sections))


def make_user(archive: Archive, *, accept: bool = True, asserts="no", public_key="") -> str:
    """Register a person who holds a key, and return the key's secret."""
    agreements = Agreements(archive)
    agreements.publish_sample()
    person = archive.vault.add_person("test", f"user-{id(object())}-{asserts}-{accept}", "2026")
    if accept:
        agreements.accept(person, agreements.current()[0], "operator")
    return Callers(archive).create(person, asserts, public_key)[1]


def prepared(settings: Settings, *, accept: bool = True) -> str:
    """Make the databases of these settings and a first user; return its key."""
    archive = Archive(settings)
    archive.prepare()
    secret = make_user(archive, accept=accept)
    archive.close()
    return secret


class Serving:
    """`with Serving(settings) as serving:` - the service answers at `serving.url` meanwhile."""

    def __init__(self, settings: Settings, on_port: Callable[[int], None] = int) -> None:
        self.settings, self.port, self.on_port = settings, 0, on_port
        self._server: uvicorn.Server | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        up = eventually(lambda: bool(self._failure or self.port), 30)
        if self._failure:
            raise self._failure
        assert up, "the server did not start"
        return self

    def __exit__(self, *error: object) -> None:
        self._server.should_exit = True
        self._thread.join(30)
        assert not self._thread.is_alive()
        if self._failure:
            raise self._failure

    def _run(self) -> None:
        try:
            asyncio.run(self.serve())
        except BaseException as failure:  # noqa: BLE001 (raised again where the test sees it)
            self._failure = failure

    async def serve(self) -> None:
        self.service = Service(self.settings)
        config = uvicorn.Config(
            self.service.gateway, port=self.port, lifespan="off", log_config=None, ws="none"
        )
        self._server = uvicorn.Server(config)
        await self.service.start()
        serving = asyncio.create_task(self._server.serve())
        while not self._server.started and not serving.done():  # noqa: ASYNC110 (uvicorn has no event)
            await asyncio.sleep(0.005)
        if self._server.started:
            self.port = self._server.servers[0].sockets[0].getsockname()[1]
            self.on_port(self.port)
        await serving
        await self.service.stop()

    def ask(self, secret: str, body: object = None, path="/v1/chat/completions", **headers: str):
        """Send one request; returns status, headers and the answer's JSON."""
        given = {"authorization": f"Bearer {secret}", "content-type": "application/json"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        status, head, answer = raw(self.port, "GET" if data is None else "POST", path, data, given)
        return status, head, json.loads(answer)


def raw(port: int, method: str, path: str, body: bytes | None, headers: dict[str, str]):
    """One HTTP request on a connection of its own: status, headers, the bytes of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, headers)
        reply = connection.getresponse()
        return reply.status, reply.headers, reply.read()
    finally:
        connection.close()


if __name__ == "__main__":
    # Its parent reads the port: one chosen beforehand could be another's by now.
    told = Serving(pickle.loads(bytes.fromhex(sys.argv[1])), partial(print, flush=True))
    asyncio.run(told.serve())
