"""`hegui keys`: API keys 接口密钥 for those who call the gateway."""

from typing import Annotated

import typer

from hegui.cli.archive import Config, ready, tell
from hegui.language import N_, Problem

app = typer.Typer(no_args_is_help=True, help="API keys: make, list and end them.")


@app.command()
def create(
    holder: Annotated[str, typer.Argument(help="Who holds the key: a stable name of yours.")],
    *,
    accepted: Annotated[
        bool,
        typer.Option("--accepted", help="The holder has accepted the agreement in force (Art. 9)."),
    ] = False,
    asserts: Annotated[
        str, typer.Option(help="May the key name users? no, header or token (signed).")
    ] = "no",
    public_key: Annotated[
        str, typer.Option(help="With token: the Ed25519 public key, base64 of 32 bytes.")
    ] = "",
    config: Config = None,
) -> None:
    """Make a key and show it once.

    Example: `hegui keys create shop-backend --accepted --asserts header`
    """
    from hegui.evidence.ledger import now
    from hegui.people.agreement import Agreements
    from hegui.people.callers import Callers, check_public_key

    if asserts not in {"no", "header", "token"}:
        raise Problem("keys.asserts", "--asserts is no, header or token.")
    if asserts == "token":
        check_public_key(public_key)
    with ready(config) as archive:
        person = archive.vault.person("operator", holder)
        person = person or archive.vault.add_person("operator", holder, now())
        agreements = Agreements(archive)
        agreements.publish_sample()
        if accepted:
            agreements.accept(person, agreements.current()[0], "operator")
        name, secret = Callers(archive).create(person, asserts, public_key)  # type: ignore[arg-type]
    typer.echo(f"{name}  {secret}")
    tell(N_("This is shown once; only its hash is kept."))
    if not accepted:
        tell(N_("The holder must accept the agreement before the key works: POST /v1/agreement."))


@app.command("list")
def list_(config: Config = None) -> None:
    """Show every key, never its secret."""
    from rich.table import Table

    from hegui.cli.output import console
    from hegui.people.callers import Callers

    table = Table("key", "asserts", "created", "revoked")
    with ready(config) as archive:
        for key in Callers(archive).list():
            table.add_row(key.api_key, key.asserts, key.created, key.revoked)
    console.print(table)


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(help="The key's id, as `hegui keys list` shows it.")],
    config: Config = None,
) -> None:
    """End a key; running services notice within a second."""
    from hegui.people.callers import Callers

    with ready(config) as archive:
        Callers(archive).revoke(key)
    tell(N_("✓ {key} is revoked."), key=key)
