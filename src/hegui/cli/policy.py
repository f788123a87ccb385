"""`hegui policy`: write, check, try and stage what is done about each risk; end a thing at once."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from hegui.cli import hot
from hegui.cli.archive import Config, Json, progress, ready, tell, tell_json
from hegui.language import N_, Problem, say

if TYPE_CHECKING:
    from hegui.policy import Policies, Policy
    from hegui.policy.backtest import Backtest, Scanner
    from hegui.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Policies: what is done about which risk, for whom; draft, shadow, live.",
)
app.add_typer(hot.app, name="hot")

_SHORT: Final = 12  # digits of a version that people read
_SHOWN: Final = 20  # a screenful of exchanges; the rest is in the JSON

What = Annotated[
    str, typer.Argument(help="A file, a version (6 digits or more), live, shadow or default.")
]
Author = Annotated[str, typer.Option(help="Who does it: a staff id, as the ledger will name it.")]


def _say(message: str, **values: object) -> str:
    from hegui.cli.output import language

    return say(language(), message, **values)


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Problem(
            "policy.unreadable",
            "{path} cannot be read ({reason}): `hegui policy new {path}` writes a policy to start from.",
            path=path,
            reason=error.strerror,
        ) from error


def _find(policies: "Policies", what: str) -> tuple[bytes, str]:
    """The bytes that `what` stands for, and how a mistake in them is named."""
    from hegui.policy import default_policy

    if what == "default":
        return default_policy().data, what
    if what == "live":
        return policies.live().data, what
    if what == "shadow":
        if (shadow := policies.shadow()) is None:
            raise Problem(
                "policy.no-shadow", "No policy is in shadow: `hegui policy stage FILE shadow`."
            )
        return shadow.data, what
    if Path(what).is_file() or Path(what).suffix:
        return _read_file(Path(what)), what
    return policies.read(policies.find(what)), what


@app.command()
def new(
    file: Annotated[Path, typer.Argument(help="The file to write.")],
    *,
    version: Annotated[
        str, typer.Option("--from", help="What to copy: live, shadow, default or a version.")
    ] = "live",
    config: Config = None,
) -> None:
    """Write a policy to a file, to be edited: a copy of the live one, or of another.

    Then `hegui policy check FILE`, `test FILE`, `stage FILE shadow`, and at last `stage FILE live`.

    Example: `hegui policy new policy.yaml`
    """
    from hegui.policy import Policies

    if file.exists():
        raise Problem(
            "policy.there", "{file} is there already: edit it, or name another.", file=file
        )
    with ready(config) as archive:
        data, _ = _find(Policies(archive), version)
    try:
        file.write_bytes(data)
    except OSError as error:
        raise Problem(
            "unwritable",
            "{path} cannot be written ({reason}): name another place.",
            path=file,
            reason=error.strerror,
        ) from error
    tell(N_("✓ {file} is written. Edit it, then: hegui policy check {file}"), file=file)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="A policy file.")], *, as_json: Json = False
) -> None:
    """Read a policy file and show what it does; a mistake names its line and the cure.

    Example: `hegui policy check policy.yaml`
    """
    from hegui.policy import Policy

    _show(Policy(_read_file(file), name=str(file)), as_json=as_json)
    if not as_json:
        tell(N_("✓ {file} is sound. Try it on what was asked: hegui policy test {file}"), file=file)


@app.command()
def show(
    what: What = "live",
    *,
    body: Annotated[bool, typer.Option("--body", help="Print the file itself.")] = False,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Show what a policy does about each risk and kind of personal information.

    Example: `hegui policy show live`
    """
    from hegui.policy import Policies, Policy

    with ready(config) as archive:
        data, name = _find(Policies(archive), what)
    if body:
        typer.echo(data.decode(), nl=False)
    else:
        _show(Policy(data, name=name), as_json=as_json)


def _actions(policy: "Policy") -> dict[str, dict[str, dict[str, str]]]:
    """What comes of each rule that is written, by profile and direction."""
    from hegui.policy.rules import DIRECTIONS, PROFILES, effect

    return {
        key: {
            profile: {way: effect(rule, profile, way) or "lexicon" for way in DIRECTIONS}
            for profile in PROFILES
        }
        for key, rule in policy.body.actions.items()
    }


def _show(policy: "Policy", *, as_json: bool) -> None:
    if as_json:
        about = {"version": policy.version, "body": policy.body, "actions": _actions(policy)}
        tell_json(about)
        return
    from rich.table import Table

    from hegui.cli.output import console, language
    from hegui.safety.risks import risks

    table = Table(title=policy.body.about.say(language()) or None)
    titles = (N_("Risk"), "", N_("Adults: asked"), N_("Adults: answered"), N_("Minors: asked"),
              N_("Minors: answered"))  # fmt: skip
    for title in titles:
        table.add_column(_say(title))
    for key, said in _actions(policy).items():
        words = [word for sides in said.values() for word in sides.values()]
        if set(words) != {"lexicon"}:
            name = risks()[key].name.say(language()) if key in risks() else ""
            table.add_row(key, name, *words)
    console.print(table)
    tell(N_("All other risks: as the lexicon's entry says."))
    _show_rest(policy)


def _show_rest(policy: "Policy") -> None:
    from hegui.policy.body import PARTS

    kinds = ", ".join(sorted(policy.minimised)) or "—"
    tell(N_("Kept from the model: {kinds}"), kinds=kinds)
    for part in PARTS:
        if passed := policy.lets_pass(part):
            message = N_("{part} passes unscanned: {owner} answers for it ({reason})")
            tell(message, part=part, owner=passed.owner, reason=passed.reason)
    tell(N_("Label: {position}"), position=policy.labels.position)
    for each in policy.acting:
        until = each.until.isoformat() if each.until else "—"
        message = N_("Hot: “{term}” ({category}), {action}, until {until}")
        tell(
            message, term=each.term, category=each.category, action=each.action or "—", until=until
        )
    tell(N_("Version {version}"), version=policy.version)


