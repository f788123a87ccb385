"""`hegui due`: what is due, from which event, and who has done what about it."""

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from hegui.cli.archive import Config, Json, ready, tell, tell_json
from hegui.language import N_, say

if TYPE_CHECKING:
    from hegui.cases.due import Due

app = typer.Typer(
    rich_markup_mode=None,
    help="What is due: duties with a clock, people's reports, and who has done what about it.",
)

By = Annotated[str, typer.Option("--by", help="Who: a staff id, or what you call yourself here.")]
On = Annotated[str, typer.Option("--on", help="2026-11-24, or 2026-11-24T09:30, Beijing time.")]

_STATES = {"overdue": N_("Overdue"), "due": N_("To do"), "done": N_("Done")}
_NO_DAY = N_("No figure")


@app.callback(invoke_without_command=True)
def show(
    context: typer.Context,
    *,
    days: Annotated[int, typer.Option(min=0, help="Look so many days ahead.")] = 90,
    everything: Annotated[bool, typer.Option("--all", help="All of it, and what is done.")] = False,
    fail_overdue: Annotated[
        bool, typer.Option("--fail-overdue", help="Exit code 1 when something is overdue.")
    ] = False,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """List what is overdue and what is due, the nearest day first.

    ≥ before a day: the calendar of that year is not announced yet, it is the earliest possible.
    ?: the figure, or the duty itself, still has to be checked; no law to rely on.

    Example: `hegui due --days 30 --fail-overdue`
    """
    if context.invoked_subcommand is not None:
        return
    from hegui.cases.clocks import BEIJING
    from hegui.cases.due import due_list, is_started

    now = datetime.now(BEIJING)
    with ready(config) as archive:
        found = due_list(archive, now)
        started = is_started(archive)
    last = (now.date() + timedelta(days=days)).isoformat()
    near = [each for each in found if each.state != "done" and each.by[:10] <= last]
    chosen = found if everything else near
    if as_json:
        tell_json(chosen)
    else:
        _print(chosen, started=started, later=len(found) - len(chosen))
    if fail_overdue and any(each.state == "overdue" for each in found):
        raise typer.Exit(1)


@app.command()
def record(
    anchor: Annotated[str, typer.Argument(help="The event: `hegui due events` lists them.")],
    *,
    on: On,
    obligation: Annotated[str, typer.Option(help="Only the clock of this duty.")] = "",
    note: Annotated[str, typer.Option(help="What it was; name no person.")] = "",
    by: By = "operator",
    config: Config = None,
) -> None:
    """Put an event on record that starts clocks, and print what is due now because of it.

    Example: `hegui due record service_start --on 2026-11-24`
    """
    from hegui.cases.clocks import BEIJING
    from hegui.cases.due import due_list
    from hegui.cases.occurrences import record as put

    with ready(config) as archive:
        occurrence = put(archive, anchor, on, by, obligation, note)
        found = due_list(archive, datetime.now(BEIJING))
    tell(N_("✓ {occurrence} is on record."), occurrence=occurrence)
    _print([each for each in found if each.occurrence == occurrence], started=True, later=0)


@app.command()
def done(
    name: Annotated[
        str, typer.Argument(help="What is done: its name in the list, or the event's.")
    ],
    *,
    reference: Annotated[str, typer.Option(help="Where the proof lies, such as a receipt number.")],
    on: Annotated[str, typer.Option("--on", help="When; today if not given.")] = "",
    obligation: Annotated[str, typer.Option(help="Which duty, where an event has several.")] = "",
    by: By = "operator",
    config: Config = None,
) -> None:
    """Put on record that something is done. It cannot be taken back.

    Example: `hegui due done RA-24.1@o0123456789abcdef --reference "receipt 2026-117"`
    """
    from hegui.cases.clocks import BEIJING
    from hegui.cases.due import complete

    now = datetime.now(BEIJING)
    with ready(config) as archive:
        found = complete(archive, name, reference, by, on, now=now, obligation=obligation)
    tell(N_("✓ {subject} is done."), subject=found.subject)


@app.command()
def events(as_json: Json = False) -> None:
    """List the events that start a clock, and which duties' clocks they start.

    Example: `hegui due events`
    """
    from hegui.cases.occurrences import anchors, dated
    from hegui.cli.output import console, language

    duties = {
        code: sorted({each.duty.id for each in dated() if each.clock.anchor == code})
        for code in anchors()
    }
    if as_json:
        tell_json(duties)
        return
    for code, text in anchors().items():
        line = f"{code}: {text.say(language())} ({', '.join(duties[code]) or '–'})"
        console.print(line, markup=False, soft_wrap=True)


@app.command()
def calendar(
    year: Annotated[int, typer.Argument(help="A year of the PRC calendar.")], as_json: Json = False
) -> None:
    """Show how many days of a year are worked, the days off and the make-up weekends.

    Example: `hegui due calendar 2026`
    """
    from hegui.cases.clocks import year_of

    found = year_of(year)
    if as_json:
        tell_json(found)
        return
    tell(N_("{year}: {count} working days"), year=year, count=found.working)
    tell(N_("Weekdays off: {days}"), days=_runs(found.off))
    tell(N_("Weekend days worked: {days}"), days=_runs(found.made_up))


def _runs(days: tuple[date, ...]) -> str:
    """Days as text, those that follow each other as one stretch."""
    runs: list[list[date]] = []
    for day in days:
        if runs and day - runs[-1][-1] == timedelta(days=1):
            runs[-1].append(day)
        else:
            runs.append([day])
    return ", ".join(f"{run[0]}/{run[-1].day:02}" if run[1:] else str(run[0]) for run in runs)


# -- the list as a table ---------------------------------------------------------------------------


def _print(found: "list[Due]", *, started: bool, later: int) -> None:
    from rich.table import Table

    from hegui.cli.output import console, language

    lang = language()
    table = Table(box=None, pad_edge=False)
    titles = (
        N_("Last day"), N_("State"), N_("Item"), N_("Duty"), N_("Runs from"), N_("Figure"),
        N_("Answers for it"),
    )  # fmt: skip
    for title in titles:
        table.add_column(say(lang, title), overflow="fold")
    for each in found:
        table.add_row(*_cells(each, lang))
    if found:
        console.print(table)
    else:
        tell(N_("Nothing of this is due."))
    if later:
        tell(N_("{count} more are later or done: --all shows them."), count=later)
    if not started:
        tell(
            N_(
                "The start of the service is not on record, so nothing yearly has a day: "
                "`hegui due record service_start --on DATE`."
            )
        )


def _cells(each: "Due", lang: str) -> list[str]:
    from rich.markup import escape

    from hegui.law import register

    by = each.by or say(lang, _NO_DAY)
    event = register().term("anchor", each.anchor).say(lang) if each.anchor else ""
    doubt = "?" if each.uncertain or each.verified == "M" else ""
    cells = [
        by if each.exact else f"≥ {by}",
        say(lang, _STATES[each.state]),
        each.subject,
        each.duty.say(lang) + doubt,
        f"{event} {each.since}".strip(),
        each.explain(lang),
        each.owner,
    ]
    return [escape(cell) for cell in cells]
