"""`hegui lexicon`: build a keyword library, hold it against the standard, try it on a text."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hegui.language import N_, Problem, say

if TYPE_CHECKING:
    from hegui.safety.coverage import Coverage
    from hegui.safety.lexicon import Hit
    from hegui.safety.sources import Gathered

app = typer.Typer(
    no_args_is_help=True,
    help="Build, check and try the keyword library of the service.",
)

# A screenful; the rest is counted.
_SHOWN: Final = 20

Json = Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")]


def _say(message: str, **values: object) -> str:
    from hegui.cli.output import language

    return say(language(), message, **values)


def _today() -> date:
    return datetime.now().astimezone().date()


def _print(text: str) -> None:
    from rich.text import Text

    from hegui.cli.output import console

    console.print(Text(text), soft_wrap=True)


def _print_json(value: Any) -> None:
    import msgspec

    typer.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


@contextmanager
def _progress(message: str) -> Iterator[Callable[[], None]]:
    """Show a bar with a count while the body runs; the body calls what it gets once a row."""
    from rich.progress import BarColumn, Progress, TextColumn

    from hegui.cli.output import errors

    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,}")
    with Progress(*columns, console=errors, transient=True) as progress:
        task = progress.add_task(message, total=None)
        yield lambda: progress.advance(task)


def _gather(sources: list[Path]) -> "Gathered":
    from hegui.safety.sources import gather

    with _progress(_say(N_("Reading rows"))) as advance:
        return gather(sources, on_row=advance)


def _show_faults(gathered: "Gathered") -> None:
    from hegui.cli.output import errors, language

    for problem in gathered.problems[:_SHOWN]:
        errors.print(problem.say(language()), markup=False, soft_wrap=True)
    if (more := len(gathered.problems) - _SHOWN) > 0:
        errors.print(_say(N_("… and {more} more faulty rows."), more=more))


def _write(path: Path, data: bytes) -> None:
    """Write beside the file and rename, so that no reader ever sees half a lexicon."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(data)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise Problem(
            "lexicon.unwritable",
            "{file} cannot be written ({reason}). Choose another place with -o.",
            file=str(path),
            reason=error.strerror,
        ) from error


@app.command()
def build(
    sources: Annotated[list[Path], typer.Argument(help="CSV or XLSX files of terms.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The lexicon to write.")],
    variants: Annotated[
        list[str] | None,
        typer.Option(help="Add spellings of each term: traditional, pinyin. May be given twice."),
    ] = None,
) -> None:
    """Build one lexicon file from CSV or XLSX sources.

    A source has a header row: *term* and *category* (a key such as A.2.d, or a name), and if you
    like *action* (refuse, withhold, mask, note), *source*, *added*, *expires* and *variants*
    (split by |). The filing attachment's keyword, class 1 and class 2 are understood as well.

    Example: `hegui lexicon build words.csv more.xlsx -o service.lexicon`
    """
    from hegui.safety.lexicon import Lexicon
    from hegui.safety.variants import widen

    gathered = _gather(sources)
    if gathered.problems:
        _show_faults(gathered)
        raise Problem(
            "lexicon.faulty-rows",
            "Nothing was built: {count} rows have faults, listed above. Mend them and build again.",
            count=len(gathered.problems),
        )
    with _progress(_say(N_("Building"))):
        lexicon = Lexicon.build(widen(gathered.entries, variants or []), _today())
        _write(output, lexicon.to_bytes())
    _print(
        _say(
            N_("{file}: {entries} entries ({duplicates} duplicates, {expired} expired left out)."),
            file=output,
            entries=len(lexicon),
            duplicates=len(gathered.duplicates),
            expired=len(gathered.entries) - len(lexicon),
        )
    )
    _print(f"SHA-256 {lexicon.sha256}")


def _read(path: Path) -> "Gathered":
    """Read a built lexicon or a source, told apart by how the file begins."""
    from hegui.safety.lexicon import Lexicon, is_built
    from hegui.safety.sources import Gathered

    if is_built(path):
        return Gathered(list(Lexicon.load(path).entries()))
    return _gather([path])


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="A built lexicon, or a CSV or XLSX source.")],
    *,
    as_json: Json = False,
) -> None:
    """Hold a lexicon against the minima of TC260-003 8.1; exit code 1 when it is below.

    Shows entries per risk, missing risks, duplicates, and the age of the newest entry against the
    weekly update, each with its clause and how sure we are of the figure (A–D).

    Example: `hegui lexicon check service.lexicon`
    """
    from hegui.safety.coverage import coverage

    gathered = _read(file)
    state = coverage(gathered.entries, _today())
    if as_json:
        _print_json(_report(state, gathered))
    else:
        _show_coverage(state, gathered)
    if not state.met or gathered.problems:
        raise typer.Exit(1)


