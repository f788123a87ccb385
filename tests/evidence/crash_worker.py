"""The processes of the crash test. They are killed at any moment, so they end in no other way."""

import os
from pathlib import Path

from archive import admitted, finished, settings_in
from hegui.evidence.archive import Archive
from hegui.evidence.checkpoints import sign


def write(folder: str, store_url: str, vault_url: str, start: int) -> None:
    """Commit exchanges for ever; say each number only after its commit."""
    archive = Archive(settings_in(Path(folder), store_url, vault_url))
    said = os.open(f"{folder}/acknowledged", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    number = start
    while True:
        archive.writer.commit_now(admitted(number, f"p{number % 7}"))
        archive.writer.commit_now(finished(number, f"p{number % 7}"))
        os.write(said, b"%032x\n" % number)
        number += 1


def sign_for_ever(folder: str, store_url: str, vault_url: str) -> None:
    archive = Archive(settings_in(Path(folder), store_url, vault_url))
    while True:
        sign(archive)
