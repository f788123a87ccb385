"""The running service: everything opened from the settings, started and stopped in order."""

import asyncio
import gc
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from hegui.controls.control import House
from hegui.evidence.archive import Archive
from hegui.evidence.erase import reconcile
from hegui.gateway.app import Gateway
from hegui.gateway.door import Door
from hegui.gateway.instances import Instance, interrupt_dead
from hegui.gateway.models import Models
from hegui.language import Problem
from hegui.people.agreement import Agreements
from hegui.people.callers import Callers
from hegui.policy import Policies
from hegui.safety.lexicon import Lexicon
from hegui.safety.sample import sample_lexicon
from hegui.settings import Settings

log = structlog.get_logger()

_REFRESH_SECONDS: Final = 1  # until a key made elsewhere is known here


class Service:
    """One process of the service."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.archive = Archive(settings)
        self.archive.require_current()
        self.callers = Callers(self.archive)
        self.agreements = Agreements(self.archive)
        lexicon = load_lexicon(settings.moderation.lexicon)
        self.policies = Policies(self.archive)
        self.policies.refresh()
        self.house = House(
            settings, self.archive, self.callers, self.agreements, self.policies, lexicon
        )
        self.models = Models(settings)
        reconcile(self.archive)
        interrupt_dead(self.archive)
        self.instance = Instance(self.archive)
        self.callers.refresh()
        self.door = Door(self.house, self.models, self.instance.name)
        self.gateway = Gateway(self.door)
        self._background: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin the background work of this process; call in its event loop."""
        # What start-up made lives as long as the process: keep it out of every later collection.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        self._background = [asyncio.create_task(self._refresh())]

    async def stop(self) -> None:
        """End in order: nothing that was accepted is lost."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        with suppress(SQLAlchemyError):
            self.instance.close()
        self.archive.close()

    async def _refresh(self) -> None:
        """Notice keys, agreements and erasures that another process wrote."""
        while True:
            await asyncio.sleep(_REFRESH_SECONDS)
            try:
                if await asyncio.to_thread(self.callers.refresh):
                    self.agreements.forget()
                await asyncio.to_thread(self.policies.refresh)
            except (SQLAlchemyError, Problem) as error:
                log.error("refresh.failed", error=type(error).__name__)  # noqa: TRY400 (no trace: it may hold data)


def load_lexicon(path: Path | None) -> Lexicon:
    """The lexicon of the settings, else the sample of invented words."""
    return Lexicon.load(path) if path else sample_lexicon()