@app.command("list")
def list_(*, as_json: Json = False, config: Config = None) -> None:
    """Show every version and how it stands: draft, shadow, live, replaced, retired.

    Example: `hegui policy list`
    """
    from rich.table import Table

    from hegui.cli.output import console
    from hegui.policy import Policies, default_policy

    with ready(config) as archive:
        versions = Policies(archive).list()
    if as_json:
        tell_json(versions)
        return
    table = Table()
    for title in (N_("Version"), N_("Stage"), N_("Since"), N_("Author"), N_("Urgent because")):
        table.add_column(_say(title))
    for each in versions:
        short = each.version[:_SHORT]
        table.add_row(short, each.stage, each.since[:19], each.author, each.reason)
    console.print(table)
    if not any(each.stage == "live" for each in versions):
        short = default_policy().version[:_SHORT]
        tell(N_("The default policy acts ({version}): `hegui policy show default`."), version=short)


@app.command()
def stage(
    what: What,
    to: Annotated[
        Literal["draft", "shadow", "live", "retired"], typer.Argument(help="Where to put it.")
    ],
    *,
    urgent: Annotated[
        str, typer.Option(help="Why it goes live without shadow: stays in the ledger for ever.")
    ] = "",
    author: Author = "operator",
    config: Config = None,
) -> None:
    """Put a policy on record, try it in shadow, put it live, or retire it.

    *draft* only puts it on record. In *shadow* it judges beside the live one and decides nothing.
    *live* decides, on all running services within a second; only rules that were in shadow may go
    live. Retire the live one, and the default policy acts.

    Example: `hegui policy stage policy.yaml shadow`
    """
    from hegui.policy import Policies

    with ready(config) as archive:
        policies = Policies(archive)
        data, name = _find(policies, what)
        given = policies.draft(data, author, name)
        version = given if to == "draft" else policies.stage(given, to, author, urgent=urgent)
    if version != given:
        tell(N_("Hot terms that act now went along, which makes it another version."))
    tell(N_("✓ {version}: {stage}"), version=version[:_SHORT], stage=to)


# -- backtest --------------------------------------------------------------------------------------


def detectors(settings: "Settings") -> "list[Scanner]":
    """What the running service finds things with, for both policies alike."""
    from hegui.gateway.service import load_lexicon
    from hegui.safety.personal import Personal

    return [load_lexicon(settings.moderation.lexicon), Personal()]


@app.command("test")
def try_on_record(
    what: What,
    *,
    reason: Annotated[
        str, typer.Option(help="Why sealed content is read: stays in the ledger for ever.")
    ],
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The first day, in Beijing; without it, any."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many exchanges.")] = 1_000,
    author: Author = "operator",
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Backtest: what this policy would have done with what was asked and answered.

    Compares it with the live one, for adults and for minors, and names exchanges, never text. What
    is sealed is opened by machine; who, why and which exchanges stands in the ledger first.

    Example: `hegui policy test policy.yaml --since 2026-11-01 --reason "policy for the new term"`
    """
    from hegui.cases import BEIJING
    from hegui.policy import Policies, Policy
    from hegui.policy.backtest import backtest

    with ready(config) as archive:
        policies = Policies(archive)
        data, name = _find(policies, what)
        tried = Policy(data, name=name)
        with progress(N_("Testing")) as on_progress:
            report = backtest(
                archive, tried, policies.live(), detectors(archive.settings),
                staff=author, reason=reason, limit=limit, on_progress=on_progress,
                since=since.replace(tzinfo=BEIJING) if since else None,
            )  # fmt: skip
    if as_json:
        tell_json(report)
    else:
        _show_report(report)


def _show_report(report: "Backtest") -> None:
    from rich.table import Table

    from hegui.cli.output import console, language
    from hegui.policy.backtest import ALL
    from hegui.safety.risks import risks

    table = Table(title=_say(N_("What would change")))
    titles: list[Any] = [N_("Risk"), "", N_("For"), N_("Newly stopped"), N_("Newly masked"),
                         N_("Newly released"), N_("Unchanged")]  # fmt: skip
    for title in titles:
        table.add_column(_say(title), justify="right" if title.startswith(("N", "U")) else "left")
    for row in report.rows:
        if row.category == ALL:
            table.add_section()
        name = _say(N_("all exchanges"))
        key = "" if row.category == ALL else row.category
        changes = (str(len(each)) for each in (row.stopped, row.masked, row.released))
        table.add_row(key, risks()[key].name.say(language()) if key else name,
                      row.profile, *changes, str(row.unchanged))  # fmt: skip
    console.print(table)
    message = N_("{count} exchanges judged; {erased} were erased and cannot be.")
    tell(message, count=report.exchanges, erased=report.erased)
    _show_changed(report)


def _show_changed(report: "Backtest") -> None:
    """Name the exchanges that would change, so that they can be looked at with a reason."""
    from hegui.policy.backtest import ALL

    lines = [
        f"{exchange}  {row.profile}  {_say(effect)}"
        for row in report.rows
        if row.category == ALL
        for effect, ids in (
            (N_("Newly stopped"), row.stopped),
            (N_("Newly masked"), row.masked),
            (N_("Newly released"), row.released),
        )
        for exchange in ids
    ]
    for line in lines[:_SHOWN]:
        typer.echo(line)
    if (more := len(lines) - _SHOWN) > 0:
        tell(N_("… and {more} more: --json names all."), more=more)
