"""`hegui db`: bring the databases up to date, check them, back them up, put a backup back."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hegui.cli.archive import Config, Json, opened, progress, tell, tell_json
from hegui.language import N_, Problem

if TYPE_CHECKING:
    from hegui.evidence.archive import Archive
    from hegui.store.backup import Health, Manifest
    from hegui.store.engine import Database
    from hegui.store.schema import Name

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="The databases: upgrade, check, back up, restore.",
)

Vault = Annotated[
    bool,
    typer.Option("--vault", help="The vault (keys, names) instead of the store: keep it apart."),
]


def _chosen(archive: "Archive", *, vault: bool) -> "tuple[Database, Name]":
    return (archive.vault_database, "vault") if vault else (archive.store, "store")


@app.command()
def upgrade(*, config: Config = None) -> None:
    """Make what is missing: databases, tables, keys. Nothing that is there is replaced.

    Back up first: `hegui db backup` and `hegui db backup --vault`.

    Example: `hegui db upgrade`
    """
    with opened(config) as archive:
        archive.prepare()
    tell(N_("✓ Store and vault have the schema of this version."))


@app.command()
def check(*, config: Config = None, as_json: Json = False) -> None:
    """Check that both databases are intact, of this version, and have room to grow.

    Exit code 1 when something is wrong. What the ledger says is checked by `hegui ledger verify`.

    Example: `hegui db check`
    """
    from hegui.store.backup import check as check_database

    with opened(config) as archive:
        states = [check_database(*_chosen(archive, vault=vault)) for vault in (False, True)]
    if as_json:
        tell_json(states)
    else:
        for state in states:
            _show(state)
    if not all(state.well for state in states):
        raise typer.Exit(1)


def _show(state: "Health") -> None:
    lost = ", ".join(state.lost_periods) or "0"
    free = "?" if state.free is None else f"{state.free:,}"
    tell(
        N_(
            "{mark} {name} ({kind}): intact: {intact}; schema current: {current}; period tables "
            "missing: {lost}; {size} bytes, log {log} bytes, free on disk {free} bytes"
        ),
        mark="✓" if state.well else "✗",
        name=state.name,
        kind=state.kind,
        intact=state.intact,
        current="✓" if state.current else "✗",
        lost=lost,
        size=f"{state.size:,}",
        log=f"{state.log:,}",
        free=free,
    )


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    *,
    vault: Vault = False,
    config: Config = None,
) -> None:
    """Copy the store, while the service runs, into a folder with a manifest.

    **The vault is not in it.** Back it up with --vault, to another place, and keep those copies
    only for days: as long as a copy of the vault exists, what was erased since can be read.

    Example: `hegui db backup /backup/store-2026-11-23`
    """
    from hegui.store.backup import backup as back_up

    with opened(config) as archive, progress(N_("Copying")) as on_progress:
        manifest = back_up(*_chosen(archive, vault=vault), folder, on_progress)
    tell(N_("✓ {folder}: the {name} of {at}."), folder=folder, name=manifest.name, at=manifest.at)
    _show_ledger(manifest)


def _show_ledger(manifest: "Manifest") -> None:
    from hegui.evidence.merkle import Edge

    if manifest.name == "store":
        root = Edge(manifest.size, bytes.fromhex(manifest.edge)).root().hex()
        tell(N_("Ledger of {size} entries, root {root}"), size=manifest.size, root=root)


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="A folder that `hegui db backup` made.")],
    *,
    vault: Vault = False,
    yes: Annotated[bool, typer.Option("--yes", help="Yes, replace the database.")] = False,
    config: Config = None,
) -> None:
    """Put a backup in the place of the store (or the vault), and repeat later erasures in it.

    Stop the service first. With SQLite the file that stood there is set aside, not deleted.
    Entries written after the backup are lost, and checkpoints published since will say so.

    Example: `hegui db restore /backup/store-2026-11-23 --yes`
    """
    from hegui.evidence.erase import reconcile
    from hegui.store.backup import restore as put_back

    if not yes:
        raise Problem(
            "restore_unconfirmed",
            "Nothing was done: this replaces the database. Say --yes if that is what you want.",
        )
    with opened(config) as archive:
        manifest = put_back(*_chosen(archive, vault=vault), folder)
        archive.prepare()
        settled = reconcile(archive)
    tell(N_("✓ Restored the {name} of {at}."), name=manifest.name, at=manifest.at)
    _show_ledger(manifest)
    if settled:
        tell(N_("{count} keys and persons erased since were erased again."), count=settled)
