"""Events that start clocks, what was done about them, and the reminders that were raised."""

import sqlalchemy as sa
from alembic import op

revision = "store_0003"
down_revision = "store_0002"


def upgrade() -> None:
    op.create_table(
        "occurrences",
        sa.Column("occurrence", sa.String(length=24), nullable=False),
        sa.Column("anchor", sa.String(length=40), nullable=False),
        sa.Column("happened", sa.String(length=32), nullable=False),
        sa.Column("obligation", sa.String(length=24), nullable=False),
        sa.Column("note", sa.String(length=200), nullable=False),
        sa.Column("staff", sa.String(length=80), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("occurrence"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "completions",
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("due", sa.String(length=32), nullable=False),
        sa.Column("happened", sa.String(length=32), nullable=False),
        sa.Column("reference", sa.String(length=200), nullable=False),
        sa.Column("staff", sa.String(length=80), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("subject"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "reminders",
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("due", sa.String(length=32), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("subject", "due", "days"),
        sqlite_with_rowid=False,
    )
