"""Record 留存: what stands in the ledger of every exchange (Art. 11(1), 14(2), 19(1)).

The question is durable before the first byte of an answer leaves, the answer before its end does.
Both are sealed under the user's key; what is public says what was decided, by what, under which
version.
"""

from typing import Any

import msgspec

from hegui.controls.control import Control
from hegui.exchange import Exchange, State, Verdict
from hegui.store.tables import exchanges, outcomes
from hegui.store.writer import Entry

_encode = msgspec.json.Encoder().encode


class RecordControl(Control):
    name = "record"
    carries = ("IM-11.1", "IM-14.2", "IM-19.1")

    # What each entry is evidence for: the duties of the controls that decided by then.
    admitted_for = ("IM-9.1", "IM-9.3", "IM-11.1", "IM-13")
    finished_for = ("IM-4.1", "IM-4.5", "IM-12", "IM-14.1", "IM-14.2", "IM-19.1")

    def admitted(self, exchange: Exchange, instance: str) -> Entry:
        """The entry of a request that came through the door, with the request sealed."""
        facts = {
            "exchange": exchange.id,
            "api_key": exchange.caller.api_key,
            "route": exchange.route,
            "model": exchange.model,
            "stream": exchange.stream,
            "instance": instance,
            "ran": exchange.ran,
        }
        if exchange.passed:
            facts["unscanned"] = exchange.passed
        return Entry(
            "exchange.admitted", self.admitted_for, exchange.id, facts, exchanges,
            exchange.request, exchange.person,
        )  # fmt: skip

    def finished(self, exchange: Exchange, state: State, verdict: Verdict) -> Entry:
        """The entry of how it ended, with what the user saw and did not see sealed."""
        facts: dict[str, Any] = {
            "exchange": exchange.id,
            "route": exchange.route,
            "state": state,
            "control": verdict.control,
            "category": verdict.category,
            "reason": verdict.code,
            "label": exchange.label,
            "lexicon": self.house.lexicon.sha256,
            "policy": exchange.policy,
            "profile": exchange.profile,
            "upstream": exchange.upstream,
            "watched": exchange.watched,
        }
        for name, noted in (("found", exchange.found), ("shadow", exchange.shadow)):
            if noted:
                facts[name] = sorted(noted)
        return Entry(
            "exchange.finished", self.finished_for, exchange.id, facts, outcomes,
            _encode(_body(exchange)), exchange.person,
        )  # fmt: skip


def _body(exchange: Exchange) -> dict[str, Any]:
    """What the user saw and did not see: the answer, and every other surface by its choice and name."""
    body: dict[str, Any] = {
        "answer": exchange.answer,
        "withheld": exchange.withheld.get((0, "content"), ""),
    }
    seen = {key: "".join(texts) for key, texts in exchange.released.items() if key[1] != "end"}
    for name, surfaces in (("also", seen), ("also_withheld", exchange.withheld)):
        rest = {
            f"{n} {surface}": t
            for (n, surface), t in surfaces.items()
            if (n, surface) != (0, "content")
        }
        if rest:
            body[name] = rest
    return body
