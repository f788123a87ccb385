"""Export the ledger for an inspector, in the form that the standalone verifier reads.

All heads are handed over, since only all of them show that none is missing, and they name no
person. Sealed bodies are handed over when asked for; they stay closed without their keys.
"""

import os
import shutil
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect

from hegui.evidence import checkpoints, verifier
from hegui.evidence.archive import Archive
from hegui.evidence.ledger import read_head
from hegui.evidence.merkle import leaf_hash, node_hash
from hegui.evidence.proofs import entry_bytes, proof_text
from hegui.evidence.verify import Progress, rows_between
from hegui.language import Problem
from hegui.store.tables import body_table, entries

Put = Callable[[str, bytes], object]  # a file of the export: name, content

_TILE: Final = verifier.TILE
_README: Final = Path(__file__).with_name("export_readme.md")


def export(
    archive: Archive,
    target: Path,
    *,
    bodies: bool = False,
    since: str = "",
    until: str = "",
    proofs: Sequence[int] = (),
    on_progress: Progress = lambda _done, _total: None,
) -> int:
    """Write an export to the folder (or, if its name ends so, the .zip) `target`; its size.

    With `bodies`, the sealed bodies of the entries from `since` to before `until` (ledger times;
    empty: no bound) go along, and `proofs` are made for these entries.

    Raises:
        Problem: `export_there` when the target exists, `export_empty` before the first entry.
    """
    checkpoints.sign(archive)
    note = checkpoints.latest(archive)
    if note is None or not (size := archive.signer.open(note).size):
        raise Problem("export_empty", "The ledger has no entries yet: there is nothing to export.")
    with _writing(target) as put, archive.store.read() as connection:
        put("checkpoint", note.encode())
        put("README.md", _README.read_bytes())
        put("verify.py", Path(verifier.__file__).read_bytes())
        for seq in proofs:
            put(f"proofs/{seq}.tlog-proof", proof_text(connection, seq, size, note).encode())
            put(f"proofs/{seq}.entry", entry_bytes(connection, seq))
        tiles = _Tiles(put)
        names = _body_tables(connection) if bodies else []
        for low in range(0, size, _TILE):
            heads = _heads(connection, low, min(low + _TILE, size))
            tiles.add(heads)
            wanted = [low + at for at, head in enumerate(heads) if _within(head, since, until)]
            _put_bodies(connection, names, wanted, put)
            on_progress(low + len(heads), size)
        tiles.close()
    return size


def _heads(connection: Connection, low: int, high: int) -> list[bytes]:
    return [bytes(head) for _, head, _ in rows_between(connection, entries, low, high)]


def _body_tables(connection: Connection) -> list[str]:
    return [name for name in inspect(connection).get_table_names() if name.startswith("body_")]


def _within(head: bytes, since: str, until: str) -> bool:
    if not since and not until:
        return True
    time = read_head(head).time
    return since <= time and (not until or time < until)


def _put_bodies(connection: Connection, names: list[str], wanted: list[int], put: Put) -> None:
    if not wanted:
        return
    chosen = set(wanted)
    for name in names:
        for seq, sealed in rows_between(connection, body_table(name), wanted[0], wanted[-1] + 1):
            if seq in chosen:
                put(f"bodies/{seq}.sealed", bytes(sealed))


class _Tiles:
    """Writes bundles of entries and the tiles of hashes above them (C2SP tlog-tiles)."""

    def __init__(self, put: Put) -> None:
        self._put = put
        self._levels: list[list[bytes]] = []  # the hashes of each level's open tile
        self._done: list[int] = []  # tiles written at each level
        self._bundles = 0

    def add(self, heads: list[bytes]) -> None:
        """Write one bundle, the last of which may be short."""
        bundle = b"".join(len(head).to_bytes(2, "big") + head for head in heads)
        name = verifier.tile_name(verifier.ENTRIES, self._bundles, len(heads))
        self._put(name, bundle)
        self._bundles += 1
        for head in heads:
            self._push(0, leaf_hash(head))

    def _push(self, level: int, hashed: bytes) -> None:
        if level == len(self._levels):
            self._levels.append([])
            self._done.append(0)
        self._levels[level].append(hashed)
        if len(self._levels[level]) == _TILE:
            self._push(level + 1, _perfect(self._flush(level)))

    def _flush(self, level: int) -> list[bytes]:
        hashes, self._levels[level] = self._levels[level], []
        name = verifier.tile_name(level, self._done[level], len(hashes))
        self._put(name, b"".join(hashes))
        self._done[level] += 1
        return hashes

    def close(self) -> None:
        """Write the tiles that are not full."""
        for level in range(len(self._levels)):
            if self._levels[level]:
                self._flush(level)


def _perfect(hashes: list[bytes]) -> bytes:
    while len(hashes) > 1:
        pairs = zip(hashes[::2], hashes[1::2], strict=True)
        hashes = [node_hash(left, right) for left, right in pairs]
    return hashes[0]


@contextmanager
def _writing(target: Path) -> Iterator[Put]:
    """Write beside the target and rename, so that an export is there whole or not at all."""
    if target.exists():
        raise Problem(
            "export_there", "{target} is there already: name another place.", target=target
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        if target.suffix == ".zip":
            with zipfile.ZipFile(fresh, "x", zipfile.ZIP_DEFLATED) as archive:
                yield archive.writestr
        else:
            yield lambda name, data: _write(fresh / name, data)
        fresh.rename(target)
    except BaseException:
        shutil.rmtree(fresh) if fresh.is_dir() else fresh.unlink(missing_ok=True)
        raise


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
