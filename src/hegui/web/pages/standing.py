"""How the pages of the register tell where duties stand: words, links, bars and sparklines."""

import re
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any, Final

from markupsafe import Markup, escape

from hegui.evidence.counting import Count
from hegui.evidence.signed import Signed
from hegui.evidence.status import NAMES, Standing, State
from hegui.language import N_, say

# From what is proved to what is not: the order of a bar, and of its legend.
SHOWN: Final[tuple[State, ...]] = (
    "met", "partly", "human_pending", "uncertain", "planned", "due", "not_met", "not_applicable",
)  # fmt: skip
_HOLDING: Final = frozenset({"met", "partly", "uncertain"})  # what proves it goes stale one day
_SOON: Final = timedelta(days=30)
_SUBJECT: Final = re.compile(r"\b(?:([0-9a-f]{32})|(\d{4}-\d{4}-\d+))\b")
_TALL: Final = 32  # pixels of a sparkline
_STEP: Final = 8  # pixels of a day in it
_PROOF_STATES: Final = {
    "holds": N_("Holds"),
    "soon": N_("Ends soon"),
    "later": N_("Begins later"),
    "expired": N_("Out of date"),
    "ended": N_("Ended"),
}


def words(language: str) -> dict[str, str]:
    """The states in the order of a bar, as the reader calls them."""
    return {state: say(language, NAMES[state]) for state in SHOWN}


def counted(standings: Iterable[Standing]) -> dict[str, int]:
    """How many duties stand in each state, in the order of a bar."""
    counts: dict[str, int] = dict.fromkeys(SHOWN, 0)
    for each in standings:
        counts[each.state] += 1
    return counts


def told(standing: Standing, language: str) -> dict[str, Any]:
    """A duty as a row of the register.

    `reason` is markup, `until` the day its proof goes stale, `due` the next day that it has to keep.
    """
    return {
        "id": standing.duty.id,
        "text": standing.duty.duty.say(language),
        "state": standing.state,
        "reason": linked(standing.reasons[0].say(language)) if standing.reasons else Markup(),
        "owner": standing.owner,
        "until": standing.stale_on if standing.state in _HOLDING else "",
        "due": standing.next.by[:10] if standing.next else "",
        "proofs": proofs_of(standing),
    }


def proofs_of(standing: Standing) -> int:
    """How many checks and signed papers speak for the duty today."""
    good = sum(part.found.outcome == "good" for part in standing.parts)
    return good + len(standing.proofs)


def linked(text: str, *, whole: bool = False) -> Markup:
    """The text with a link at each exchange and report it names; an exchange by its last digits."""

    def link(found: re.Match[str]) -> str:
        exchange, receipt = found.groups()
        if receipt:
            return f'<a href="/staff/reports/{receipt}"><code>{receipt}</code></a>'
        name = exchange if whole else f"…{exchange[-8:]}"
        return f'<a href="/staff/exchanges/{exchange}"><code>{name}</code></a>'

    return Markup(_SUBJECT.sub(link, str(escape(text))))  # noqa: S704 (escaped just here)


def proof_row(proof: Signed, today: date) -> dict[str, Any]:
    """Signed evidence for the pages; `state` is a key of `proof_words`."""
    day, soon = today.isoformat(), (today + _SOON).isoformat()
    if proof.ended:
        state = "ended"
    elif proof.valid_until < day:
        state = "expired"
    elif proof.valid_from > day:
        state = "later"
    else:
        state = "soon" if proof.valid_until <= soon else "holds"
    return {
        "id": proof.proof, "kind": proof.kind, "about": proof.about, "name": proof.name,
        "sha256": proof.sha256, "signer": proof.signer, "owner": proof.owner,
        "from": proof.valid_from, "until": proof.valid_until, "note": proof.note,
        "seq": proof.seq, "ended": proof.ended, "state": state,
    }  # fmt: skip


def proof_words(language: str) -> dict[str, str]:
    """The states of signed evidence, as the reader calls them."""
    return {state: say(language, word) for state, word in _PROOF_STATES.items()}


def spark(days: Mapping[str, Count], today: date, window: int) -> dict[str, Any]:
    """The counts of a check as a drawing: a bar a day, what was not as it must be at its foot."""
    every = [(today - timedelta(days=window - 1 - place)).isoformat() for place in range(window)]
    most = max((count.population for count in days.values()), default=0)
    bars = []
    for place, day in enumerate(every):
        if (count := days.get(day)) and count.population:
            high = max(2, round(_TALL * count.population / most))
            missed = count.population - count.good
            bad = min(high, max(2, round(high * missed / count.population))) if missed else 0
            bars.append({"x": place * _STEP, "high": high, "bad": bad})
    return {"bars": bars, "wide": window * _STEP, "tall": _TALL, "first": every[0]}
