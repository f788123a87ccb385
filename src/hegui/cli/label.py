"""`hegui label`, `verify`, `carry` and `provider-code`: the implicit label of files, on the command line."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from hegui.language import N_, Problem, say

if TYPE_CHECKING:
    from hegui.labels.many import Result

codes = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Check or build a provider code: the 27 characters that name who answers for content.",
)
Paths = Annotated[list[Path], typer.Argument(help="Files and folders.", metavar="PATH…")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")]
Workers = Annotated[int, typer.Option(help="Processes; 0: as many as the machine has processors.")]


def label(
    paths: Paths,
    out: Annotated[Path | None, typer.Option(help="Folder for the labelled copies; without it, files are replaced.")] = None,
    producer: Annotated[str, typer.Option(help="Provider code or name; without it, `service.producer_code` of the settings.")] = "",
    produce_id: Annotated[str, typer.Option(help="Your number for the content; without it, one is made for each file.")] = "",
    on_existing: Annotated[Literal["reject", "replace", "merge"], typer.Option(help="What to do about a label that is there: `merge` keeps the producer's fields.")] = "reject",
    config: Annotated[Path | None, typer.Option(help="Settings file.")] = None,
    paranoid: Annotated[bool, typer.Option(help="Hash the media before and after.")] = False,
    as_json: AsJson = False,
    workers: Workers = 0,
) -> None:  # fmt: skip
    """Put the implicit label 隐式标识 into files that AI has made; their media stays identical.

    Pictures, sound, video, documents: docs/labels.md lists the formats. Every file is read back before
    it appears. Exit code 0: all are labelled; 1: some were not; 2: an error.

    Example: `hegui label generated/ --out labelled/ --producer 0011…`
    """
    from hegui.labels.many import label_many

    files = _files(paths)
    jobs = [(file, _beside(file, paths, out)) for file in files]
    results = label_many(
        jobs, producer or _producer(config), on_existing=on_existing, paranoid=paranoid,
        produce_id=produce_id, workers=workers,
    )  # fmt: skip
    _finish(_shown(results, len(jobs), as_json=as_json), as_json=as_json)


def verify(paths: Paths, as_json: AsJson = False, workers: Workers = 0) -> None:
    """Say whether files bear the implicit label that GB 45438-2025 asks for, and if not, why not.

    Exit code 0: all are compliant; 1: some are not; 2: an error.

    Example: `hegui verify labelled/`
    """
    from hegui.labels.many import verify_many

    files = _files(paths)
    _finish(_shown(verify_many(files, workers), len(files), as_json=as_json), as_json=as_json)


def carry(
    src: Annotated[Path, typer.Argument(help="The file that has the label.")],
    dst: Annotated[Path, typer.Argument(help="The file that was made from it, and lost the label.")],
) -> None:  # fmt: skip
    """Put the label of SRC back into DST, after a re-encode has lost it.

    Example: `hegui carry original.png thumbnail.jpg`
    """
    from hegui.cli.output import console, language
    from hegui.labels import carry as carry_over

    _files([src, dst])
    try:
        done = carry_over(src, dst)
    except OSError as error:
        raise Problem(
            "labels.file",
            "The file cannot be read or written: {reason}.",
            reason=error.strerror or str(error),
        ) from error
    told = say(language(), N_("{file} now bears the label {number} of {producer}."), file=dst,
               number=done.label.produce_id, producer=done.label.producer)  # fmt: skip
    console.print(told, markup=False)


@codes.command("check")
def check_code(code: Annotated[str, typer.Argument(help="27 characters.")]) -> None:
    """Check a provider code: its length, its letters, and the check character of the company's code.

    Example: `hegui provider-code check 001191110102MACQD9K64010000`
    """
    from hegui.cli.output import console, language
    from hegui.labels import check_producer_code

    check_producer_code(code)
    console.print(
        say(
            language(),
            N_("{code} keeps to the coding rules. It says nothing of whose it is."),
            code=code,
        )
    )


@codes.command("build")
def build_code(
    credit_code: Annotated[str, typer.Argument(help="Unified social credit code: 18 characters.")],
    service: Annotated[Literal["none", "generation", "propagation"], typer.Option(help="What it is for; `none`: the company alone.")] = "none",
    model: Annotated[str, typer.Option(help="Four digits or capital letters of your own, for a model or application.")] = "",
) -> None:  # fmt: skip
    """Build your provider code from your company's unified social credit code.

    Example: `hegui provider-code build 9111000000000000XX --service generation --model 0001`
    """
    from hegui.labels import build_producer_code

    typer.echo(build_producer_code(credit_code, service, model))


# -- what the commands share ------------------------------------------------------------------------


def _files(paths: list[Path]) -> list[Path]:
    from hegui.labels.many import walk

    if missing := [str(path) for path in paths if not path.exists()]:
        raise Problem(
            "labels.file", "There is no file or folder {paths}.", paths=", ".join(missing)
        )
    if not (files := walk(paths)):
        raise Problem(
            "labels.none", "There is no file in {paths}.", paths=", ".join(map(str, paths))
        )
    return files


def _beside(file: Path, paths: list[Path], out: Path | None) -> Path:
    """Where the labelled file goes: under `out`, in the folders it came in."""
    if out is None:
        return file
    root = next(
        (path for path in paths if path.is_dir() and file.is_relative_to(path)), file.parent
    )
    return out / file.relative_to(root)


def _producer(config: Path | None) -> str:
    from hegui.settings import load

    if code := load(config).service.producer_code:
        return code
    raise Problem(
        "labels.who",
        "Who answers for this content? Give --producer, or set service.producer_code: a made-up code would name another company.",
    )


def _shown(results: "Iterator[Result]", total: int, *, as_json: bool) -> "Iterator[Result]":
    """The results, with a progress bar where somebody looks at long work."""
    from rich.console import Console
    from rich.progress import track

    screen = Console(stderr=True)
    hidden = as_json or total < 50 or not screen.is_terminal
    return iter(track(results, "", total, console=screen, disable=hidden))


def _finish(results: "Iterable[Result]", *, as_json: bool) -> None:
    """Print every result and the sum; end with the exit code."""
    done = list(results)
    counts = Counter(result.report.verdict if result.report else "error" for result in done)
    if as_json:
        import msgspec

        from hegui.labels.verify import SCHEMA

        body = {"schema": SCHEMA, "files": [_plain(result) for result in done], "counts": counts}
        typer.echo(msgspec.json.format(msgspec.json.encode(body), indent=2))
    else:
        _print(done, counts)
    errors = any(result.error and not result.report for result in done)
    findings = any(result.report and result.report.verdict != "compliant" for result in done)
    raise typer.Exit(2 if errors else int(findings))


def _plain(result: "Result") -> dict[str, Any]:
    if result.report is None:
        message = say("en", result.message, **result.values)
        return {"file": result.path, "error": result.error, "message": message}
    report = result.report
    return {
        "file": result.path, "verdict": report.verdict, "format": report.carrier,
        "reasons": [{"code": each.code, "detail": each.detail} for each in report.reasons],
        "label": report.fields, "places": [site.place for site in report.sites],
    }  # fmt: skip


def _print(done: "list[Result]", counts: Counter[str]) -> None:
    from rich.table import Table

    from hegui.cli.output import console, language

    lang = language()
    table = Table(box=None, pad_edge=False)
    for title in (N_("File"), N_("Verdict"), N_("Format"), N_("Producer"), N_("Why")):
        table.add_column(say(lang, title), overflow="fold")
    for result in done:
        table.add_row(*_cells(lang, result))
    console.print(table)
    verdicts = ", ".join(
        f"{say(lang, VERDICTS[each])} {counts[each]}" for each in VERDICTS if counts[each]
    )
    console.print(say(lang, N_("{count} files: {verdicts}"), count=len(done), verdicts=verdicts))


def _cells(lang: str, result: "Result") -> tuple[str, ...]:
    from rich.markup import escape

    from hegui.labels.reasons import REASONS

    if result.report is None:
        why = say(lang, result.message, **result.values)
        return escape(result.path), say(lang, VERDICTS["error"]), "", "", escape(why)
    report = result.report
    why = "; ".join(
        f"{REASONS[each.code].text.say(lang)}{f' ({each.detail})' if each.detail else ''}"
        for each in report.reasons
    )
    producer = report.fields.get("ContentProducer", "")
    return tuple(
        escape(cell)
        for cell in (
            result.path,
            say(lang, VERDICTS[report.verdict]),
            report.carrier,
            producer,
            why,
        )
    )


VERDICTS = {
    "compliant": N_("compliant"),
    "noncompliant": N_("not compliant"),
    "not_found": N_("no label found"),
    "inconclusive": N_("cannot be said"),
    "error": N_("error"),
}
