"""The register in sentences: what the command line, the pages and the exports say of a row.

Every function takes the language ("zh" or "en") last and returns plain text without markup; who
prints it escapes it as its own medium asks.
"""

from datetime import date

from hegui.language import N_, say
from hegui.law.load import register
from hegui.law.model import Clock, Instrument, Provision, Sanction, Tier


def clock_text(clock: Clock, language: str) -> str:
    """A period in one line: kind, figure, what it runs from, who fixed it, basis and its mark."""
    term = register().term
    parts = [term("clock", clock.kind).say(language)]
    if clock.amount is not None and clock.unit is not None:
        unit, calendar = term("unit", clock.unit), term("calendar", clock.calendar)
        parts.append(
            say(
                language,
                N_("{amount} {unit}, {calendar}"),
                amount=clock.amount,
                unit=unit.say(language),
                calendar=calendar.say(language),
            )
        )
    parts += [
        term("anchor", clock.anchor).say(language),
        term("figure", clock.figure).say(language),
        f"{clock.basis}, {mark_text(clock.verified, language)}",
    ]
    return " · ".join(parts)


def amounts(tier: Tier, language: str) -> list[str]:
    """What a step of a sanction may cost, an amount an entry; empty where none is named."""
    named = [
        (N_("fine of {span} yuan"), _span(tier.fine_min, tier.fine_max)),
        (N_("{span} times the unlawful gains"), _span(tier.gains_min, tier.gains_max)),
        (N_("or {span} % of last year's turnover"), _span(None, tier.turnover_pct)),
        (N_("those responsible {span} yuan"), _span(tier.persons_min, tier.persons_max)),
        (N_("prison {span} years"), _span(None, tier.prison_years)),
    ]
    return [say(language, template, span=span) for template, span in named if span]


def tier_text(tier: Tier, language: str) -> str:
    """One step of a sanction in a line: when it applies, what follows, and the amounts."""
    told = amounts(tier, language)
    text = f"{tier.condition.say(language)} → {tier.measures.say(language)}"
    return f"{text} [{'; '.join(told)}]" if told else text


def sanction_title(sanction: Sanction, language: str) -> str:
    """The code of a sanction with the provisions it stands in, and how they were checked."""
    basis = f"{sanction.code} ({', '.join(sanction.basis)})"
    if sanction.verified == "T":
        return basis
    return f"{basis} · {mark_text(sanction.verified, language)}"


def sanction_lines(sanction: Sanction, language: str) -> list[str]:
    """A sanction: its title, then a line for each of its steps, the lightest first."""
    return [
        sanction_title(sanction, language),
        *(tier_text(tier, language) for tier in sanction.tiers),
    ]


def mark_text(mark: str, language: str) -> str:
    """How a text was checked: the letter and what it means."""
    return f"{mark}: {register().term('mark', mark).say(language)}"


def validity_text(provision: Provision, language: str) -> str:
    """From when to when a provision stands as it is, and the number it bore before."""
    if not register().instrument(provision.instrument).binds:
        told = say(language, N_("published {day}, not law in force"), day=provision.valid_from)
    elif provision.valid_to is None:
        told = say(language, N_("valid since {day}"), day=provision.valid_from)
    else:
        told = say(
            language,
            N_("valid from {day} to {end}"),
            day=provision.valid_from,
            end=provision.valid_to,
        )
    former = [
        say(
            language,
            N_("was {id} from {day} to {end}"),
            id=old.id,
            day=old.valid_from,
            end=old.valid_to,
        )
        for old in provision.renumbered_from
    ]
    return "; ".join([told, *former])


def standing_text(instrument: Instrument, day: date, language: str) -> str:
    """What an instrument is: its level, its status, and since when if that is after the day.

    A law that was amended may have stood before, in another version than the register holds.
    """
    term = register().term
    told = f"{term('level', instrument.level).say(language)}, {term('status', instrument.status).say(language)}"
    if instrument.in_force is None or instrument.in_force <= day:
        return told
    return say(
        language,
        N_("{standing}; as it is here, in force since {day}"),
        standing=told,
        day=instrument.in_force,
    )


def _span(low: int | None, high: int | None) -> str:
    if high is None:
        return ""
    return f"≤ {high:,}" if low is None else f"{low:,}–{high:,}"
