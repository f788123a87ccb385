"""Builds small exports of a ledger, straight from the definitions, for the verifier's tests."""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ORIGIN = "ledger.example.cn/service-1"
START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
TILE = 256


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def head(seq: int, kind: str, subject: str, *, time: str = "", **values: object) -> bytes:
    """One entry in the form the ledger writes it; `values` override or extend its fields."""
    when = START + timedelta(milliseconds=17 * seq)
    content = {
        "v": 1,
        "time": time or when.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "kind": kind,
        "carries": ["IM-9.3"],
        "subject": subject,
        "body": "",
        "key": "",
        "commit": "",
        "facts": {"model": "demo"},
    }
    return json.dumps(content | values, separators=(",", ":")).encode()


def exchanges(count: int) -> list[bytes]:
    """`count` entries: exchanges admitted and finished in turn; an odd one stays open."""
    kinds = ("exchange.admitted", "exchange.finished")
    return [head(seq, kinds[seq % 2], f"x_{seq // 2:06d}") for seq in range(count)]


def leaf(entry: bytes) -> bytes:
    return hashlib.sha256(b"\0" + entry).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962, 2.1, by its recursive definition."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + root(leaves[:k]) + root(leaves[k:])).digest()


def path(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH of RFC 6962, 2.1.1, by its recursive definition."""
    if len(leaves) < 2:
        return []
    k = 1 << (len(leaves) - 1).bit_length() - 1
    if index < k:
        return [*path(index, leaves[:k]), root(leaves[k:])]
    return [*path(index - k, leaves[k:]), root(leaves[:k])]


@dataclass
class Signer:
    """The operator's key, and what an inspector is told about it."""

    name: str = ORIGIN
    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def marked(self) -> bytes:
        return b"\1" + self.private.public_key().public_bytes_raw()

    @property
    def mark(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + self.marked).digest()[:4]

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self.mark.hex()}+{b64(self.marked)}"

    def checkpoint(self, leaves: Sequence[bytes], origin: str = ORIGIN) -> str:
        body = f"{origin}\n{len(leaves)}\n{b64(root(leaves))}\n"
        signature = self.mark + self.private.sign(body.encode())
        return f"{body}\n\u2014 {self.name} {b64(signature)}\n"

    def proof(self, index: int, leaves: Sequence[bytes], extra: bytes = b"") -> str:
        lines = ["c2sp.org/tlog-proof@v1", *([f"extra {b64(extra)}"] if extra else [])]
        lines += [f"index {index}", *(b64(step) for step in path(index, leaves))]
        return "\n".join(lines) + "\n\n" + self.checkpoint(leaves)


def numbered(index: int) -> str:
    groups = f"{index:0{-(-len(str(index)) // 3) * 3}d}"
    parts = [groups[at : at + 3] for at in range(0, len(groups), 3)]
    return "/".join(["x" + part for part in parts[:-1]] + parts[-1:])


def cut(items: Sequence[bytes], level: int | str) -> Iterable[tuple[str, Sequence[bytes]]]:
    """Names and contents of the tiles that hold `items`."""
    for start in range(0, len(items), TILE):
        part = items[start : start + TILE]
        partial = f".p/{len(part)}" if len(part) < TILE else ""
        yield f"tile/{level}/{numbered(start // TILE)}{partial}", part


def tree_files(entries: Sequence[bytes]) -> dict[str, bytes]:
    files = {}
    for name, part in cut(entries, "entries"):
        files[name] = b"".join(len(e).to_bytes(2, "big") + e for e in part)
    hashes, level = [leaf(entry) for entry in entries], 0
    while hashes:
        files |= {name: b"".join(part) for name, part in cut(hashes, level)}
        full = len(hashes) // TILE * TILE
        hashes = [root(hashes[at : at + TILE]) for at in range(0, full, TILE)]
        level += 1
    return files


def proof_files(signer: Signer, entries: Sequence[bytes], *indices: int) -> dict[str, bytes]:
    leaves = [leaf(entry) for entry in entries]
    files = {}
    for index in indices:
        files[f"proofs/{index}.tlog-proof"] = signer.proof(index, leaves).encode()
        files[f"proofs/{index}.entry"] = entries[index]
    return files


def export_files(signer: Signer, entries: Sequence[bytes]) -> dict[str, bytes]:
    """All entries, all tiles, and the checkpoint over them."""
    note = signer.checkpoint([leaf(entry) for entry in entries])
    return tree_files(entries) | {"checkpoint": note.encode()}


def rich_export(signer: Signer) -> dict[str, bytes]:
    """Five entries with a sealed body, a disclosed key and two proofs."""
    sealed, key = b"\x07sealed bytes\xff" * 9, bytes(range(32))
    entries = exchanges(5)
    entries[1] = head(
        1,
        "exchange.finished",
        "x_000000",
        body=hashlib.sha256(sealed).hexdigest(),
        key="k_1",
        commit=hashlib.sha256(b"hegui/key-commitment/v1\0" + key).hexdigest(),
    )
    extras = {"bodies/1.sealed": sealed, "bodies/1.key": b64(key).encode()}
    return export_files(signer, entries) | proof_files(signer, entries, 1, 4) | extras


def write(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return folder
