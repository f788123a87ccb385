"""`hegui master`: the master key that wraps every data key of the vault."""

from typing import Annotated

import typer

from hegui.cli.archive import Config, Json, ready, tell, tell_json
from hegui.language import N_

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="The master key: without it, nothing that was sealed can be read by anyone.",
)


@app.command()
def status(*, config: Config = None, as_json: Json = False) -> None:
    """Show which master keys the file holds and how many data keys each wraps.

    Exit code 1 when a data key needs a master key that the file does not hold, or when others
    than its owner may read the file.

    Example: `hegui master status`
    """
    with ready(config) as archive:
        vault = archive.vault
        held, wrapped, path = vault.master.ids, vault.wrapped_by(), vault.master.path
        mode = path.stat().st_mode & 0o777
    missing = sorted(wrapped.keys() - set(held))
    if as_json:
        tell_json({"path": str(path), "mode": f"{mode:o}", "held": held, "wrapped": wrapped,
                   "missing": missing})  # fmt: skip
    else:
        tell(N_("{path}, mode {mode}"), path=path, mode=f"{mode:o}")
        for number, master in enumerate(held):
            role = N_("{master}: wraps new keys; {count} wrapped") if number == 0 else (
                N_("{master}: only unwraps; {count} wrapped")
            )  # fmt: skip
            tell(role, master=master, count=wrapped.get(master, 0))
        for master in missing:
            tell(N_("✗ {master}: wraps {count} keys but is not in the file: put it back from its "
                    "safe copy."), master=master, count=wrapped[master])  # fmt: skip
        if mode & 0o077:
            tell(N_("✗ Others may read the file: run chmod 600 on it."))
    if missing or mode & 0o077:
        raise typer.Exit(1)


@app.command()
def rotate(*, config: Config = None) -> None:
    """Make a new master key, wrap every data key with it, and retire the old one.

    The service may go on running. Afterwards make a new safe copy (`hegui master export`), and
    keep the old copy until the last backup of the vault that needs it has been deleted.

    Example: `hegui master rotate`
    """
    with ready(config) as archive:
        count = archive.vault.rotate_master()
        current = archive.vault.master.current
    tell(N_("✓ {count} data keys are now wrapped by master key {current}."), count=count,
         current=current)  # fmt: skip
    tell(N_("Make a new safe copy now: hegui master export"))


@app.command()
def export(
    *,
    config: Config = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Yes, print the secret on this screen.")
    ] = False,
) -> None:
    """Print the master key file as text for its safe copy: on paper in a safe, or in an HSM.

    Whoever has this text and a copy of the vault can read everything. It goes apart from every
    backup. To put it back, write it into the file as it is, with mode 600.

    Example: `hegui master export --yes | lpr`
    """
    from hegui.language import Problem

    if not yes:
        raise Problem(
            "export_unconfirmed",
            "Nothing was printed: this shows the secret. Say --yes where nobody else looks on.",
        )
    with ready(config) as archive:
        typer.echo(archive.vault.master.path.read_text("ascii"), nl=False)
        path = archive.vault.master.path
    typer.echo(f"# {path}", err=True)
