"""The archive: store, vault, keys and the one writer, opened together from the settings."""

from datetime import UTC, datetime
from functools import cached_property
from secrets import token_hex

from hegui.evidence.ledger import Ledger
from hegui.evidence.master import MasterKeys, make_master_key
from hegui.evidence.notes import Signer, make_signing_key
from hegui.evidence.outbox import Outbox
from hegui.evidence.vault import Vault
from hegui.language import Problem
from hegui.settings import Settings
from hegui.store.engine import Database
from hegui.store.periods import make_periods
from hegui.store.schema import is_current, upgrade
from hegui.store.writer import Writer


class Archive:
    """What a process needs to read and write evidence. Nothing is opened before it is used."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.process = f"i{token_hex(8)}"  # the name of this process, if it becomes an instance
        wait = settings.store.wait_seconds
        self.store = Database(settings.store.url, wait_seconds=wait)
        self.vault_database = Database(settings.store.vault_url, shred=True, wait_seconds=wait)

    @cached_property
    def vault(self) -> Vault:
        return Vault(self.vault_database, MasterKeys(self.settings.evidence.master_key))

    @cached_property
    def signer(self) -> Signer:
        return Signer(self.settings.evidence.origin, self.settings.evidence.signing_key)

    @cached_property
    def writer(self) -> Writer:
        """The one writer of this process; its thread starts when it is first asked for."""
        wait = self.settings.store.wait_seconds
        return Writer(self.store.engine("writer"), Ledger(self.vault), self.outbox, wait)

    @cached_property
    def outbox(self) -> Outbox:
        """Where this process keeps finished exchanges while the store is away."""
        store = self.settings.store
        return Outbox(store.outbox / f"{self.process}.outbox", store.outbox_bytes, self.vault)

    def prepare(self) -> None:
        """Make what is missing: keys (never over existing ones), schema, period tables."""
        make_master_key(self.settings.evidence.master_key)
        make_signing_key(self.settings.evidence.signing_key)
        upgrade(self.store, "store")
        upgrade(self.vault_database, "vault")
        make_periods(self.store, datetime.now(UTC).date())

    def require_current(self) -> None:
        """Refuse to run on a schema of another version.

        Raises:
            Problem: `schema`.
        """
        if is_current(self.store, "store") and is_current(self.vault_database, "vault"):
            return
        raise Problem(
            "schema", "The databases are not of this version: run `hegui db upgrade` first."
        )

    def close(self) -> None:
        """Commit what waits and let go of everything."""
        if "writer" in self.__dict__:
            self.writer.close()
            self.outbox.close()
        self.store.close()
        self.vault_database.close()
