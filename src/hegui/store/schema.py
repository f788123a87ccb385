"""Bring both databases to the schema of this version (Alembic), or say what is missing."""

from pathlib import Path
from typing import Final, Literal

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, insert, select

from hegui.store.engine import Database
from hegui.store.tables import STORE, VAULT, ledger_head

Name = Literal["store", "vault"]

_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_METADATA: Final[dict[Name, MetaData]] = {"store": STORE, "vault": VAULT}


def alembic_config(name: Name, connection: Connection | None = None) -> Config:
    """The Alembic configuration of one of the two databases."""
    config = Config(attributes={"connection": connection, "metadata": _METADATA[name]})
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("version_locations", str(_MIGRATIONS / name / "versions"))
    config.set_main_option("path_separator", "os")
    return config


def upgrade(database: Database, name: Name) -> None:
    """Run the migrations that are missing; a new store gets the head of an empty ledger."""
    with database.maintain() as connection:
        command.upgrade(alembic_config(name, connection), "heads")
        if name == "store" and connection.execute(select(ledger_head)).first() is None:
            empty = {"id": 1, "size": 0, "edge": b"", "erasures": 0}
            connection.execute(insert(ledger_head), empty)


def is_current(database: Database, name: Name) -> bool:
    """Whether the database has the schema of this version."""
    with database.maintain() as connection:
        have = MigrationContext.configure(connection).get_current_heads()
    return set(have) == set(ScriptDirectory.from_config(alembic_config(name)).get_heads())
