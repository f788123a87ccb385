"""Start the service, in one process or several: uvicorn, the pages, the gateway, its clock."""

import os
import socket
from pathlib import Path
from typing import Final

import msgspec
import uvicorn
from rich.console import Console

from hegui.evidence.archive import Archive
from hegui.evidence.ledger import now
from hegui.gateway.service import Service
from hegui.language import N_, choose, say
from hegui.people.agreement import Agreements
from hegui.people.callers import Callers
from hegui.people.staff import make_link
from hegui.settings import Settings, load
from hegui.web.app import Application
from hegui.web.workers import Workers, listen

_DEMO: Final = "demo"
_DRAIN_SECONDS: Final = 20

console = Console(highlight=False)


def run(config: Path | None, port: int | None, workers: int | None = None, *, demo: bool) -> None:
    """Serve until told to stop; with `demo`, make what is missing first."""
    settings = load(config)
    given = {"port": port, "workers": workers}
    server = msgspec.structs.replace(
        settings.server, **{name: value for name, value in given.items() if value is not None}
    )
    settings = msgspec.structs.replace(settings, server=server)
    sockets = listen(server.host, server.port, server.workers)
    _prepare(settings, demo=demo)
    if server.workers == 1:
        serve(Service(settings), sockets[0])
    else:
        Workers(sockets, lambda each: serve(Service(settings), each)).run()


def serve(service: Service, listener: socket.socket | None = None) -> None:
    """Serve in this process until told to stop, on `listener` or where the settings say."""
    server = service.settings.server
    config = uvicorn.Config(
        Application(service),
        host=server.host,
        port=server.port,
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )
    uvicorn.Server(config).run([listener] if listener else None)


def _prepare(settings: Settings, *, demo: bool) -> None:
    language = choose(os.environ.get("HEGUI_LANGUAGE") or os.environ.get("LANG") or "en", "en")
    archive = Archive(settings)
    if demo:
        archive.prepare()
    archive.require_current()
    Agreements(archive).publish_sample()
    secret = _sample_key(archive) if demo else ""
    link = f"{settings.public_url}/staff/enter/{make_link(archive)}"
    archive.close()
    console.print(f"[bold]{settings.service.name}[/]  {settings.public_url}")
    if secret:
        console.print(say(language, N_("Sample API key: {secret}"), secret=secret))
    console.print(
        say(language, N_("Staff link, once, for 24 hours: {link}"), link=link), soft_wrap=True
    )
    console.print(say(language, N_("Stop with Ctrl-C.")))


def _sample_key(archive: Archive) -> str:
    """A fresh key for the person "demo", whose acceptance whoever runs this command gives."""
    person = archive.vault.person("operator", _DEMO)
    if person is None:
        person = archive.vault.add_person("operator", _DEMO, now())
    agreements = Agreements(archive)
    agreements.accept(person, agreements.current()[0], "operator")
    return Callers(archive).create(person)[1]
