"""`hegui status`: where the service stands with every duty, and why."""

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from hegui.cli.archive import Config, Json, ready, tell, tell_json
from hegui.language import N_, Problem, say

if TYPE_CHECKING:
    from hegui.evidence.counting import Count
    from hegui.evidence.status import Board, Standing, State

_MEASURES = "IM"  # whose articles are shown one by one when nothing else is asked for
_COLOURS = {"met": "green", "partly": "green", "not_met": "red", "due": "red"}

Article = Annotated[str, typer.Option(help="Only this article, e.g. 14: its duties one by one.")]
Instrument = Annotated[
    str, typer.Option(help="Only this instrument, e.g. LB; with --article, IM if none is given.")
]
Chosen = Annotated[str, typer.Option(help="Only this state, e.g. not_met, due, human_pending.")]
Recount = Annotated[
    bool, typer.Option("--recount", help="Also hold the kept counts against the ledger.")
]


class _Row(NamedTuple):
    """What one line of the table says."""

    name: str
    state: "State"
    why: str
    owner: str
    stale_on: str


def status(
    article: Article = "",
    instrument: Instrument = "",
    state: Chosen = "",
    *,
    recount: Recount = False,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Show where the service stands with every duty, computed from evidence, and why.

    Without options: a line for each article of the Interim Measures, then whatever of the other
    instruments is not met or due. States change when `hegui tick` (or the server) has counted what
    is new, and when evidence is handed in (`hegui evidence add`); nobody types them in.

    Exit code 0: nothing that binds the service is not met or due. 1: something is, or `--recount`
    found a difference. 2: the question could not be answered.

    Example: `hegui status --article 14`
    """
    from hegui.cases.due import board_of
    from hegui.evidence import counting

    with ready(config) as archive:
        made = board_of(archive)
        differ = counting.recount(archive) if recount else {}
    chosen = _choose(made, instrument.strip().upper(), article.strip(), state.strip())
    if as_json:
        tell_json(_plain(made, chosen, differ))
    else:
        one_by_one = bool(article or instrument or state)
        _show(made, chosen, _rows_of(chosen) if one_by_one else _overview(made))
        if recount:
            _show_recount(differ)
    failing = any(each.binds and each.state in {"not_met", "due"} for each in chosen)
    raise typer.Exit(int(failing or bool(differ)))


def _choose(made: "Board", instrument: str, article: str, state: str) -> "list[Standing]":
    """The duties that were asked for; an instrument, article or state that is unknown is a Problem."""
    from hegui.evidence.status import ORDER
    from hegui.law import register

    if state and state not in ORDER:
        raise Problem(
            "status.state",
            "There is no state {state}. These are known: {known}.",
            state=state,
            known=", ".join(ORDER),
        )
    if article:
        register().article(instrument or _MEASURES, article)
        chosen = made.of(instrument or _MEASURES, article)
    elif instrument:
        register().instrument(instrument)
        chosen = made.of(instrument)
    else:
        chosen = list(made.standings.values())
    return [each for each in chosen if not state or each.state == state]


# -- the table -------------------------------------------------------------------------------------


def _rows_of(standings: "list[Standing]") -> list[_Row]:
    return [_row(each.duty.id, each.state, [each]) for each in standings]


def _overview(made: "Board") -> list[_Row]:
    """The articles of the Measures, then what fails elsewhere."""
    from itertools import groupby

    from hegui.evidence.status import worst

    own = made.of(_MEASURES)
    rows = [
        _row(name, worst(group), group)
        for name, each in groupby(own, key=lambda each: each.duty.id.partition(".")[0])
        if (group := list(each))
    ]
    elsewhere = [each for each in made.standings.values() if each not in own and each.binds]
    return rows + _rows_of([each for each in elsewhere if each.state in {"not_met", "due"}])


def _row(name: str, state: "State", standings: "list[Standing]") -> _Row:
    """The line of one duty, or of an article: the reason is that of its worst duty."""
    from hegui.cli.output import language
    from hegui.evidence.status import ORDER

    first = min(standings, key=lambda each: ORDER.index(each.state))
    why = first.reasons[0].say(language()) if first.reasons else ""
    owners = dict.fromkeys(each.owner for each in standings if each.owner)
    days = [each.stale_on for each in standings if each.stale_on]
    stated = f"{first.duty.id}: {why}" if len(standings) > 1 else why
    return _Row(name, state, stated, ", ".join(owners), min(days, default=""))


def _show(made: "Board", chosen: "list[Standing]", rows: list[_Row]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from hegui.cli.output import console, language
    from hegui.evidence.status import NAMES

    lang = language()
    if rows:
        table = Table(box=None, pad_edge=False)
        for title in (N_("Duty"), N_("State"), N_("Why"), N_("Owner"), N_("Stale on")):
            table.add_column(say(lang, title), overflow="fold")
        for row in rows:
            colour = _COLOURS.get(row.state, "yellow")
            name = f"[{colour}]{escape(say(lang, NAMES[row.state]))}[/]"
            table.add_row(row.name, name, escape(row.why), escape(row.owner), row.stale_on)
        console.print(table)
    else:
        tell(N_("No duty stands so."))
    counts = made.counts(chosen)
    told = [f"{say(lang, NAMES[each])} {count}" for each, count in counts.items() if count]
    tell(N_("{count} duties: {states}."), count=len(chosen), states=", ".join(told) or "–")
    if made.at:
        tell(N_("The checks last ran at {at} (UTC)."), at=made.at[:16].replace("T", " "))
    else:
        tell(N_("The checks have never run: `hegui tick` runs them, and so does the server."))


def _show_recount(differ: "dict[str, tuple[Count, Count]]") -> None:
    from hegui.cli.output import language
    from hegui.law import register

    for name, (kept, counted) in differ.items():
        tell(
            N_("✗ {check}: {good} of {population} are kept, the ledger gives {good_now} of "
               "{population_now}, or other days or names. The kept counts were changed."),
            check=register().term("evidence", name).say(language()),
            good=kept.good, population=kept.population,
            good_now=counted.good, population_now=counted.population,
        )  # fmt: skip
    if not differ:
        tell(N_("✓ Counted anew: the kept counts are what the ledger gives."))


# -- for other programs ----------------------------------------------------------------------------


def _plain(
    made: "Board", chosen: "list[Standing]", differ: "dict[str, tuple[Count, Count]]"
) -> dict[str, Any]:
    return {
        "at": made.at,
        "today": made.today.isoformat(),
        "counts": made.counts(chosen),
        "differ": {name: {"kept": kept, "counted": now} for name, (kept, now) in differ.items()},
        "duties": [_plain_duty(each) for each in chosen],
    }


def _plain_duty(each: "Standing") -> dict[str, Any]:
    return {
        "id": each.duty.id,
        "state": each.state,
        "binds": each.binds,
        "reasons": [reason.say("en") for reason in each.reasons],
        "missing": each.missing,
        "checks": [
            {"name": part.found.name, "coverage": part.link.coverage, "at": part.found.at,
             "since": part.found.since, "population": part.found.count.population,
             "good": part.found.count.good}
            for part in each.parts
        ],
        "proofs": [proof.proof for proof in each.proofs],
        "owner": each.owner,
        "stale_on": each.stale_on,
    }  # fmt: skip
