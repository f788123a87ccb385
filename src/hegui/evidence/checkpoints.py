"""Checkpoints: the ledger's size and root, signed, kept, and written where they can be carried off.

Each is a row of `checkpoints` and a file `checkpoint-SIZE.txt`; `latest.txt` is always the newest.
Only copies outside the operator's reach prove anything: see docs/evidence.md.
"""

import os
from pathlib import Path
from secrets import token_hex
from typing import Final

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from hegui.evidence.archive import Archive
from hegui.evidence.ledger import now
from hegui.evidence.merkle import Edge, Fetch, Node, completed_by, leaf_hash, root_at
from hegui.evidence.notes import Checkpoint
from hegui.language import Problem
from hegui.store.tables import checkpoints, ledger_head

LATEST: Final = "latest.txt"
_LATEST: Final = select(checkpoints.c.note).order_by(checkpoints.c.size.desc()).limit(1)


def sign(archive: Archive) -> str | None:
    """Sign the ledger as it stands and publish the note; None when it has not grown.

    Raises:
        Problem: `ledger_behind` when a published checkpoint covers more than the ledger holds, or
            `ledger_forked` when it covers other entries: this store is not the one that was signed.
    """
    edge = _edge(archive)
    last = latest(archive)
    _refuse_fork(archive, edge.size)
    if last and archive.signer.open(last).size >= edge.size:
        _publish(archive, edge.size, last)
        return None
    note = archive.signer.sign(edge.size, edge.root())
    row = {"size": edge.size, "at": now(), "note": note}
    try:
        archive.writer.commit_now(check=lambda connection: _insert(connection, row))
    except IntegrityError:  # another process signed the same ledger at this moment
        return None
    _publish(archive, edge.size, note)
    return note


def latest(archive: Archive) -> str | None:
    """The newest checkpoint of the store, or None before the first."""
    with archive.store.read() as connection:
        return latest_in(connection)


def latest_in(connection: Connection) -> str | None:
    """As `latest`, in a view of the store that is open already."""
    return connection.execute(_LATEST).scalar()


def fetch_nodes(connection: Connection) -> Fetch:
    """A `Fetch` for `merkle`: each call is one query of the entries that hold the nodes."""
    mark = "?" if connection.dialect.name == "sqlite" else "%s"

    def fetch(nodes: list[Node]) -> dict[Node, bytes]:
        wanted = sorted({completed_by(node) for node in nodes})
        cursor = connection.connection.cursor()
        marks = ", ".join([mark] * len(wanted))
        cursor.execute(f"SELECT seq, head, nodes FROM entries WHERE seq IN ({marks})", wanted)  # noqa: S608 (numbers only)
        rows = {seq: (head, held) for seq, head, held in cursor.fetchall()}
        return {node: _node(node, *rows[completed_by(node)]) for node in nodes}

    return fetch


def _node(node: Node, head: bytes, held: bytes) -> bytes:
    level = node[0]
    return leaf_hash(bytes(head)) if level == 0 else bytes(held[(level - 1) * 32 : level * 32])


def _edge(archive: Archive) -> Edge:
    with archive.store.read() as connection:
        row = connection.execute(select(ledger_head)).one()
    return Edge(row.size, row.edge)


def _insert(connection: Connection, row: dict[str, object]) -> None:
    connection.execute(insert(checkpoints), row)


def _published(archive: Archive) -> Checkpoint | None:
    try:
        note = (archive.settings.evidence.checkpoint_folder / LATEST).read_text("utf-8")
    except FileNotFoundError:
        return None
    return archive.signer.open(note)


def _refuse_fork(archive: Archive, size: int) -> None:
    """A store put back from a backup must not sign another history than the one published."""
    kept = _published(archive)
    if kept is None:
        return
    file = archive.settings.evidence.checkpoint_folder / LATEST
    if kept.size > size:
        raise Problem(
            "ledger_behind",
            "{file} covers {kept} entries, the ledger holds only {size}: this store is an older "
            "backup. Restore a newer one; if there is none, keep that file elsewhere, remove it "
            "here, and tell those who hold checkpoints that entries from {size} on were lost.",
            file=file,
            kept=kept.size,
            size=size,
        )
    with archive.store.read() as connection:
        root = root_at(kept.size, fetch_nodes(connection))
    if root != kept.root:
        raise Problem(
            "ledger_forked",
            "{file} covers {kept} entries that are not the first {kept} of this ledger: entries "
            "were changed, or a backup was restored and written to. Run `hegui ledger verify`.",
            file=file,
            kept=kept.size,
        )


def _publish(archive: Archive, size: int, note: str) -> None:
    folder = archive.settings.evidence.checkpoint_folder
    folder.mkdir(parents=True, exist_ok=True)
    for name in (f"checkpoint-{size}.txt", LATEST):
        _replace(folder / name, note)


def _replace(path: Path, text: str) -> None:
    """Write so that a reader, or a copy taken at any moment, sees the whole note or the old one."""
    fresh = path.with_name(f".{path.name}.{token_hex(4)}")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
