"""The versions of the policy: drafted, tried in shadow, live, retired; each step is evidence.

A version is the SHA-256 of its bytes. Every process keeps what acts in memory and asks the store,
with one small query, whether something was staged since.
"""

from collections.abc import Callable, Sequence
from datetime import date
from hashlib import sha256
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import Connection, Row, func, insert, select
from sqlalchemy.exc import IntegrityError

from hegui.evidence.archive import Archive
from hegui.evidence.opening import check_reason
from hegui.language import Problem
from hegui.policy.body import Hot, read_body
from hegui.policy.hot import with_hot
from hegui.policy.rules import Policy, acting, beijing_today, default_policy
from hegui.store.tables import policies, policy_stages, policy_texts
from hegui.store.writer import Entry

CARRIES: Final = ("IM-4.1", "IM-14.1")
Stage = Literal["shadow", "live", "retired"]
STAGES: Final[tuple[Stage, ...]] = ("shadow", "live", "retired")
_SHORTEST: Final = 6  # digits that may stand for a version
_LONGEST_AUTHOR: Final = 24  # characters: the width of the column


class Version(msgspec.Struct, frozen=True):
    """A version and how it stands: draft, shadow, live, replaced (by another) or retired.

    `since` is the time of its last stage, `reason` why it went live without shadow ("" mostly).
    """

    version: str
    core: str
    author: str
    at: str
    stage: str
    since: str
    reason: str


class Snapshot(msgspec.Struct, frozen=True):
    """What acts, as of a step of the store and a day in Beijing (hot terms end with a day)."""

    mark: int
    day: date
    live: Policy
    shadow: Policy | None


