import asyncio
import threading
import time

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from archive import admitted, fill, finished, nothing
from hegui.evidence.verify import verify
from hegui.language import Problem
from hegui.store.tables import entries, outcomes
from hegui.store.unit import Unit, answer
from hegui.store.writer import StoreDownError, Writer, WriterClosedError


def count(archive, table=entries) -> int:
    with archive.store.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar()


def test_many_callers_share_one_ledger_and_a_culprit_hurts_only_itself(archive):
    async def caller(number: int) -> list[str]:
        answers = []
        for step in range(6):
            # Every eighth caller writes under one number: only the first may have it.
            name = 10_000 + step if number % 8 == 0 else number * 100 + step
            try:
                await archive.writer.commit(admitted(name, f"p{number % 5}"))
                answers.append("kept")
            except IntegrityError:
                answers.append("refused")
        return answers

    async def everyone() -> list[list[str]]:
        return await asyncio.gather(*[caller(number) for number in range(64)])

    answers = asyncio.run(everyone())
    flat = [answer for each in answers for answer in each]
    assert flat.count("kept") == count(archive) == 56 * 6 + 6
    assert all(each == ["kept"] * 6 for n, each in enumerate(answers) if n % 8)
    assert verify(archive, nothing, unseal=True).findings == []


def test_an_exchange_ends_once(archive):
    archive.writer.commit_now(admitted(1), finished(1))
    with pytest.raises(IntegrityError):
        archive.writer.commit_now(finished(1))
    assert (count(archive), count(archive, outcomes)) == (2, 1)


def test_entries_of_one_unit_stand_or_fall_together(archive):
    fill(archive, 1)
    with pytest.raises(IntegrityError):
        archive.writer.commit_now(admitted(5), admitted(0))
    assert count(archive) == 2


def test_numbers_and_time_are_known_after_the_commit(archive):
    first, second = admitted(1), finished(1)
    archive.writer.commit_now(first, second)
    assert (first.seq, second.seq) == (0, 1)
    assert first.at == second.at
    assert first.key_id


def test_a_check_reads_inside_the_transaction_and_may_refuse(archive):
    fill(archive, 1)
    seen = []

    def check(connection):
        seen.append(connection.execute(select(func.count()).select_from(entries)).scalar())
        raise Problem("no", "Not this one.")

    with pytest.raises(Problem, match="Not this one"):
        archive.writer.commit_now(admitted(7), check=check)
    assert (seen, count(archive)) == ([2], 2)


