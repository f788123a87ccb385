"""`hegui ledger`: verify the ledger, prove an entry, sign a checkpoint, export for an inspector."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hegui.cli.archive import Config, Json, progress, ready, tell, tell_json
from hegui.language import N_, Problem

if TYPE_CHECKING:
    from hegui.evidence.findings import Report

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="The ledger: verify it, prove an entry, sign a checkpoint, hand it to an inspector.",
)

Seq = Annotated[int, typer.Argument(min=0, help="The number of the entry, from 0.")]


@app.command()
def verify(
    *,
    config: Config = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option("--checkpoint", help="A checkpoint kept elsewhere; may be repeated."),
    ] = None,
    unseal: Annotated[
        bool, typer.Option("--unseal", help="Also decrypt every body whose key is alive.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check every entry, every row it describes, every key and every checkpoint.

    Exit code 0: nothing differs. 1: findings, each with table and row. 2: the check could not be
    made. The service may go on running. **Give checkpoints that were kept elsewhere**: without
    them, a ledger that was rebuilt and signed again looks sound.

    Example: `hegui ledger verify --checkpoint /mnt/notary/checkpoint-120000.txt`
    """
    from hegui.evidence.verify import verify as verify_ledger

    with ready(config) as archive, progress(N_("Verifying")) as on_progress:
        report = verify_ledger(archive, on_progress, checkpoint or (), unseal=unseal)
    if as_json:
        tell_json(_as_json(report))
    else:
        _show(report, outside=len(checkpoint or ()))
    if not report.verified:
        raise typer.Exit(1)


def _as_json(report: "Report") -> dict[str, object]:
    return {
        "verified": report.verified,
        "size": report.size,
        "root": report.root.hex(),
        "bodies": report.bodies,
        "rows": report.rows,
        "keys": report.keys,
        "checkpoints": report.checkpoints,
        "unsealed": report.unsealed,
        "found": report.found,
        "findings": [
            {"code": each.code, "table": each.table, "row": each.row, "text": each.say()}
            for each in report.findings
        ],
    }


def _show(report: "Report", *, outside: int) -> None:
    from hegui.cli.output import console, language

    for finding in report.findings:
        console.print(f"✗ {finding.say(language())}", markup=False, soft_wrap=True)
    if (more := report.found - len(report.findings)) > 0:
        tell(N_("… and {more} more findings."), more=more)
    tell(
        N_("{size} entries, {rows} rows, {bodies} bodies, {keys} keys, {checkpoints} checkpoints."),
        size=report.size,
        rows=report.rows,
        bodies=report.bodies,
        keys=report.keys,
        checkpoints=report.checkpoints,
    )
    tell(N_("Root {root}"), root=report.root.hex())
    if not outside:
        tell(N_("No checkpoint kept elsewhere was compared: a rebuilt ledger would not show."))
    if report.verified:
        tell(N_("✓ Verified: nothing differs."))
    else:
        tell(N_("✗ {count} findings."), count=report.found)


@app.command()
def prove(
    seq: Seq,
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write; else it is printed.")
    ] = None,
    config: Config = None,
) -> None:
    """Prove that one entry stands in the ledger: a C2SP tlog-proof under the newest checkpoint.

    With -o, the entry's exact bytes are written beside it, as FILE.entry: a proof is about them.

    Example: `hegui ledger prove 4711 -o 4711.tlog-proof`
    """
    from hegui.evidence.proofs import entry_bytes
    from hegui.evidence.proofs import prove as prove_entry

    with ready(config) as archive:
        text = prove_entry(archive, seq)
        with archive.store.read() as connection:
            entry = entry_bytes(connection, seq)
    if output is None:
        typer.echo(text, nl=False)
        return
    _write(output, text.encode())
    _write(output.with_suffix(".entry"), entry)


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise Problem(
            "unwritable",
            "{path} cannot be written ({reason}): name another place.",
            path=path,
            reason=error.strerror,
        ) from error


@app.command()
def checkpoint(
    *,
    key: Annotated[
        bool, typer.Option("--key", help="Print the public key to give to others, sign nothing.")
    ] = False,
    config: Config = None,
) -> None:
    """Sign the ledger as it stands, if it has grown, and print the newest checkpoint.

    A checkpoint proves something only where you cannot change it: give it, and once the public
    key, to somebody outside (a notary, a law firm, a regulator, a parent company).

    Example: `hegui ledger checkpoint | mail -s checkpoint notary@example.org`
    """
    from hegui.evidence import checkpoints

    with ready(config) as archive:
        if key:
            typer.echo(archive.signer.verifier_key())
            return
        typer.echo(checkpoints.sign(archive) or checkpoints.latest(archive) or "", nl=False)


@app.command()
def export(
    target: Annotated[Path, typer.Argument(help="A new folder, or a new file FILE.zip.")],
    *,
    bodies: Annotated[
        bool, typer.Option("--bodies", help="Hand over the sealed bodies too (still closed).")
    ] = False,
    since: Annotated[
        str, typer.Option(help="Bodies of entries from this time, e.g. 2026-11-01.")
    ] = "",
    until: Annotated[str, typer.Option(help="Bodies of entries before this time.")] = "",
    proof: Annotated[
        list[int] | None, typer.Option("--proof", help="Add the proof of this entry; repeatable.")
    ] = None,
    config: Config = None,
) -> None:
    """Export the ledger for an inspector, with the verifier and a page that explains it.

    All entries go along, since only all of them show that none is missing; they name no person.

    Example: `hegui ledger export inspection-2026-11.zip --proof 4711`
    """
    from hegui.evidence.export import export as export_ledger

    with ready(config) as archive, progress(N_("Exporting")) as on_progress:
        size = export_ledger(
            archive, target, bodies=bodies, since=since, until=until, proofs=proof or (),
            on_progress=on_progress,
        )  # fmt: skip
    tell(
        N_("{target}: {size} entries. Verify it with hegui's verify.py."), target=target, size=size
    )