class Policies:
    """The versions in the store, and what acts now, in memory."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._snapshot: Snapshot | None = None

    # -- what acts ---------------------------------------------------------------------------------

    def live(self) -> Policy:
        """The policy that decides; the default one until the operator's own is live."""
        return self.now().live

    def shadow(self) -> Policy | None:
        """The policy that is tried beside the live one and decides nothing; None mostly."""
        return self.now().shadow

    def version_mark(self) -> int:
        """Grows with every stage of any version: one small query."""
        with self._archive.store.read() as connection:
            return connection.execute(select(func.max(policy_stages.c.step))).scalar() or 0

    def refresh(self) -> bool:
        """Read again what acts, if a version was staged or a day began; whether that was so.

        What acted goes on acting when this raises.

        Raises:
            Problem: `policy.changed-text` when a text is not the one its version names.
        """
        mark, day, before = self.version_mark(), beijing_today(), self._snapshot
        if before and (before.mark, before.day) == (mark, day):
            return False
        live, shadow = _standing(self._steps())
        self._snapshot = Snapshot(
            mark,
            day,
            self._load(live, day) if live else default_policy(),
            self._load(shadow, day) if shadow else None,
        )
        return True

    def now(self) -> Snapshot:
        """What acts; another object as soon as anything else acts."""
        if self._snapshot is None:
            self.refresh()
        assert self._snapshot is not None  # noqa: S101 (`refresh` has just set it)
        return self._snapshot

    def _load(self, version: str, day: date) -> Policy:
        return Policy(self.read(version), day, version[:12])

    # -- reading -----------------------------------------------------------------------------------

    def list(self) -> list[Version]:
        """Every version, the oldest draft first."""
        steps = self._steps()
        standing = dict(zip(_standing(steps), ("live", "shadow"), strict=True))
        last = {row.version: row for row in steps}
        with self._archive.store.read() as connection:
            rows = connection.execute(select(policies).order_by(policies.c.seq)).all()
        return [_version(row, last.get(row.version), standing) for row in rows]

    def find(self, start: str) -> str:
        """The version that begins with `start` (6 digits or more).

        Raises:
            Problem: `policy.unknown` when there is none, or more than one.
        """
        query = select(policies.c.version).where(
            policies.c.version.startswith(start, autoescape=True)
        )
        with self._archive.store.read() as connection:
            found: Sequence[str] = connection.execute(query.limit(2)).scalars().all()
        if len(start) < _SHORTEST or len(found) != 1:
            raise Problem(
                "policy.unknown",
                "No single policy version begins with {version}: `hegui policy list` shows them; give "
                "{least} digits or more.",
                version=start or "“”",
                least=_SHORTEST,
            )
        return found[0]

    def read(self, version: str) -> bytes:
        """The bytes of a version.

        Raises:
            Problem: `policy.unknown`, `policy.changed-text`.
        """
        if version == default_policy().version:
            return default_policy().data
        query = select(policy_texts.c.body).where(policy_texts.c.version == self.find(version))
        with self._archive.store.read() as connection:
            body = bytes(connection.execute(query).scalar() or b"")
        if sha256(body).hexdigest() != version:
            raise Problem(
                "policy.changed-text",
                "The text of policy {version} is not the one that was put on record: run `hegui "
                "ledger verify`, and compare it with a backup.",
                version=version[:12],
            )
        return body

    def _steps(self) -> Sequence[Row[Any]]:
        query = select(policy_stages, policies.c.core).join(
            policies, policies.c.version == policy_stages.c.version
        )
        with self._archive.store.read() as connection:
            return connection.execute(query.order_by(policy_stages.c.step)).all()

    # -- writing -----------------------------------------------------------------------------------

    def draft(self, body: bytes, author: str, name: str = "policy") -> str:
        """Put a body on record and return its version; the same bytes again change nothing.

        `author` is a staff id of at most 24 characters, or "operator"; `name` is how a `Problem`
        about the body calls it.

        Raises:
            Problem: `policy.author`, and what `read_body` raises.
        """
        _check_author(author)
        version = sha256(body).hexdigest()
        core = read_body(body, name).core
        facts = {"version": version, "core": core, "author": author}
        entry = Entry("policy.drafted", CARRIES, version[:16], facts, policies)

        def store_text(connection: Connection) -> None:
            connection.execute(insert(policy_texts), {"version": version, "body": body})

        if not any(each.version == version for each in self.list()):
            self._commit(entry, store_text)
        return version

    def stage(self, version: str, stage: Stage, author: str, *, urgent: str = "") -> str:
        """Put a version into shadow, put it live, or retire it; returns the version that now stands so.

        Only rules that were in shadow or live before may go live, unless `urgent` gives a reason,
        which is evidence. Hot terms that act now are carried over into a version that goes live
        without them, which makes it another version with the same rules.

        Raises:
            Problem: `policy.untried`, `policy.stage`, `policy.hot-acting`, `policy.stale`.
        """
        version = self.draft(self.read(version), author)  # the shipped one may not be on record yet
        steps = self._steps()
        after = steps[-1].step if steps else 0
        live, shadow = _standing(steps)
        reason = ""
        if stage == "live":
            reason = self._check_tried(version, steps, urgent)
            version = self._with_acting_hot(version, author)
        elif stage == "retired" and version == live:
            self._check_no_hot()
        if version == {"live": live, "shadow": shadow, "retired": ""}[stage]:
            return version  # it stands so already
        if version not in {live, shadow} if stage == "retired" else version == live:
            raise _no_stage()
        self._step(after, version, stage, author, reason)
        return version

    def add_hot(self, hot: Hot, author: str) -> str:
        """Let a term act at once, in place of the same term if there is one; the version now live."""
        now = self._fresh()
        others = [each for each in now.live.acting if each.folded != hot.folded]
        return self._put_hot(now, [*others, hot], author)

    def remove_hot(self, term: str, author: str) -> str:
        """End a hot term; the version now live.

        Raises:
            Problem: `policy.no-hot`.
        """
        now = self._fresh()
        others = [each for each in now.live.acting if term not in {each.term, each.folded}]
        if len(others) == len(now.live.acting):
            raise Problem(
                "policy.no-hot",
                "“{term}” is no hot term that acts now: `hegui policy hot list` shows them.",
                term=term,
            )
        return self._put_hot(now, others, author)

    def _put_hot(self, now: Snapshot, hot: Sequence[Hot], author: str) -> str:
        version = self.draft(with_hot(now.live.data, hot), author)
        self._step(now.mark, version, "live", author)
        return version

    def _fresh(self) -> Snapshot:
        self.refresh()
        return self.now()

    def _check_tried(self, version: str, steps: Sequence[Row[Any]], urgent: str) -> str:
        """The reason to go live that goes on record: none for rules that were tried before."""
        core = read_body(self.read(version)).core
        tried = {row.core for row in steps if row.stage != "retired"} | {default_policy().body.core}
        if core in tried:
            return ""
        if not urgent:
            raise Problem(
                "policy.untried",
                "These rules were never in shadow: run `hegui policy stage {version} shadow`, watch "
                "what they would do, then put them live. When it cannot wait: --urgent REASON.",
                version=version[:12],
            )
        check_reason(urgent)
        return urgent.strip()

    def _with_acting_hot(self, version: str, author: str) -> str:
        """The version, or where it lacks hot terms that act now, the same rules with them."""
        data, now = self.read(version), self._fresh()
        own = read_body(data).hot
        known = {each.folded for each in acting(own, now.day)}
        missing = [each for each in now.live.acting if each.folded not in known]
        if not missing:
            return version
        added = {each.folded for each in missing}
        kept = [each for each in own if each.folded not in added]
        return self.draft(with_hot(data, [*kept, *missing]), author)

    def _check_no_hot(self) -> None:
        if terms := [each.term for each in self._fresh().live.acting]:
            raise Problem(
                "policy.hot-acting",
                "Hot terms of this version act now ({terms}) and would end with it: end them first "
                "(`hegui policy hot remove`), or put another version live, which keeps them.",
                terms=", ".join(terms),
            )

    def _step(self, after: int, version: str, stage: Stage, author: str, reason: str = "") -> None:
        """Stage as the step that follows `after`: whoever decided on an older state fails."""
        facts = {"step": after + 1, "version": version, "stage": stage}
        facts |= {"author": author, "reason": reason}
        self._commit(Entry("policy.staged", CARRIES, version[:16], facts, policy_stages))
        self.refresh()

    def _commit(self, entry: Entry, check: Callable[[Connection], object] | None = None) -> None:
        try:
            self._archive.writer.commit_now(entry, check=check)
        except IntegrityError as error:
            raise Problem(
                "policy.stale",
                "Somebody else changed the policies at the same moment: look at `hegui policy list` "
                "and try again.",
            ) from error