def _report(state: "Coverage", gathered: "Gathered") -> dict[str, Any]:
    return {
        "met": state.met and not gathered.problems,
        "checks": state.checks,
        "risks": [
            {
                "key": count.risk.key,
                "name": count.risk.name,
                "entries": count.entries,
                "rule": count.risk.minimum_keywords,
                "met": count.met,
                "operator_only": count.risk.operator_only,
            }
            for count in state.counts
        ],
        "missing": state.missing,
        "duplicates": gathered.duplicates,
        "faults": [str(problem) for problem in gathered.problems],
    }


def _mark(met: bool | None) -> str:
    return {True: "[green]✓[/]", False: "[red]✗[/]", None: "—"}[met]


def _show_coverage(state: "Coverage", gathered: "Gathered") -> None:
    from rich.table import Table

    from hegui.cli.output import console, language

    table = Table(title=_say(N_("Keyword library against the standard")))
    for title in (N_("Rule"), N_("What"), N_("Found"), N_("Wanted"), N_("Clause"), ""):
        table.add_column(_say(title), justify="right" if title in {"Found", "Wanted"} else "left")
    names = {
        "kw-total": _say(N_("entries in all")),
        "kw-cover": _say(N_("risks of A.1 and A.2 that have entries")),
        "kw-fresh": _say(N_("days since the newest entry (at most)")),
    }
    for held in state.checks:
        rule, found = held.rule, "?" if held.found is None else f"{held.found:,}"
        clause = f"{rule.clause} ({rule.confidence})"
        table.add_row(rule.id, names[rule.id], found, f"{held.wanted:,}", clause, _mark(held.met))
    table.add_section()
    for count in state.counts:
        needed = count.risk.minimum_keywords
        wanted, clause = (
            ("—", "")
            if needed is None
            else (
                str(needed.minimum),
                f"{needed.clause} ({needed.confidence})",
            )
        )
        name = count.risk.name.say(language())
        if count.risk.operator_only:
            mine = _say(N_("your own"))
            name += f" [dim]({mine})[/]"
        table.add_row(count.risk.key, name, f"{count.entries:,}", wanted, clause, _mark(count.met))
    console.print(table)
    _show_rest(state, gathered)


def _show_rest(state: "Coverage", gathered: "Gathered") -> None:
    if state.missing:
        _print(_say(N_("Risks without any entry: {keys}"), keys=", ".join(state.missing)))
    for twice in gathered.duplicates[:_SHOWN]:
        _print(
            _say(
                N_("Duplicate: “{term}” at {place}, first at {first}"),
                term=twice.term,
                place=twice.place,
                first=twice.first,
            )
        )
    if gathered.duplicates:
        _print(_say(N_("{count} duplicates, counted once."), count=len(gathered.duplicates)))
    _show_faults(gathered)


@app.command("test")
def try_text(
    file: Annotated[Path, typer.Argument(help="A built lexicon.")],
    text: Annotated[
        str | None, typer.Argument(help="The text; without it, standard input.")
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Show what a lexicon finds in a text.

    Example: `hegui lexicon test service.lexicon "z.o.r.b.l.e.f.a.x"`
    """
    from hegui.safety.lexicon import Lexicon

    lexicon = Lexicon.load(file)
    given = sys.stdin.read() if text is None else text
    hits = lexicon.scan(given)
    if as_json:
        _print_json([_hit_report(given, hit) for hit in hits])
    elif hits:
        _show_hits(given, hits)
    else:
        _print(_say(N_("No hit.")))


def _hit_report(text: str, hit: "Hit") -> dict[str, Any]:
    entry = hit.entry
    return {
        "start": hit.start,
        "end": hit.end,
        "found": text[hit.start : hit.end],
        "term": entry.term,
        "category": entry.category,
        "action": entry.action,
    }


def _show_hits(text: str, hits: list["Hit"]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from hegui.cli.output import console, language
    from hegui.safety.risks import risks

    table = Table()
    for title in (N_("From"), N_("To"), N_("Found"), N_("Term"), N_("Risk"), N_("Action")):
        table.add_column(_say(title))
    for hit in hits:
        entry = hit.entry
        risk = f"{entry.category} {risks()[entry.category].name.say(language())}"
        found = escape(text[hit.start : hit.end])
        where = str(hit.start), str(hit.end)
        table.add_row(*where, found, escape(entry.term), risk, entry.action)
    console.print(table)
