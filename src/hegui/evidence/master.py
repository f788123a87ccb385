"""The master key: what wraps every data key of the vault.

It lives in one file of mode 0600 outside both databases (or in a secret store that mounts such a
file), held by the operator. Whoever has the vault and this file can read what was sealed; whoever
has lost it cannot, and nobody can help: see docs/evidence.md for custody, rotation and loss.

The file has a line for each key, newest first: `id base64`. The first wraps; the rest only unwrap
until rotation has re-wrapped everything.
"""

import base64
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_bytes, token_hex
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hegui.language import Problem

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_HEADING: Final = (
    "# hegui master keys, newest first. Secret. Keep a copy apart from every backup.\n"
)


class MasterKeys:
    """The master keys of one file, read again whenever the file has changed.

    Only whoever holds the vault's write lock may wrap: rotation takes the same lock, so no process
    wraps under a key that another has just retired.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._keys: dict[str, AESGCM] = {}
        self._lines: list[str] = []
        self._stamp: tuple[int, int] = (0, 0)
        self._load()

    @property
    def current(self) -> str:
        """The id of the key that wraps, as the file says now."""
        if _stamp(self.path) != self._stamp:
            self._load()
        return next(iter(self._keys))

    @property
    def ids(self) -> list[str]:
        """The ids of all keys in the file, newest first."""
        self._load()
        return list(self._keys)

    def wrap(self, key_id: str, data_key: bytes) -> tuple[str, bytes]:
        """Encrypt a data key under the current master key, bound to its id: (master, wrapped)."""
        master, nonce = self.current, token_bytes(_NONCE_BYTES)
        return master, nonce + self._keys[master].encrypt(nonce, data_key, key_id.encode())

    def unwrap(self, master: str, key_id: str, wrapped: bytes) -> bytes:
        """Decrypt a data key.

        Raises:
            Problem: `master_key_unknown` or `master_key_wrong`.
        """
        if master not in self._keys:
            self._load()  # another process may have rotated
        if master not in self._keys:
            raise Problem(
                "master_key_unknown",
                "Key {key_id} is wrapped by master key {master}, which {path} does not hold: "
                "put the file back from its safe copy.",
                key_id=key_id,
                master=master,
                path=self.path,
            )
        try:
            sealed = wrapped[_NONCE_BYTES:]
            return self._keys[master].decrypt(wrapped[:_NONCE_BYTES], sealed, key_id.encode())
        except (InvalidTag, ValueError) as error:
            raise Problem(
                "master_key_wrong",
                "Key {key_id} does not open with master key {master}: the vault row was changed, "
                "or {path} holds another key under that name.",
                key_id=key_id,
                master=master,
                path=self.path,
            ) from error

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from changing the file meanwhile."""
        lock = self.path.with_name(f".{self.path.name}.lock")
        with os.fdopen(os.open(lock, os.O_RDWR | os.O_CREAT, 0o600), "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self._load()
            yield

    def add(self) -> str:
        """Make a new master key, first in the file, and return its id. Only `alone`."""
        _write(self.path, [_new_line(), *self._lines])
        self._load()
        return self.current

    def retire_old(self) -> None:
        """Keep only the current key, when nothing is wrapped by the others. Only `alone`."""
        _write(self.path, self._lines[:1])
        self._load()

    def _load(self) -> None:
        self._stamp = _stamp(self.path)
        try:
            text = self.path.read_text("ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise Problem(
                "master_key_missing",
                "The master key file {path} cannot be read: put it back from its safe copy "
                "(a new one made by `hegui init` cannot open what the old one sealed).",
                path=self.path,
            ) from error
        self._lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        try:
            pairs = [line.split() for line in self._lines]
            self._keys = {name: AESGCM(base64.b64decode(key, validate=True)) for name, key in pairs}
        except ValueError as error:
            raise _malformed(self.path) from error
        if not self._keys:
            raise _malformed(self.path)


def _malformed(path: Path) -> Problem:
    return Problem(
        "master_key_malformed",
        "The master key file {path} is not in hegui's form (a line for each key: id, base64): "
        "put it back from its safe copy.",
        path=path,
    )


def _stamp(path: Path) -> tuple[int, int]:
    """Tells two versions of the file apart: each is a new file, put in place by a rename."""
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return status.st_ino, status.st_mtime_ns


def _new_line() -> str:
    return f"{token_hex(4)} {base64.b64encode(token_bytes(_KEY_BYTES)).decode()}"


def make_master_key(path: Path) -> None:
    """Make a master key file; an existing one is never touched."""
    if not path.exists():
        _write(path, [_new_line()])


def _write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    replace_secret(path, _HEADING + "\n".join(lines) + "\n")


def replace_secret(path: Path, text: str) -> None:
    """Write a secret file so that it is there whole, durable and readable by its owner only."""
    fresh = path.with_name(f".{path.name}.{token_hex(4)}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
