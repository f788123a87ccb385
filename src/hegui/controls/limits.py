"""Limits 限流: how much one key and one user may ask, so that the service stays usable (Art. 13).

A token bucket each, in memory, per process: with several processes the limit is theirs together
only on average.
"""

import math
import time
from typing import Final

from hegui.controls.control import Control, House
from hegui.exchange import PASS, Exchange, Verdict
from hegui.language import N_

_MOST: Final = 100_000  # buckets held; beyond that the full ones are let go


class Buckets:
    """Token buckets of one size; each fills by `per_minute` tokens a minute up to that number."""

    def __init__(self, per_minute: int) -> None:
        self._capacity = float(per_minute)
        self._rate = per_minute / 60
        self._levels: dict[str, tuple[float, float]] = {}

    def take(self, name: str, at: float) -> float:
        """Take a token at time `at` (seconds); returns 0, or the seconds until there is one."""
        level, since = self._levels.get(name, (self._capacity, at))
        level = min(self._capacity, level + (at - since) * self._rate)
        if level < 1:
            return (1 - level) / self._rate
        if len(self._levels) >= _MOST:
            self._prune(at)
        self._levels[name] = (level - 1, at)
        return 0.0

    def _prune(self, at: float) -> None:
        """Forget the buckets that have had time to fill: they say nothing."""
        rate, capacity = self._rate, self._capacity
        self._levels = {
            name: (level, since)
            for name, (level, since) in self._levels.items()
            if level + (at - since) * rate < capacity
        }


class LimitsControl(Control):
    name = "limits"
    carries = ("IM-13",)

    def __init__(self, house: House) -> None:
        super().__init__(house)
        limits = house.settings.limits
        self._keys, self._users = Buckets(limits.key_per_minute), Buckets(limits.user_per_minute)

    async def admit(self, exchange: Exchange) -> Verdict:
        at = time.monotonic()
        wait = self._keys.take(exchange.caller.allowance, at) or self._users.take(
            exchange.person, at
        )
        if not wait:
            return PASS
        seconds = math.ceil(wait)
        message = N_("Too many requests: wait {seconds} seconds and try again.")
        values = {"seconds": seconds}
        return self.verdict(
            "refuse", "rate_limit", message, values=values, status=429, retry_after=seconds
        )
