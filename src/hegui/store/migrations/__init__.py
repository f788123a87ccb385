"""Alembic migrations, a chain for each database."""
