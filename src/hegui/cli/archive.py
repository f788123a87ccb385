"""What the commands on the archive share: the settings file, the archive, a bar for long work."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hegui.language import say

if TYPE_CHECKING:
    from hegui.evidence.archive import Archive

Config = Annotated[
    Path | None,
    typer.Option("--config", help="The settings file; without it, HEGUI_CONFIG or ./hegui.toml."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")]


@contextmanager
def opened(config: Path | None) -> Iterator["Archive"]:
    """The archive of the settings, closed at the end."""
    from hegui.evidence.archive import Archive
    from hegui.settings import load

    archive = Archive(load(config))
    try:
        yield archive
    finally:
        archive.close()


@contextmanager
def ready(config: Path | None) -> Iterator["Archive"]:
    """As `opened`, for commands that need databases of this version."""
    with opened(config) as archive:
        archive.require_current()
        yield archive


def tell(message: str, **values: object) -> None:
    """Print a message in the caller's language."""
    from hegui.cli.output import console, language

    console.print(say(language(), message, **values), markup=False, soft_wrap=True)


def tell_json(value: Any) -> None:
    import msgspec

    typer.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


@contextmanager
def progress(message: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar while the body runs; the body reports what is done, of how many."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from hegui.cli.output import errors, language

    count = TextColumn("{task.completed:,}/{task.total:,}")
    columns = TextColumn("{task.description}"), BarColumn(), count, TimeRemainingColumn()
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task(say(language(), message), total=1)
        yield lambda done, total: bar.update(task, completed=done, total=total)
