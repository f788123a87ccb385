"""What the exports share: the words for a duty's parts, and where a service stands with it."""

from msgspec import Struct

from hegui.language import N_, say
from hegui.law.load import Register
from hegui.law.model import Obligation


class Shown(Struct, frozen=True):
    """Where a service stands with a duty, in words that are ready to print."""

    state: str
    reasons: tuple[str, ...] = ()
    owner: str = ""
    stale_on: str = ""


def proof_text(shown: Shown, language: str) -> str:
    """Why a duty stands as it does, who sees to it, and until when that holds; a line each."""
    lines = list(shown.reasons)
    if shown.owner:
        lines.append(say(language, N_("Responsible: {owner}"), owner=shown.owner))
    if shown.stale_on:
        lines.append(say(language, N_("Holds until {day}"), day=shown.stale_on))
    return "\n".join(lines)


def evidence_text(book: Register, duty: Obligation, language: str) -> str:
    """The evidence that a duty leaves, and what a person signs for it."""
    lines = [duty.evidence.say(language)]
    if duty.human:
        signed = book.term("human", duty.human).say(language)
        lines.append(say(language, N_("Signed by a person: {kind}"), kind=signed))
    return "\n".join(lines)


def question_text(duty: Obligation, language: str) -> str:
    """The questions that counsel has to answer, and what holds until then."""
    return "\n".join(
        say(
            language,
            N_("{question} Until answered: {default}"),
            question=reading.question.say(language),
            default=reading.default.say(language),
        )
        for reading in duty.interpretations
        if reading.uncertain
    )
