"""Start the service in this process: uvicorn, the pages, the gateway, its clock."""

import os
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

_DEMO: Final = "demo"
_DRAIN_SECONDS: Final = 20

console = Console(highlight=False)


def run(config: Path | None, port: int | None, *, demo: bool) -> None:
    """Serve until told to stop; with `demo`, make what is missing first."""
    settings = load(config)
    if port is not None:
        server = msgspec.structs.replace(settings.server, port=port)
        settings = msgspec.structs.replace(settings, server=server)
    _prepare(settings, demo=demo)
    service = Service(settings)
    serve(service)


def serve(service: Service) -> None:
    """Serve in this process until told to stop, one worker, as the settings say."""
    uvicorn.run(
        Application(service),
        host=service.settings.server.host,
        port=service.settings.server.port,
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )


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
