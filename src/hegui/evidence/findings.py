"""What a verification found: each finding names table and row, and says what differs."""

from typing import Final

import msgspec

from hegui.language import N_, Problem, say

_KEPT: Final = 200  # findings kept one by one; the rest is counted

# The codes are stable: other programs may act on them.
MESSAGES: Final = {
    "gap": N_("Entry {seq} is missing. What follows it cannot be held against the tree."),
    "beyond": N_("This row stands outside the {size} entries that the ledger has."),
    "tree": N_(
        "The bytes of these entries, or the tree nodes beside the last of them, were changed."
    ),
    "head-form": N_("The head of the entry cannot be read."),
    "edge": N_("The entries do not lead to the tree's edge that is stored: one of both was changed."),
    "erasure-count": N_("The head row counts {stored} erasures, the entries hold {found}."),
    "checkpoint-unsigned": N_("Nothing can be held against this note. {reason}"),
    "checkpoint-size": N_("The row is filed under another size than its note's, {size}."),
    "shortened": N_(
        "The checkpoint covers {size} entries, the ledger holds only {have}: the ledger was "
        "shortened, or this store is an older backup."
    ),
    "rewritten": N_(
        "The first {size} entries do not lead to the root of this checkpoint: the ledger was "
        "changed after it was signed."
    ),
    "unreadable": N_("The database cannot read this table: {reason}"),
    "row-changed": N_("{column} is {found}, but entry {seq} says {said}."),
    "row-extra": N_("No entry of the ledger says that this row exists."),
    "row-missing": N_("Entry {seq} says that there is a row in this table, but there is none."),
    "body-changed": N_("The sealed body is not the one that entry {seq} recorded."),
    "body-extra": N_("Entry {seq} recorded no such body."),
    "body-missing": N_("The sealed body of entry {seq} is gone although its key was not destroyed."),
    "body-unreadable": N_("The body of entry {seq} cannot be opened: {reason}"),
    "body-forged": N_("The body of entry {seq} was not sealed with the key that the entry names."),
    "key-changed": N_("This is not the key to which entry {seq} is bound."),
    "period-unlisted": N_("This table of bodies is not listed in the table periods."),
    "period-differs": N_("The row names another retention class or month than its table."),
    "period-lost": N_("This table of bodies is gone, and no entry says that it was dropped."),
    "text-changed": N_("The text is not the one that its version (SHA-256) names."),
    "text-missing": N_("A text of this version was put on record, but it is gone."),
    "key-lost": N_(
        "The ledger uses this key, but the vault has neither the key nor a tombstone: restore a "
        "newer backup of the vault."
    ),
    "key-alive": N_(
        "The ledger says that this was erased, but the vault has not carried it out (an older "
        "backup of the vault?): run `hegui tick`."
    ),
    "erasure-untold": N_(
        "This was erased, but the ledger does not say so: the store is older than the vault (a "
        "backup was restored). Run `hegui tick`: it records the erasure again."
    ),
}  # fmt: skip


class Finding(msgspec.Struct, frozen=True):
    """One difference. `row` is the row's key as it stands in `table`."""

    code: str
    table: str
    row: str
    values: dict[str, object]

    def say(self, language: str = "en") -> str:
        values = {
            name: value.say(language) if isinstance(value, Problem) else value
            for name, value in self.values.items()
        }
        return f"{self.table} {self.row}: {say(language, MESSAGES[self.code], **values)}"


class Report(msgspec.Struct):
    """What was checked, and what was found."""

    size: int = 0
    root: bytes = b""
    bodies: int = 0
    rows: int = 0
    keys: int = 0
    checkpoints: int = 0
    unsealed: int = 0
    found: int = 0
    findings: list[Finding] = msgspec.field(default_factory=list)

    @property
    def verified(self) -> bool:
        return not self.found

    def add(self, code: str, table: str, row: object, **values: object) -> None:
        self.found += 1
        if len(self.findings) < _KEPT:
            self.findings.append(Finding(code, str(table), str(row), values))
