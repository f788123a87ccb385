"""What was answered about the service, so that its duties can be told."""

import sqlalchemy as sa
from alembic import op

revision = "store_0002"
down_revision = "store_0001"


def upgrade() -> None:
    op.create_table(
        "scopings",
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("answers", sa.Text(), nullable=False),
        sa.Column("staff", sa.String(length=80), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("step"),
        sqlite_with_rowid=False,
    )
