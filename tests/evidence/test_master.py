import threading

import pytest
from sqlalchemy import select, update

from archive import admitted, fill, nothing
from hegui.evidence.archive import Archive
from hegui.evidence.master import MasterKeys, make_master_key
from hegui.evidence.verify import verify
from hegui.language import Problem
from hegui.store.tables import keys


@pytest.fixture
def path(tmp_path):
    make_master_key(tmp_path / "keys" / "master.key")
    return tmp_path / "keys" / "master.key"


def test_the_file_is_for_its_owner_only_and_never_overwritten(path):
    first = path.read_text()
    make_master_key(path)
    assert path.read_text() == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o077 == 0
    assert first.startswith("#")


def test_a_wrapped_key_opens_only_under_its_own_name(path):
    master = MasterKeys(path)
    name, wrapped = master.wrap("k1", b"d" * 32)
    assert master.unwrap(name, "k1", wrapped) == b"d" * 32
    for key_id, data in (
        ("k2", wrapped),
        ("k1", wrapped[:-1] + bytes([wrapped[-1] ^ 1])),
        ("k1", b""),
    ):
        with pytest.raises(Problem, match="does not open"):
            master.unwrap(name, key_id, data)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (None, "master_key_missing"),
        ("\xe9", "master_key_missing"),
        ("", "master_key_malformed"),
        ("only-one-word\n", "master_key_malformed"),
        ("a QUJD\n", "master_key_malformed"),
        ("a not-base64\n", "master_key_malformed"),
    ],
)
def test_a_missing_or_odd_file_says_what_to_do(tmp_path, content, code):
    path = tmp_path / "master.key"
    if content is not None:
        path.write_bytes(content.encode("latin-1"))
    with pytest.raises(Problem, match="put it back from its safe copy") as caught:
        MasterKeys(path)
    assert caught.value.code == code


def test_another_master_key_opens_nothing_and_says_so(archive):
    fill(archive, 1)
    path = archive.settings.evidence.master_key
    path.unlink()
    make_master_key(path)
    other = Archive(archive.settings)
    with pytest.raises(Problem, match="put the file back") as caught:
        other.writer.commit_now(admitted(9, "p0"))
    assert caught.value.code == "master_key_unknown"
    report = verify(other, nothing, unseal=True)
    assert {finding.code for finding in report.findings} == {"body-unreadable"}
    other.close()


def test_rotation_keeps_every_key_and_retires_the_old(archive):
    fill(archive, 6)
    old = archive.vault.master.current
    assert archive.vault.rotate_master() == 3
    assert archive.vault.master.ids != [old]
    assert archive.vault.wrapped_by() == {archive.vault.master.current: 3}
    fresh = Archive(archive.settings)
    assert verify(fresh, nothing, unseal=True).unsealed == 12
    fresh.close()


def test_the_other_process_wraps_with_the_new_key_at_once(archive):
    fill(archive, 1)
    other = Archive(archive.settings)
    fill(other, 1, start=50)  # has read the file
    archive.vault.rotate_master()
    other.writer.commit_now(admitted(99, "somebody new"))
    assert archive.vault.wrapped_by() == {archive.vault.master.current: 3}
    assert verify(archive, nothing, unseal=True).findings == []
    other.close()


def test_keys_made_while_others_rotate_are_never_lost(archive):
    archives = [Archive(archive.settings) for _ in range(3)]

    def make_keys(each: Archive, number: int) -> None:
        for step in range(25):
            each.writer.commit_now(admitted(number * 1_000 + step, f"p{number}-{step}"))

    def rotate(each: Archive) -> None:
        for _ in range(4):
            each.vault.rotate_master()

    threads = [threading.Thread(target=make_keys, args=(a, n)) for n, a in enumerate(archives)]
    threads += [threading.Thread(target=rotate, args=(each,)) for each in archives[:2]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fresh = Archive(archive.settings)
    report = verify(fresh, nothing, unseal=True)
    assert (report.unsealed, report.findings) == (75, [])
    assert len(fresh.vault.master.ids) == 1
    for each in (*archives, fresh):
        each.close()


def test_a_crash_between_adding_and_rewrapping_loses_nothing(archive):
    fill(archive, 2)
    with archive.vault.master.alone():
        archive.vault.master.add()  # and here it stops
    fill(archive, 2, start=10, persons=9)
    assert len(archive.vault.wrapped_by()) == 2
    assert verify(archive, nothing, unseal=True).findings == []
    archive.vault.rotate_master()
    assert len(archive.vault.master.ids) == 1
    assert verify(archive, nothing, unseal=True).findings == []


def test_a_changed_vault_row_is_a_finding(archive):
    fill(archive, 1)
    with archive.vault_database.maintain() as connection:
        row = connection.execute(select(keys)).first()
        last = row.wrapped[-1] ^ 1  # never the byte that was there
        connection.execute(update(keys).values(wrapped=row.wrapped[:-1] + bytes([last])))
    report = verify(archive, nothing, unseal=True)
    assert [finding.code for finding in report.findings] == ["body-unreadable"] * 2
    assert "the vault row was changed" in report.findings[0].say()
