"""`hegui law scope`: ask for the facts of a service, one by one, and show which duties follow."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hegui.cli.archive import Config, Json, ready, tell, tell_json
from hegui.language import N_, Problem, say

if TYPE_CHECKING:
    from hegui.law.model import DecisionRow, Fact
    from hegui.law.scoping import Scope

_DO_NOT_KNOW: Final = "?"
_PROMPTS: Final = {
    "yes_no": N_("y or n; ? if you do not know"),
    "choice": N_("a number; ? if you do not know"),
    "several": N_("numbers, such as 1,3; 0 for none of them; ? if you do not know"),
    "number": N_("a number; ? if you do not know"),
    "date": N_("a day such as 2026-01-31; ? if you do not know"),
}


Answers = Annotated[
    Path | None, typer.Option(help="A JSON file of answers; nothing is asked then.")
]
Show = Annotated[bool, typer.Option("--show", help="Show what follows from the last answers.")]
Facts = Annotated[bool, typer.Option("--facts", help="Show every fact and its answers.")]
By = Annotated[
    str, typer.Option(help="Who answers: a staff id or an office, as the ledger names it for ever.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only show what follows; no archive is needed.")
]


def scope(
    *,
    answers: Answers = None,
    show: Show = False,
    facts: Facts = False,
    by: By = "operator",
    dry_run: DryRun = False,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Scope the service: do the Measures apply, which filings, labels and duties follow, and why.

    Only facts that still matter are asked. What counsel must decide is listed with a cautious
    default; what is not known counts as applying. The answers become evidence (Art. 2).

    Example: `hegui law scope --by staff-1`
    """
    if facts:
        _show_facts(as_json=as_json)
    elif dry_run:
        from hegui.law.scoping import decide

        _show(decide(_read(answers) if answers else _ask({}, {})), as_json=as_json)
    else:
        _show(_last(config) if show else _record(answers, by, config), as_json=as_json)


def _last(config: Path | None) -> "Scope":
    from hegui.evidence.scope import current

    with ready(config) as archive:
        if (found := current(archive)) is None:
            raise Problem(
                "scope.none",
                "Nothing was answered yet: `hegui law scope` asks, `hegui law scope --dry-run` only "
                "shows.",
            )
        return found


def _record(answers: Path | None, by: str, config: Path | None) -> "Scope":
    """Put the answers of a file on record, or those to the questions that are asked now."""
    from hegui.evidence.scope import answer, counters, current

    with ready(config) as archive:
        if answers:
            return answer(archive, _read(answers), by)
        known = current(archive)
        return answer(archive, _ask(known.answers if known else {}, counters(archive)), by)


def _read(path: Path) -> dict[str, Any]:
    import msgspec

    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Problem(
            "scope.unreadable",
            "{path} holds no answers ({reason}): it must be a JSON object of facts and answers; "
            "`hegui law scope --facts` shows them.",
            path=path,
            reason=getattr(error, "strerror", None) or error,
        ) from error


# -- asking ----------------------------------------------------------------------------------------


def _ask(before: dict[str, Any], counted: dict[str, Any]) -> dict[str, Any]:
    """Ask for every fact that matters; `before` are the answers to offer again, `counted` known."""
    from hegui.law.scoping import decide, next_question

    answers = dict(counted)
    held: set[str] = {row.id for row in decide(answers).rows}
    while (fact := next_question(answers)) is not None:
        answers[fact.id] = _answer(fact, before.get(fact.id))
        rows = decide(answers).rows
        for row in rows:
            if row.id not in held:
                typer.echo(f"  → {_row(row)}")
        held = {row.id for row in rows}
    return answers


def _answer(fact: "Fact", before: Any) -> Any:
    """Ask for one fact until the answer has its form."""
    from hegui.cli.output import console, language
    from hegui.law.reading import UNKNOWN

    lang = language()
    console.print(f"\n[bold]{fact.question.say(lang)}[/]", soft_wrap=True)
    typer.echo(f"{fact.why.say(lang)} ({', '.join(fact.articles)})")
    for number, choice in enumerate(fact.choices, 1):
        typer.echo(f"  {number}  {choice.text.say(lang)}")
    default = None if before is None else _typed(fact, before)
    while True:
        typed = typer.prompt(say(lang, _PROMPTS[fact.kind]), default=default).strip()
        if typed == _DO_NOT_KNOW:
            return UNKNOWN
        if (value := _value(fact, typed)) is not None:
            return value
        tell(N_("That is no answer to this question."))


