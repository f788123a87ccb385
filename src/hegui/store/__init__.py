"""The store: engines, the one writer, read sessions, tables, migrations, backup.

Two databases stand side by side. The *store* keeps the ledger and every record it describes, and
is never changed in place. The *vault* keeps what must be able to die: who a key belongs to, and the
key itself. They have separate backups on purpose: see docs/evidence.md.
"""
