import threading
from contextlib import suppress

import pytest
from sqlalchemy import func, insert, select

from archive import SECRET, admitted, codes, fill, finished, make_archive, nothing
from hegui.evidence.archive import Archive
from hegui.evidence.erase import Erasure, erase, reconcile, recorded_erasures
from hegui.evidence.ledger import ERASED, Ledger, now, read_head
from hegui.evidence.proofs import prove
from hegui.evidence.vault import Vault, commitment, mark_of
from hegui.evidence.verify import verify
from hegui.language import Problem
from hegui.store import backup
from hegui.store.tables import entries, keys, persons, sessions, tombstones
from hegui.store.writer import Entry


def heads(archive):
    with archive.store.read() as connection:
        rows = connection.execute(select(entries.c.head).order_by(entries.c.seq)).scalars()
        return [read_head(head) for head in rows]


def stopped(archive, monkeypatch, at: str, person: str) -> None:
    """An erasure that a crash stops at the given step of the vault or the writer."""
    with monkeypatch.context() as patch:
        target = archive.vault if at == "destroy" else archive.writer
        patch.setattr(target, at, lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            erase(archive, person, "request")


def test_an_erasure_ends_the_keys_and_is_told_in_the_ledger(archive):
    vault = archive.vault
    person = vault.add_person("demo", "Zhang San", now())
    with archive.vault_database.write() as connection:
        row = {"digest": "d", "kind": "person", "holder": person, "expires": 1}
        connection.execute(insert(sessions), row)
    archive.writer.commit_now(
        admitted(1, person),
        Entry("x", (), "x", {}, None, b"contact", person, "account"),
        admitted(2, "another"),
    )
    ids = vault.key_ids_of(person)
    assert len(ids) == 2
    done = erase(archive, person, "request", "staff-7")
    assert done == Erasure((mark_of(person), *ids), 3, done.at)
    head = heads(archive)[3]
    assert (head.kind, head.carries, head.time) == (ERASED, ("IM-11.2",), done.at)
    assert head.facts["approver"] == "staff-7"
    assert head.facts["keys"] == list(done.ids)
    assert person not in head.subject + str(head.facts)
    assert vault.key_ids_of(person) == []
    assert (vault.name_of(person), vault.person("demo", "Zhang San")) == (None, None)
    assert set(vault.buried()) == set(done.ids)
    with archive.vault_database.read() as connection:
        for table in (persons, sessions):
            assert connection.execute(select(func.count()).select_from(table)).scalar() == 0
    report = verify(archive, nothing, unseal=True)
    assert (report.unsealed, report.findings) == (1, [])
    assert prove(archive, 0)
    assert reconcile(archive) == 0


def test_nobody_is_erased_twice_and_nobody_unknown(archive):
    fill(archive, 1)
    with pytest.raises(Problem, match="holds nothing of the person") as caught:
        erase(archive, "nobody", "request")
    assert caught.value.code == "person_unknown"
    erase(archive, "p0", "request")
    with pytest.raises(Problem, match="erased before"):
        erase(archive, "p0", "request")
    assert verify(archive, nothing).findings == []
    assert len(recorded_erasures(archive)) == 2


def test_somebody_without_keys_is_erased_too(archive):
    person = archive.vault.add_person("demo", "Li Si", now())
    assert erase(archive, person, "request").ids == (mark_of(person),)
    assert archive.vault.name_of(person) is None
    assert verify(archive, nothing).findings == []


@pytest.mark.parametrize("step", ["commit_now", "destroy"])
def test_what_a_crash_stopped_is_completed(archive, monkeypatch, step):
    fill(archive, 6)
    stopped(archive, monkeypatch, step, "p1")
    assert archive.vault.key_ids_of("p1")
    found = codes(verify(archive, nothing))
    assert found == ([("erasure-untold", "tombstones")] * 2 if step == "commit_now" else
                     [("key-alive", "tombstones")])  # fmt: skip
    again = Archive(archive.settings)
    assert reconcile(again) == 2
    assert reconcile(again) == 0
    assert again.vault.key_ids_of("p1") == []
    ends = [head for head in heads(again) if head.kind == ERASED]
    assert [head.facts["reason"] for head in ends] == ["request"]
    assert verify(again, nothing, unseal=True).findings == []
    again.close()


@pytest.mark.parametrize("step", ["commit_now", "destroy"])
def test_a_condemned_key_seals_nothing_more_in_any_process(archive, monkeypatch, step):
    """Between the ledger's word and the destruction the key is still there; nobody may use it."""
    other = Archive(archive.settings)
    for each in (archive, other):
        fill(each, 3, start=100 if each is other else 0)  # both hold the key in memory
    erased = archive.vault.key_ids_of("p1")
    stopped(archive, monkeypatch, step, "p1")
    last = len(heads(archive))
    if step == "commit_now":
        last += 1  # what was sealed before the ledger spoke is destroyed with the key
        reconcile(archive)
    for number, each in enumerate((other, archive)):
        with pytest.raises(Problem, match="nothing more is recorded") as caught:
            each.writer.commit_now(finished(500 + number, "p1"))
        assert caught.value.code == "person_erased"
        each.writer.commit_now(finished(600 + number, "p2"))
    assert [head for head in heads(archive)[last:] if head.key in erased] == []
    reconcile(archive)
    assert verify(archive, nothing, unseal=True).findings == []
    other.close()


def test_within_one_batch_what_follows_the_erasure_is_refused(archive):
    fill(archive, 1)
    ids = archive.vault.condemn("p0", now(), "request")
    facts = {"erasure": ids[0], "count": 2, "keys": ids, "reason": "request", "approver": "x"}
    with pytest.raises(Problem, match="nothing more is recorded"):
        archive.writer.commit_now(Entry(ERASED, (), ids[0], facts), finished(9, "p0"))


def test_erasures_among_busy_writers(archive):
    """Writers in two processes' stead never seal under a key whose end the ledger has told."""
    archives = [archive, Archive(archive.settings)]
    people = [f"p{number}" for number in range(8)]
    fill(archive, 8, persons=8)

    def write(each: Archive, start: int) -> None:
        for number in range(start, start + 120):
            with suppress(Problem):
                each.writer.commit_now(admitted(number, people[number % 8]))

    threads = [
        threading.Thread(target=write, args=(each, 1_000 * (n + 1)))
        for n, each in enumerate(archives)
    ]
    for thread in threads:
        thread.start()
    for person in people[:5]:
        erase(archive, person, "request")
    for thread in threads:
        thread.join()
    ended: set[str] = set()
    for head in heads(archive):
        assert head.key not in ended
        ended.update(head.facts.get("keys", ()))
    assert len(ended) == 10
    assert verify(archive, nothing, unseal=True).findings == []
    archives[1].close()


def files_of(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_after_yesterdays_backup_the_erased_stays_unreadable(tmp_path):
    archive = make_archive(tmp_path / "live")
    name = "Wang Wu of the test"
    person = archive.vault.add_person("demo", name, now())
    archive.writer.commit_now(admitted(1, person), admitted(2, "another"))
    backup.backup(archive.store, "store", tmp_path / "yesterday", nothing)
    with archive.vault_database.read() as connection:
        query = select(keys.c.wrapped).where(keys.c.person == person)
        wrapped = connection.execute(query).scalar()
    erased = erase(archive, person, "request")
    archive.writer.commit_now(admitted(3, "another"))
    archive.close()
    aside = tmp_path / "aside"
    backup.restore(archive.store, "store", tmp_path / "yesterday")
    for path in (tmp_path / "live").glob("*.before-*"):
        path.rename(aside)
    restored = Archive(archive.settings)
    report = verify(restored, nothing, unseal=True)
    assert codes(report) == [("erasure-untold", "tombstones")] * 2
    assert "the store is older than the vault" in report.findings[0].say()
    assert report.unsealed == 1  # the other person's
    found = files_of(tmp_path)
    assert any(file.startswith("vault.db") for file in found)
    for file, data in found.items():
        for secret in (SECRET, wrapped, name.encode(), person.encode()):
            assert secret not in data, file
    assert reconcile(restored) == 2
    told = [head for head in heads(restored) if head.kind == ERASED]
    assert [head.facts["reason"] for head in told] == ["restored"]
    assert set(told[0].facts["keys"]) == set(erased.ids)
    assert verify(restored, nothing, unseal=True).findings == []
    with pytest.raises(Problem):
        restored.writer.commit_now(admitted(9, person))
    restored.close()


def test_a_restored_vault_forgets_again(tmp_path):
    archive = make_archive(tmp_path)
    person = archive.vault.add_person("demo", "Zhao Liu", now())
    archive.writer.commit_now(admitted(1, person), admitted(2, "another"))
    backup.backup(archive.vault_database, "vault", tmp_path / "copy", nothing)
    erase(archive, person, "request")
    archive.close()
    backup.restore(archive.vault_database, "vault", tmp_path / "copy")
    restored = Archive(archive.settings)
    assert restored.vault.name_of(person) == "Zhao Liu"
    assert codes(verify(restored, nothing)) == [("key-alive", "tombstones")] * 2
    assert reconcile(restored) == 2
    assert restored.vault.name_of(person) is None
    assert restored.vault.key_ids_of(person) == []
    assert verify(restored, nothing, unseal=True).findings == []
    assert reconcile(restored) == 0
    restored.close()


def test_a_reader_that_holds_the_vault_open_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("hegui.store.engine._WAIT_SECONDS", 0.05)
    archive = make_archive(tmp_path)
    fill(archive, 1)
    monkeypatch.setattr("hegui.evidence.vault._PATIENCE_SECONDS", 0.1)
    with archive.vault_database.read() as reader:
        reader.execute(select(keys)).all()
        with pytest.raises(Problem, match="holds the vault open"):
            erase(archive, "p0", "request")
    assert archive.vault.key_ids_of("p0") == []
    archive.close()


# --- the vault itself ---


def test_a_person_has_one_number_for_each_name(archive):
    vault = archive.vault
    person = vault.add_person("demo", "a", now())
    assert vault.person("demo", "a") == person
    assert (vault.person("demo", "b"), vault.person("other", "a")) == (None, None)
    assert vault.name_of(person) == "a"
    key = vault.key_for(person, "account", "all")
    assert vault.person_of(key.key_id) == person
    assert vault.open_key(key.key_id).secret == key.secret
    assert key.commit == commitment(key.secret)
    assert vault.open_key("none") is None


def test_two_processes_make_one_key(archive):
    others = [Archive(archive.settings) for _ in range(4)]
    found = []
    threads = [
        threading.Thread(target=lambda v=v: found.append(v.vault.key_for("p", "content", "202611")))
        for v in others
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len({(key.key_id, key.secret) for key in found}) == 1
    for each in others:
        each.close()


def test_a_full_cache_starts_anew(archive, monkeypatch):
    monkeypatch.setattr("hegui.evidence.vault._CACHE", 3)
    fill(archive, 10, persons=10)
    assert isinstance(archive.vault, Vault)
    assert len(archive.vault._cache) <= 3
    assert verify(archive, nothing, unseal=True).unsealed == 20


def test_many_erasures_are_settled_by_counting(archive):
    fill(archive, 6, persons=6)
    for number in range(6):
        erase(archive, f"p{number}", "request")
    assert reconcile(archive) == 0
    with archive.vault_database.read() as connection:
        assert connection.execute(select(func.count()).select_from(tombstones)).scalar() == 12


def test_a_head_has_a_limit(archive):
    assert isinstance(archive.writer._book, Ledger)
    with pytest.raises(ValueError, match="head of"):
        archive.writer.commit_now(Entry("x", (), "x", {"long": "x" * 70_000}))
    assert heads(archive) == []
