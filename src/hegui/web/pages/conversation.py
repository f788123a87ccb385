"""A conversation, opened again from the evidence with its own person's key: nothing else is kept."""

import re
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import select

from hegui.controls import CONTROLS
from hegui.evidence.archive import Archive
from hegui.evidence.opening import read_body
from hegui.exchange import State
from hegui.labels.text import explicit, prefix, suffix
from hegui.language import LANGUAGES, N_, say
from hegui.safety.risks import risks
from hegui.store.tables import exchanges, outcomes
from hegui.web.render import beijing

MOST_TURNS: Final = 8
ROUTE: Final = "page.chat"  # as the evidence names exchanges of this page
_ID: Final = re.compile(r"[0-9a-f]{32}")
_CARRIES: Final = {control.name: control.carries for control in CONTROLS}


class Asked(msgspec.Struct):
    """The body of an admitted exchange of the chat page."""

    text: str


class _Told(msgspec.Struct):
    answer: str = ""
    withheld: str = ""


class Notice(msgspec.Struct):
    """Why an answer is not whole: the rule, the obligations it serves, the way to appeal."""

    state: State
    message: str
    rule: str
    obligations: list[str]
    appeal_url: str | None


class Turn(msgspec.Struct):
    exchange: str
    at: str
    question: str
    answer: str
    state: State
    label: str
    notice: Notice | None


class Said(msgspec.Struct):
    role: Literal["user", "assistant"]
    content: str


def label() -> str:
    """The short label beside every answer, in both languages (GB 45438-2025, 5.1)."""
    short = explicit().short
    return f"{short.zh} / {short.en}"


def parse_ids(conversation: str) -> list[str]:
    """The latest exchanges that `conversation` names; what is no id is left out."""
    return [part for part in conversation.split(".") if _ID.fullmatch(part)][-MOST_TURNS:]


def read_turns(archive: Archive, person: str, ids: list[str], language: str) -> list[Turn]:
    """Those of the exchanges that are this person's and can still be opened, in their order."""
    query = (
        select(
            exchanges.c.exchange, exchanges.c.seq, exchanges.c.at, exchanges.c.key_id,
            outcomes.c.seq.label("end"), outcomes.c.state, outcomes.c.control, outcomes.c.category,
        )
        .outerjoin(outcomes, outcomes.c.exchange == exchanges.c.exchange)
        .where(exchanges.c.exchange.in_(ids), exchanges.c.route == ROUTE)
    )  # fmt: skip
    with archive.store.read() as connection:
        rows = {row.exchange: row for row in connection.execute(query)}
    own = set(archive.vault.key_ids_of(person))
    found = [rows[name] for name in ids if name in rows and rows[name].key_id in own]
    turns = [_turn(archive, row, language) for row in found]
    return [turn for turn in turns if turn is not None]


def _turn(archive: Archive, row: Any, language: str) -> Turn | None:
    asked = read_body(archive, row.seq)
    told = read_body(archive, row.end) if row.end is not None else None
    if asked is None:
        return None
    state: State = row.state or "running"
    return Turn(
        exchange=row.exchange,
        at=beijing(row.at),
        question=msgspec.json.decode(asked, type=Asked).text,
        answer=msgspec.json.decode(told, type=_Told).answer if told else "",
        state=state,
        label=label(),
        notice=notice(row.exchange, state, row.control or "", row.category or "", language),
    )


def notice(
    exchange: str, state: State, control: str, category: str, language: str
) -> Notice | None:
    """What the page says of an answer that is not whole; it needs only what the evidence holds."""
    words = {
        "refused": N_("Your question was not passed to the model."),
        "withheld": N_("The rest of this answer was withheld."),
        "interrupted": N_("This answer ended before it was complete: ask again if you need it."),
    }
    if state not in words:
        return None
    return Notice(
        state=state,
        message=say(language, words[state]),
        rule=f"{category} {risks()[category].name.say(language)}" if category else "",
        obligations=list(_CARRIES.get(control, ())),
        appeal_url=f"/report/{exchange}" if state != "interrupted" else None,
    )


def earlier(turns: list[Turn]) -> list[Said]:
    """What the model is told of a conversation: what was refused or withheld stays away from it."""
    told: list[Said] = []
    for turn in turns:
        if turn.state == "finished":
            told += [Said("user", turn.question), Said("assistant", _bare(turn.answer))]
    return told


def _bare(answer: str) -> str:
    """The answer without its label: the model must not learn to write one."""
    for language in LANGUAGES:
        answer = answer.removeprefix(prefix(language)).removesuffix(suffix(language))
    return answer
