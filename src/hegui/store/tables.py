"""The tables, once, for both databases. Columns hold plain scalars so that rows can be re-derived.

Every table in `RECORDS` is a projection of the ledger: a row holds exactly the `facts`, time and
key id of the entry numbered `seq`, is inserted in the entry's own transaction and never updated.
`evidence.verify` re-derives each row and names the one that differs.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)

STORE = MetaData()
VAULT = MetaData()

# SQLite stores rows in the order of a key only if its type is spelled INTEGER (which holds 64 bits).
_SEQ = BigInteger().with_variant(Integer, "sqlite")

# --- the ledger ---------------------------------------------------------------------------------

ledger_head = Table(
    "ledger_head",
    STORE,
    Column("id", SmallInteger, primary_key=True),
    Column("size", BigInteger, nullable=False),
    # The roots of the complete subtrees, largest first, 32 bytes each: all that an append needs.
    Column("edge", LargeBinary, nullable=False),
    # Counts erasures, so that every process drops its cached keys before it seals again.
    Column("erasures", BigInteger, nullable=False),
)

entries = Table(
    "entries",
    STORE,
    Column("seq", _SEQ, primary_key=True, autoincrement=False),
    Column("head", LargeBinary, nullable=False),  # the exact bytes that were hashed
    # The roots of the subtrees that this leaf completes, lowest first, 32 bytes each. Kept beside
    # the leaf, the tree costs no row of its own and is only ever written at its end.
    Column("nodes", LargeBinary, nullable=False),
)

checkpoints = Table(
    "checkpoints",
    STORE,
    Column("size", _SEQ, primary_key=True, autoincrement=False),
    Column("at", String(27), nullable=False),
    Column("note", Text, nullable=False),
)

# --- sealed bodies, a table a retention class and month, made and dropped by `hegui tick` ---------

periods = Table(
    "periods",
    STORE,
    Column("name", String(48), primary_key=True),
    Column("retention", String(24), nullable=False),
    Column("period", String(6), nullable=False),
)


def body_table_name(retention: str, period: str) -> str:
    """The table that holds the sealed bodies of one retention class in one month (YYYYMM)."""
    return f"body_{retention}_{period}"


def body_table(name: str) -> Table:
    """Describe a period table (in a MetaData of its own: it is not part of the fixed schema)."""
    return Table(
        name,
        MetaData(),
        Column("seq", _SEQ, primary_key=True, autoincrement=False),
        Column("sealed", LargeBinary, nullable=False),
    )


# --- records: projections of the ledger -----------------------------------------------------------


def _record(name: str, *columns: Column[Any], many: bool = False) -> Table:
    """A table of records; with `many`, several entries may be about what the first column names."""
    return Table(
        name,
        STORE,
        *columns,
        Column("seq", BigInteger, primary_key=many, nullable=False),
        Column("at", String(27), nullable=False),
        Column("key_id", String(32), nullable=False),
        sqlite_with_rowid=False,
    )


exchanges = _record(
    "exchanges",
    Column("exchange", String(32), primary_key=True),
    Column("api_key", String(24), nullable=False),
    Column("route", String(40), nullable=False),
    Column("model", String(120), nullable=False),
    Column("stream", Boolean, nullable=False),
    Column("instance", String(24), nullable=False),
)
# No index by key: it would double the pages that a commit writes. What belongs to a person is found
# by a scan of the months for which the person has keys; a conversation by `turns`.

outcomes = _record(
    "outcomes",
    Column("exchange", String(32), primary_key=True),
    Column("state", String(12), nullable=False),  # finished | withheld | refused | interrupted
    Column("control", String(40), nullable=False),
    Column("category", String(8), nullable=False),
    Column("reason", String(60), nullable=False),
    Column("label", String(64), nullable=False),  # version of the label text that was shown
    Column("lexicon", String(64), nullable=False),  # version of the lexicon that decided
)

agreements = _record(
    "agreements",
    Column("version", String(64), primary_key=True),
)
agreement_texts = Table(
    "agreement_texts",
    STORE,
    Column("version", String(64), primary_key=True),  # SHA-256 of `body`: found if it is changed
    Column("body", LargeBinary, nullable=False),
)
acceptances = _record(
    "acceptances",
    Column("account", String(32), primary_key=True),  # the key id of the person's account
    Column("version", String(64), primary_key=True),
    Column("by", String(24), nullable=False),  # page | api | operator
)

policies = _record(
    "policies",
    Column("version", String(64), primary_key=True),
    # SHA-256 of its rules without hot terms: what was tried in shadow counts for both.
    Column("core", String(64), nullable=False),
    Column("author", String(24), nullable=False),
)
policy_texts = Table(
    "policy_texts",
    STORE,
    Column("version", String(64), primary_key=True),  # SHA-256 of `body`: found if it is changed
    Column("body", LargeBinary, nullable=False),
)
# Numbered, so of two who stage at the same moment one fails; the last number is the version mark.
policy_stages = _record(
    "policy_stages",
    Column("step", Integer, primary_key=True),  # 1, 2, 3 …
    Column("version", String(64), nullable=False),
    Column("stage", String(8), nullable=False),  # shadow | live | retired
    Column("author", String(24), nullable=False),
    Column("reason", String(200), nullable=False),  # why it went live without having been in shadow
)

api_keys = _record(
    "api_keys",
    Column("api_key", String(24), primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),  # SHA-256 of the secret
    Column("account", String(32), nullable=False),
    Column("asserts", String(8), nullable=False),  # may it name users? no | header | token
    Column("public_key", String(64), nullable=False),  # Ed25519, base64; "" unless token
)
revocations = _record("revocations", Column("api_key", String(24), primary_key=True))

cases = _record(
    "cases",
    Column("receipt", String(24), primary_key=True),
    Column("kind", String(24), nullable=False),
    Column("exchange", String(32), nullable=False),
    Column("reason", String(24), nullable=False),
    Column("due", String(10), nullable=False),  # the date that the receipt promised, in Beijing
)
# How a case went on. Its number is part of the key, so of two who take the same step one fails.
case_steps = _record(
    "case_steps",
    Column("receipt", String(24), primary_key=True),
    Column("step", Integer, primary_key=True),  # 1, 2, 3 …
    Column("state", String(12), nullable=False),  # working | answered | closed
    Column("staff", String(24), nullable=False),
)

# An event that starts clocks: the start of the service, an incident found, an order received …
occurrences = _record(
    "occurrences",
    Column("occurrence", String(24), primary_key=True),
    Column("anchor", String(40), nullable=False),
    Column("happened", String(32), nullable=False),  # a day in Beijing, or a moment with its offset
    Column("obligation", String(24), nullable=False),  # whose clock alone it starts; "" for all
    Column("note", String(200), nullable=False),
    Column("staff", String(80), nullable=False),
)
# What was due is done: the duty with what its clock ran from, as `cases.due` names it.
completions = _record(
    "completions",
    Column("subject", String(80), primary_key=True),
    Column("due", String(32), nullable=False),  # as it stood then; "" where the law has no figure
    Column("happened", String(32), nullable=False),
    Column("reference", String(200), nullable=False),  # where the proof lies
    Column("staff", String(80), nullable=False),
)
# A reminder that was raised, so that each is raised once.
reminders = _record(
    "reminders",
    Column("subject", String(80), primary_key=True),
    Column("due", String(32), primary_key=True),
    Column("days", Integer, primary_key=True),  # ahead of `due`, as set; -1: it is overdue
)

# Who opened sealed content, and why.
openings = _record(
    "openings",
    Column("subject", String(32), primary_key=True),  # an exchange, or the receipt of a case
    Column("staff", String(24), nullable=False),
    Column("reason", String(200), nullable=False),
    many=True,
)

erasures = _record(
    "erasures",
    Column("erasure", String(32), primary_key=True),  # the first of the ids in the entry's facts
    Column("count", Integer, nullable=False),  # how many ids the entry names
    Column("reason", String(24), nullable=False),
    Column("approver", String(24), nullable=False),
)

staff = _record(
    "staff",
    Column("staff", String(24), primary_key=True),
    Column("role", String(24), nullable=False),
)

# What was answered about the service, and by which tables it was decided. Numbered like the stages
# of a policy: of two who answer at the same moment one fails.
scopings = _record(
    "scopings",
    Column("step", Integer, primary_key=True),  # 1, 2, 3 …
    Column("version", String(64), nullable=False),  # SHA-256 of the tables that decided
    Column("answers", Text, nullable=False),  # canonical JSON
    Column("staff", String(80), nullable=False),  # who answered, or "counter"
)

instances = _record(
    "instances",
    Column("instance", String(24), primary_key=True),
    Column("host", String(120), nullable=False),
)
closings = _record("closings", Column("instance", String(24), primary_key=True))

# What people hand in as evidence: the file's digest stays, the file with whoever signed it.
signed = _record(
    "signed",
    Column("proof", String(24), primary_key=True),
    Column("kind", String(40), nullable=False),  # of the vocabulary `human`
    Column("about", String(400), nullable=False),  # ids of obligations, with spaces between
    Column("name", String(200), nullable=False),  # of the file
    Column("sha256", String(64), nullable=False),
    Column("signer", String(80), nullable=False),  # who answers for what it says
    Column("owner", String(80), nullable=False),  # who sees to the next one
    Column("valid_from", String(10), nullable=False),
    Column("valid_until", String(10), nullable=False),  # the last day
    Column("note", String(400), nullable=False),
    Column("staff", String(24), nullable=False),  # who handed it in
)
signed_ends = _record(
    "signed_ends",
    Column("proof", String(24), primary_key=True),
    Column("reason", String(400), nullable=False),
    Column("staff", String(24), nullable=False),
)
# What a named person found about a row that was not read or whose reading is open.
reviews = _record(
    "reviews",
    Column("obligation", String(24), primary_key=True),
    Column("step", Integer, primary_key=True),  # 1, 2, 3 …; the last one counts
    Column("reviewer", String(80), nullable=False),
    Column("capacity", String(12), nullable=False),  # counsel | internal
    Column("finding", String(1000), nullable=False),
    Column("valid_until", String(10), nullable=False),
    Column("staff", String(24), nullable=False),
)
owners = _record(
    "owners",
    Column("obligation", String(24), primary_key=True),
    Column("step", Integer, primary_key=True),  # 1, 2, 3 …; the last one counts
    Column("owner", String(80), nullable=False),
    Column("staff", String(24), nullable=False),
)
# Each time what a check found about its whole population became another.
check_changes = _record(
    "check_changes",
    Column("name", String(40), primary_key=True),
    Column("outcome", String(8), nullable=False),  # good | bad | empty
    Column("population", BigInteger, nullable=False),
    Column("good", BigInteger, nullable=False),
    Column(
        "missing", Text, nullable=False
    ),  # the first subjects that were not, with spaces between
    many=True,
)

# The counts of the checks, a row a day, kept by the writer; derived from the entries alone, so
# `hegui status --recount` can hold them against the ledger.
check_days = Table(
    "check_days",
    STORE,
    Column("name", String(40), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("population", BigInteger, nullable=False),
    Column("good", BigInteger, nullable=False),
    Column("missing", Text, nullable=False),
)
check_cursors = Table(
    "check_cursors",
    STORE,
    Column("name", String(40), primary_key=True),
    Column("seq", BigInteger, nullable=False),  # the first entry that was not looked at
    Column("pending", Text, nullable=False),  # JSON: what has begun, and when it must have ended
    Column("at", String(27), nullable=False),
)

RECORDS = (
    exchanges,
    outcomes,
    agreements,
    acceptances,
    policies,
    policy_stages,
    api_keys,
    revocations,
    cases,
    case_steps,
    occurrences,
    completions,
    reminders,
    openings,
    erasures,
    staff,
    instances,
    closings,
    signed,
    signed_ends,
    reviews,
    owners,
    check_changes,
    scopings,
)

# --- the vault: what can die ----------------------------------------------------------------------

persons = Table(
    "persons",
    VAULT,
    Column("person", String(32), primary_key=True),
    Column("issuer", String(40), nullable=False),  # which identity adapter or API key vouches
    Column("subject", String(200), nullable=False),  # the person's name at that issuer
    Column("created", String(27), nullable=False),
    UniqueConstraint("issuer", "subject"),
)

keys = Table(
    "keys",
    VAULT,
    Column("key_id", String(32), primary_key=True),
    Column("person", String(32), nullable=False, index=True),
    Column("retention", String(24), nullable=False),
    Column("period", String(6), nullable=False),
    Column("master", String(16), nullable=False),  # which master key wraps it
    Column("wrapped", LargeBinary, nullable=False),
    UniqueConstraint("person", "retention", "period"),
)

# A destroyed key leaves its number and the reason, never the person or the key. An erased person
# leaves a mark of the same form, from which nothing about the person can be learnt.
tombstones = Table(
    "tombstones",
    VAULT,
    Column("key_id", String(32), primary_key=True),
    Column("at", String(27), nullable=False),
    Column("reason", String(24), nullable=False),
)

sessions = Table(
    "sessions",
    VAULT,
    Column("digest", String(64), primary_key=True),  # SHA-256 of the cookie
    Column("kind", String(8), nullable=False),  # person | staff | link
    Column("holder", String(32), nullable=False),
    Column("expires", Integer, nullable=False),  # Unix seconds
)
