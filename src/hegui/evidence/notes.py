"""Signed checkpoints in the C2SP text forms (signed-note, tlog-checkpoint), Ed25519.

A checkpoint says how large the ledger was and what its root was. Kept where the operator cannot
change it, it is what makes a rewritten ledger visible.
"""

import base64
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from hegui.evidence.master import replace_secret
from hegui.language import Problem

_ED25519: Final = b"\x01"  # the signature type of the signed-note form


class Checkpoint(msgspec.Struct, frozen=True):
    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def _key_hash(name: str, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]


class Signer:
    """The ledger's signing key: the 32-byte Ed25519 seed in base64, file mode 0600."""

    def __init__(self, origin: str, path: Path) -> None:
        self.origin = origin
        try:
            seed = base64.b64decode(path.read_text("ascii").strip(), validate=True)
            self._key = Ed25519PrivateKey.from_private_bytes(seed)
        except (OSError, ValueError) as error:
            raise Problem(
                "signing_key",
                "The ledger's signing key {path} cannot be read: put it back from its safe copy. "
                "A new key starts a new ledger name.",
                path=path,
            ) from error
        self._public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def verifier_key(self) -> str:
        """The public key in the C2SP verifier-key form `name+hash+base64`, to give to others."""
        packed = base64.b64encode(_ED25519 + self._public).decode()
        return f"{self.origin}+{_key_hash(self.origin, self._public).hex()}+{packed}"

    def sign(self, size: int, root: bytes) -> str:
        """The signed note for a tree of this size and root."""
        text = Checkpoint(self.origin, size, root).text()
        signature = _key_hash(self.origin, self._public) + self._key.sign(text.encode())
        return f"{text}\n\u2014 {self.origin} {base64.b64encode(signature).decode()}\n"

    def open(self, note: str) -> Checkpoint:
        """Read a note that this key has signed.

        Raises:
            Problem: `checkpoint_form` or `checkpoint_signature`.
        """
        text, _, signatures = note.partition("\n\n")
        origin, size, root, *_ = [*text.split("\n"), "", "", ""]
        checkpoint = Checkpoint(origin, int(size) if size.isdecimal() else -1, _unbase64(root))
        if checkpoint.size < 0 or len(checkpoint.root) != 32 or origin != self.origin:
            raise Problem(
                "checkpoint_form",
                "This is not a checkpoint of the ledger {origin}: give the whole text, unchanged.",
                origin=self.origin,
            )
        if not any(self._signed(text + "\n", line) for line in signatures.splitlines()):
            raise Problem(
                "checkpoint_signature",
                "The checkpoint of size {size} does not carry this ledger's signature: it was "
                "changed, or signed with another key.",
                size=checkpoint.size,
            )
        return checkpoint

    def _signed(self, text: str, line: str) -> bool:
        name, _, packed = line.removeprefix("\u2014 ").partition(" ")
        signature = _unbase64(packed)
        if name != self.origin or signature[:4] != _key_hash(name, self._public):
            return False
        try:
            Ed25519PublicKey.from_public_bytes(self._public).verify(signature[4:], text.encode())
        except InvalidSignature:
            return False
        return True


def _unbase64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""


def make_signing_key(path: Path) -> None:
    """Make a signing key file; an existing one is never touched."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    seed = Ed25519PrivateKey.generate().private_bytes(
        Encoding.Raw, PrivateFormat.Raw, NoEncryption()
    )
    replace_secret(path, base64.b64encode(seed).decode() + "\n")
