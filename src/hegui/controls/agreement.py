"""Agreement 服务协议: nobody is served who has not accepted the version in force (Art. 9(2))."""

import asyncio
from typing import Final

from hegui.controls.control import Control
from hegui.exchange import PASS, Exchange, Verdict
from hegui.language import N_
from hegui.people.agreement import CARRIES

_SECONDS: Final = 5  # until the store must have answered


class AgreementControl(Control):
    name = "agreement"
    carries = CARRIES

    async def admit(self, exchange: Exchange) -> Verdict:
        agreements = self.house.agreements
        if agreements.known(exchange.person):
            return PASS
        async with asyncio.timeout(_SECONDS):
            if await asyncio.to_thread(agreements.has_accepted, exchange.person):
                return PASS
        message = N_("The service agreement is not accepted yet: read and accept it at {url}.")
        url = f"{self.house.settings.public_url}/agreement"
        return self.verdict("refuse", "agreement_required", message, values={"url": url})
