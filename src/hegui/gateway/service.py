"""The running service: everything opened from the settings, started and stopped in order."""

import asyncio
import gc
from collections.abc import Callable
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
from hegui.store.away import StoreDownError

log = structlog.get_logger()

Stamp = tuple[int, int, int] | None

_REFRESH_SECONDS: Final = 1  # until a key made elsewhere is known here


class Service:
    """One process of the service."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.archive = Archive(settings)
        self.archive.require_current()
        self.callers = Callers(self.archive)
        self.agreements = Agreements(self.archive)
        seen = _stamp(settings.moderation.lexicon)
        lexicon = load_lexicon(settings.moderation.lexicon)
        self.policies = Policies(self.archive)
        self.policies.refresh()
        self.house = House(
            settings, self.archive, self.callers, self.agreements, self.policies, lexicon
        )
        self.models = Models(settings)
        self.archive.outbox.reserve()
        reconcile(self.archive)
        interrupt_dead(self.archive)
        self.instance = Instance(self.archive)
        self.callers.refresh()
        self.door = Door(self.house, self.models, self.instance.name)
        self.gateway = Gateway(self.door)
        # What other processes may have changed. Each is asked every second, in a thread, and swaps
        # what it has read anew by one assignment, so that no request waits for it.
        self.refreshers: list[Callable[[], object]] = [
            self._refresh_callers,
            self.policies.refresh,
            LexiconFile(self.house, seen).refresh,
        ]
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
        self.models.close()
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        with suppress(SQLAlchemyError, StoreDownError):  # then the next start does it
            self.instance.close()
        self.archive.close()

    async def _refresh(self) -> None:
        """Notice what another process wrote: keys, agreements, erasures, the lexicon."""
        while True:
            await asyncio.sleep(_REFRESH_SECONDS)
            for refresh in self.refreshers:
                try:
                    await asyncio.to_thread(refresh)
                except (SQLAlchemyError, Problem, OSError) as error:  # what was read stays
                    log.error("refresh.failed", error=getattr(error, "code", type(error).__name__))  # noqa: TRY400 (no trace: it may hold data)

    def _refresh_callers(self) -> bool:
        changed = self.callers.refresh()
        if changed:
            self.agreements.forget()
        return changed


class LexiconFile:
    """The lexicon's file: read again whenever it is another one; a bad one changes nothing."""

    def __init__(self, house: House, seen: Stamp) -> None:
        self._house, self._path = house, house.settings.moderation.lexicon
        self._seen = seen  # before it was read: one that is replaced meanwhile is read again

    def refresh(self) -> bool:
        """Swap in the file if it has changed; returns whether it has. Raises `Problem`."""
        stamp = _stamp(self._path)
        if stamp in (self._seen, None) or self._path is None:
            return False
        self._seen = stamp
        self._house.lexicon = Lexicon.load(self._path)
        log.info("lexicon.swapped", version=self._house.lexicon.sha256[:16])
        return True


def _stamp(path: Path | None) -> Stamp:
    """What tells two versions of a file apart; None when there is no file."""
    if path is None:
        return None
    try:
        status = path.stat()
    except OSError:
        return None  # it is just being replaced
    return status.st_ino, status.st_mtime_ns, status.st_size


def load_lexicon(path: Path | None) -> Lexicon:
    """The lexicon of the settings, else the sample of invented words."""
    return Lexicon.load(path) if path else sample_lexicon()
