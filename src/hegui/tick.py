"""Everything that runs on a clock: `hegui tick` from cron, or the server's own timer.

Each function is small, may run at any time and as often as one likes, and says what it did.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from hegui.cases.reminders import raise_reminders
from hegui.evidence import checkpoints, counting, erase, scope
from hegui.evidence.archive import Archive
from hegui.gateway.instances import interrupt_dead
from hegui.language import N_
from hegui.store.periods import make_periods


def _periods(archive: Archive) -> int:
    return len(make_periods(archive.store, datetime.now(UTC).date()))


def _erasures(archive: Archive) -> int:
    return erase.reconcile(archive)


def _reminders(archive: Archive) -> int:
    return raise_reminders(archive)


def _checkpoint(archive: Archive) -> int:
    return int(checkpoints.sign(archive) is not None)


# What runs, in this order, and how its count is reported.
CLOCKS: Final[tuple[tuple[str, Callable[[Archive], int]], ...]] = (
    (N_("period tables made"), _periods),
    (N_("exchanges of dead processes ended"), interrupt_dead),
    (N_("erasures completed"), _erasures),
    (N_("reminders raised"), _reminders),
    (N_("scope decisions reopened"), scope.reopened),
    (N_("checkpoints signed"), _checkpoint),
    (N_("entries checked"), counting.count),
)


def tick(archive: Archive) -> dict[str, int]:
    """Run every clock once; returns what each did."""
    return {name: clock(archive) for name, clock in CLOCKS}