def test_two_writers_of_one_store_take_turns(archive):
    from hegui.evidence.archive import Archive

    other = Archive(archive.settings)
    threads = [
        threading.Thread(target=fill, args=(each, 30), kwargs={"start": start})
        for each, start in ((archive, 0), (other, 1_000))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    report = verify(archive, nothing)
    assert (report.size, report.findings) == (120, [])


def test_who_stops_waiting_does_not_undo_the_commit(archive):
    async def impatient() -> None:
        task = asyncio.create_task(archive.writer.commit(admitted(1)))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(impatient())
    archive.writer.commit_now(admitted(2))
    assert count(archive) == 2


def test_a_loop_that_is_gone_does_not_stop_the_writer(archive):
    loop = asyncio.new_event_loop()

    async def leave() -> None:
        archive.writer.submit(admitted(1))

    loop.run_until_complete(leave())
    loop.close()
    archive.writer.commit_now(admitted(2))
    assert count(archive) == 2


def test_an_answer_to_a_loop_that_is_gone_is_dropped():
    loop = asyncio.new_event_loop()
    unit = Unit([], None, loop.create_future())
    loop.close()
    answer([(unit, None)])
    assert not unit.future.done()


def test_a_closed_writer_accepts_nothing(archive):
    archive.writer.commit_now(admitted(1))
    archive.writer.close()
    with pytest.raises(WriterClosedError):
        archive.writer.commit_now(admitted(2))
    assert count(archive) == 1


def end_connections(archive) -> None:
    """What a restart of the database server does to those who are connected."""
    with archive.store.maintain() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_server_that_was_restarted_is_found_again(archive, monkeypatch):
    fill(archive, 1)
    end_connections(archive)
    with pytest.raises(OperationalError):  # the caller hears of it: nothing was recorded
        archive.writer.commit_now(admitted(50))
    archive.writer.commit_now(admitted(51))
    end_connections(archive)
    monkeypatch.setattr("hegui.store.writer._REST_SECONDS", -1.0)
    archive.writer.commit_now(admitted(52))  # after a rest, nobody notices
    report = verify(archive, nothing)
    assert (report.size, report.findings) == (4, [])


class Box:
    """An outbox that only remembers."""

    def __init__(self):
        self.waiting, self.kept, self.full = False, [], False

    def put(self, batch, *, ask_vault):
        if self.full:
            raise StoreDownError
        self.kept += [entry.subject for entry in batch]
        self.waiting = True

    def deliver(self, commit):
        self.waiting = False
        return len(self.kept)


class Hanging:
    """A ledger that waits when it is told to, as a database may."""

    def __init__(self):
        self.free, self.calls, self.error = threading.Event(), 0, None
        self.free.set()

    def open(self, connection):
        self.calls += 1
        self.free.wait(20)
        if self.error:
            raise self.error

    def write(self, connection, batch):
        pass

    def forget(self):
        pass


@pytest.fixture
def hanging(on_sqlite):
    book, box = Hanging(), Box()
    writer = Writer(on_sqlite.store.engine("writer"), book, box, 0.3)
    yield writer, book, box
    book.free.set()
    book.error = None
    writer.close()


def test_nobody_waits_longer_than_the_limit(hanging):
    writer, book, box = hanging
    book.free.clear()

    async def main():
        began = time.monotonic()
        first, end = writer.submit(admitted(1)), writer.finish(finished(2))
        await asyncio.sleep(0.1)
        later = writer.finish(finished(3))
        with pytest.raises(StoreDownError):
            await first
        await asyncio.gather(end, later)
        waited = time.monotonic() - began
        with pytest.raises(StoreDownError):  # at once
            await writer.submit(admitted(4))
        await writer.finish(finished(5))
        return waited

    assert 0.25 < asyncio.run(main()) < 1
    assert sorted(int(name, 16) for name in box.kept) == [2, 3, 5]
    book.free.set()
    deadline = time.monotonic() + 5
    while writer.is_down and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not writer.is_down
    assert not box.waiting
    writer.commit_now(admitted(6))


def test_what_did_not_begin_does_not_end(hanging):
    """Else every request that is refused in an outage would fill the outbox."""
    writer, book, box = hanging
    book.error = OperationalError("", None, Exception())
    book.error.orig = __import__("sqlite3").OperationalError("disk I/O error")

    async def main():
        begin, end = writer.submit(admitted(1)), writer.finish(finished(1))
        other = writer.finish(finished(2))
        with pytest.raises(OperationalError):
            await begin
        with pytest.raises((OperationalError, StoreDownError)):
            await end
        await other

    asyncio.run(main())
    assert [int(name, 16) for name in box.kept] == [2]


def test_a_full_outbox_is_the_error_it_was(hanging):
    writer, book, box = hanging
    book.free.clear()
    box.full = True

    async def main():
        with pytest.raises(StoreDownError):
            await writer.finish(finished(1))

    asyncio.run(main())


@pytest.mark.parametrize(
    ("name", "most", "size"), [("_WAITING_BYTES", 200_000, 20_000), ("_WAITING", 10, 100)]
)
def test_the_queue_is_bounded(hanging, monkeypatch, name, most, size):
    writer, book, _ = hanging
    monkeypatch.setattr(f"hegui.store.writer.{name}", most)
    book.free.clear()

    async def main():
        futures = [writer.submit(admitted(n, body=bytes(size))) for n in range(40)]
        await asyncio.sleep(0.05)
        refused = sum(future.done() for future in futures)
        await asyncio.wait(futures)
        assert all(isinstance(future.exception(), StoreDownError) for future in futures)
        return refused

    assert 15 < asyncio.run(main()) < 40
    assert writer._waiting_bytes == 0