def _value(fact: "Fact", typed: str) -> Any:
    """What was typed, as the answer it stands for; None if it is none."""
    from hegui.cli.output import language
    from hegui.law.reading import is_valid

    if fact.kind == "yes_no":
        words = {
            True: {"y", "yes", say(language(), N_("yes"))},
            False: {"n", "no", say(language(), N_("no"))},
        }
        return next((value for value, said in words.items() if typed.lower() in said), None)
    ids = {str(number): choice.id for number, choice in enumerate(fact.choices, 1)}
    if fact.kind == "choice":
        return ids.get(typed)
    if fact.kind == "several":
        given = [] if typed == "0" else [ids.get(part.strip()) for part in typed.split(",")]
        return None if None in given else sorted(set(filter(None, given)))
    value = int(typed) if fact.kind == "number" and typed.isdecimal() else typed
    return value if is_valid(fact, value) else None


def _typed(fact: "Fact", value: Any) -> str:
    """The answer as a person types it."""
    numbers = {choice.id: str(number) for number, choice in enumerate(fact.choices, 1)}
    if isinstance(value, bool):
        return "y" if value else "n"
    if isinstance(value, list | tuple):
        return ",".join(numbers[each] for each in value) or "0"
    return _DO_NOT_KNOW if value == "unknown" else numbers.get(value, str(value))


# -- showing ---------------------------------------------------------------------------------------


def _show_facts(*, as_json: bool) -> None:
    from hegui.cli.output import language
    from hegui.law import register

    facts = register().tables.facts
    if as_json:
        tell_json(facts)
        return
    for fact in facts:
        choices = " | ".join(choice.id for choice in fact.choices)
        typer.echo(f"{fact.id}  [{choices or fact.kind}]  {fact.question.say(language())}")


def _show(found: "Scope", *, as_json: bool) -> None:
    from hegui.law import register

    duties = {duty.id: found.applies(duty) for duty in register()}
    if as_json:
        said = {name: {"applies": it.answer, "why": it.say("en")} for name, it in duties.items()}
        tell_json(_told(found) | {"duties": said})
        return
    _show_tables(found)
    _show_lists(found)
    count = Counter(each.answer for each in duties.values())
    message = N_(
        "Of {all} duties {yes} apply, {no} do not, {unknown} are open and count as applying."
    )
    tell(message, all=len(duties), yes=count["yes"], no=count["no"], unknown=count["unknown"])
    tell(N_("Decided by the tables {version}."), version=found.version[:12])
    tell(N_("Our own words, not the text of the law, and not legal advice."))


def _told(found: "Scope") -> dict[str, Any]:
    """The scope for other programs."""
    return {
        "version": found.version,
        "answers": found.answers,
        "rows": {
            decision.table.id: [row.id for row in decision.rows] for decision in found.decisions
        },
        "possible": {
            decision.table.id: [row.id for row in decision.possible] for decision in found.decisions
        },
        "outcomes": found.outcomes,
        "roles": found.roles,
        "circumstances": found.circumstances,
        "counsel": found.counsel,
        "open": [fact.id for fact in found.open_facts],
    }


def _show_tables(found: "Scope") -> None:
    from hegui.cli.output import console, language

    for decision in found.decisions:
        if not decision.rows and not decision.possible and not decision.gap:
            continue
        console.print(f"\n[bold]{decision.table.title.say(language())}[/]")
        for row in decision.rows:
            typer.echo(f"  {_row(row)}")
        if decision.gap and not decision.missing:
            _line(N_("No row of this table fits these answers: ask counsel."))
        if decision.possible:
            ids = ", ".join(row.id for row in decision.possible)
            _line(N_("Still possible, so count them in: {ids}"), ids=ids)


def _line(message: str, **values: object) -> None:
    from hegui.cli.output import language

    typer.echo("  " + say(language(), message, **values))


def _row(row: "DecisionRow") -> str:
    """A row with its articles, and its mark where the text was not read."""
    from hegui.cli.output import language

    mark = "" if row.verified == "T" else f"; {row.verified}"
    note = f" · {row.note.say(language())}" if row.note else ""
    return f"{row.id}  {row.result.say(language())} ({', '.join(row.articles)}{mark}){note}"


def _show_lists(found: "Scope") -> None:
    from hegui.cli.output import console, language
    from hegui.law import register

    lang, term = language(), register().term
    if found.counsel:
        console.print(f"\n[bold]{say(lang, N_('For counsel'))}[/]")
    for row in found.counsel:
        if row.interpretation:
            typer.echo(f"  {row.id}  {row.interpretation.question.say(lang)}")
            _line(N_("Until answered: {default}"), default=row.interpretation.default.say(lang))
    lists: tuple[tuple[str, str, dict[str, bool | None]], ...] = (
        (N_("Your roles"), "actor", found.roles),
        (N_("Circumstances"), "circumstance", found.circumstances),
    )
    for title, group, states in lists:
        console.print(f"\n[bold]{say(lang, title)}[/]")
        names = {code: term(group, code).say(lang) for code in states}
        typer.echo("  " + "; ".join(names[code] for code, it in states.items() if it))
        if unknown := [names[code] for code, it in states.items() if it is None]:
            _line(N_("Not known, so they count: {names}"), names="; ".join(unknown))
    typer.echo()