def _standing(steps: Sequence[Row[Any]]) -> tuple[str, str]:
    """The versions live and in shadow after these steps; "" for none."""
    live = shadow = shadow_core = ""
    for row in steps:
        if row.stage == "shadow":
            shadow, shadow_core = row.version, row.core
        elif row.stage == "live":
            live = row.version
            if row.core == shadow_core:  # it has arrived, perhaps with hot terms added
                shadow = shadow_core = ""
        elif row.version == live:
            live = ""
        else:
            shadow = shadow_core = ""
    return live, shadow


def _version(row: Row[Any], last: Row[Any] | None, standing: dict[str, str]) -> Version:
    stage = standing.get(row.version) or ("draft" if last is None else "replaced")
    if last is not None and last.stage == "retired":
        stage = "retired"
    since, reason = (last.at, last.reason) if last is not None else (row.at, "")
    return Version(row.version, row.core, row.author, row.at, stage, since, reason)


def _check_author(author: str) -> None:
    if not 0 < len(author) <= _LONGEST_AUTHOR or not author.isprintable():
        raise Problem(
            "policy.author",
            "The author must be 1 to {longest} printable characters: a staff id, not a name, since "
            "the ledger keeps it for ever.",
            longest=_LONGEST_AUTHOR,
        )


def _no_stage() -> Problem:
    return Problem(
        "policy.stage",
        "This version cannot be staged so: a draft goes to shadow and then live; only what is in "
        "shadow or live can be retired. `hegui policy list` shows how each stands.",
    )
