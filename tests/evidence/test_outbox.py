import os

import pytest
from sqlalchemy import select

from archive import SECRET, admitted, finished, nothing
from hegui.evidence.erase import erase
from hegui.evidence.outbox import Outbox, deliver_left
from hegui.evidence.verify import verify
from hegui.store.away import StoreDownError
from hegui.store.tables import entries, outcomes


def made(archive, size=1 << 20) -> Outbox:
    outbox = Outbox(archive.settings.store.outbox / "iother.outbox", size, archive.vault)
    outbox.reserve()
    return outbox


def order(archive) -> list[int]:
    """The numbers of the exchanges that have ended, in the order of the ledger."""
    query = select(outcomes.c.exchange).order_by(outcomes.c.seq)
    with archive.store.read() as connection:
        return [int(name, 16) for name in connection.scalars(query)]


def test_what_waits_is_sealed_and_comes_into_the_store_once_and_in_order(archive):
    outbox = made(archive)
    numbers = range(300)  # more than are committed together
    for number in numbers:
        archive.writer.commit_now(admitted(number, f"person-{number % 3}"))
    outbox.put([finished(0, "person-0"), finished(1, "person-1")], ask_vault=False)
    for number in numbers[2:]:
        outbox.put([finished(number, f"person-{number % 3}")], ask_vault=False)
    assert outbox.waiting
    data = outbox.path.read_bytes()
    assert SECRET not in data
    assert b"person-" not in data  # nor does it say whose it is
    assert outbox.path.stat().st_mode & 0o777 == 0o600
    assert outbox.deliver(archive.writer.commit_each) == 300
    assert not outbox.waiting
    assert order(archive) == list(numbers)
    assert outbox.deliver(archive.writer.commit_each) == 0
    report = verify(archive, nothing, unseal=True)
    assert (report.findings, report.size) == ([], 600)
    outbox.close()
    assert not outbox.path.exists()


def test_a_crash_between_commit_and_emptying_doubles_nothing(archive, monkeypatch):
    outbox = made(archive)
    archive.writer.commit_now(admitted(1), admitted(2))
    outbox.put([finished(1), finished(2)], ask_vault=True)
    with monkeypatch.context() as patch:
        patch.setattr(outbox, "_empty", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            outbox.deliver(archive.writer.commit_each)
    outbox._let_go()  # as the system does when the process dies
    folder = archive.settings.store.outbox
    assert deliver_left(folder, archive.vault, archive.writer.commit_each) == 2
    assert deliver_left(folder, archive.vault, archive.writer.commit_each) == 0
    assert order(archive) == [1, 2]
    assert verify(archive, nothing, unseal=True).findings == []


def test_the_box_of_a_living_process_is_left_alone(archive):
    outbox = made(archive)
    archive.writer.commit_now(admitted(1))
    outbox.put([finished(1)], ask_vault=True)
    folder = archive.settings.store.outbox
    assert deliver_left(folder, archive.vault, archive.writer.commit_each) == 0
    assert order(archive) == []


def test_a_store_that_is_away_keeps_everything_here(archive):
    outbox = made(archive)
    archive.writer.commit_now(admitted(1), admitted(2))
    outbox.put([finished(1), finished(2)], ask_vault=True)
    with pytest.raises(StoreDownError):
        outbox.deliver(lambda batch: [None, StoreDownError()])
    assert outbox.waiting
    assert outbox.deliver(archive.writer.commit_each) == 2
    assert order(archive) == [1, 2]


def test_it_is_bounded_and_what_it_holds_stays_good(archive):
    outbox = made(archive, 1 << 16)
    archive.writer.commit_now(*[admitted(number) for number in range(5)])
    body = os.urandom(20_000)
    for number in range(3):
        outbox.put([finished(number, body=body)], ask_vault=True)
    with pytest.raises(StoreDownError):
        outbox.put([finished(3, body=body)], ask_vault=True)
    assert outbox.path.stat().st_size == 1 << 16
    assert outbox.deliver(archive.writer.commit_each) == 3
    outbox.put([finished(3, body=body)], ask_vault=True)  # there is room again
    assert outbox.deliver(archive.writer.commit_each) == 1
    assert order(archive) == [0, 1, 2, 3]


@pytest.mark.parametrize("cut", [1, 30])
def test_a_torn_record_was_never_acknowledged_and_is_not_read(archive, cut):
    outbox = made(archive)
    archive.writer.commit_now(admitted(1), admitted(2))
    outbox.put([finished(1)], ask_vault=True)
    outbox.put([finished(2)], ask_vault=True)
    os.pwrite(outbox._file, bytes(cut), outbox._end - cut)
    assert outbox.deliver(archive.writer.commit_each) == 1
    assert order(archive) == [1]


def test_the_end_of_an_erased_person_is_told_without_the_person(archive):
    outbox = made(archive)
    archive.writer.commit_now(admitted(1, "p1"), admitted(2, "p2"))
    outbox.put([finished(1, "p1"), finished(2, "p2")], ask_vault=True)
    erase(archive, "p1", "request")
    assert outbox.deliver(archive.writer.commit_each) == 2
    with archive.store.read() as connection:
        keys = dict(connection.execute(select(outcomes.c.exchange, outcomes.c.key_id)).all())
    assert keys[f"{1:032x}"] == ""
    assert keys[f"{2:032x}"]
    assert verify(archive, nothing, unseal=True).findings == []


def test_a_key_that_is_not_at_hand_is_looked_up_only_on_request(archive):
    outbox = made(archive)
    archive.writer.commit_now(admitted(1))
    archive.vault.forget()
    with pytest.raises(StoreDownError):
        outbox.put([finished(1)], ask_vault=False)
    outbox.put([finished(1)], ask_vault=True)
    assert outbox.deliver(archive.writer.commit_each) == 1


def test_the_ledger_says_when_it_ended_and_when_it_came_in(archive):
    outbox = made(archive)
    archive.writer.commit_now(admitted(1))
    outbox.put([finished(1)], ask_vault=True)
    outbox.deliver(archive.writer.commit_each)
    with archive.store.read() as connection:
        head = bytes(connection.scalars(select(entries.c.head).order_by(entries.c.seq)).all()[-1])
    assert b'"ended":"20' in head


def test_a_file_that_is_none_is_passed_over(archive):
    folder = archive.settings.store.outbox
    folder.mkdir(parents=True)
    (folder / "iodd.outbox").write_bytes(b"something else" * 9)
    (folder / "iempty.outbox").write_bytes(b"")
    assert deliver_left(folder, archive.vault, archive.writer.commit_each) == 0
