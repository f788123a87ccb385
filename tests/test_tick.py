import pytest
from sqlalchemy import select

from archive import archive_fixture  # noqa: F401 (a fixture)
from hegui.cases.occurrences import record
from hegui.exchange import new_id
from hegui.gateway.instances import Instance, interrupt_dead
from hegui.store.tables import exchanges, instances, outcomes
from hegui.store.writer import Entry
from hegui.tick import tick


def admit(archive, instance):
    exchange = new_id()
    facts = {
        "exchange": exchange,
        "api_key": "k",
        "route": "r",
        "model": "m",
        "stream": False,
        "instance": instance,
    }
    archive.writer.commit_now(
        Entry("exchange.admitted", (), exchange, facts, exchanges, b"{}", "p")
    )
    return exchange


def states(archive):
    with archive.store.read() as connection:
        rows = connection.execute(select(outcomes.c.exchange, outcomes.c.state, outcomes.c.reason))
        return {row.exchange: (row.state, row.reason) for row in rows}


def test_a_tick_signs_a_checkpoint_once(archive):
    admit(archive, "nobody")
    assert tick(archive)["checkpoints signed"] == 1
    assert list(archive.settings.evidence.checkpoint_folder.glob("checkpoint-*.txt"))


def test_a_tick_reminds_of_what_is_overdue_once(archive):
    record(archive, "service_start", "2020-01-01", "s", "IM-17")
    counts = [tick(archive)["reminders raised"] for _ in range(2)]
    assert counts[0] > 0
    assert counts[1] == 0


def test_what_a_dead_process_left_open_is_interrupted_once(archive):
    name = "i00000000000000aa"
    facts = {"instance": name, "host": "elsewhere"}
    archive.writer.commit_now(Entry("service.started", (), name, facts, instances))
    exchange = admit(archive, name)
    assert interrupt_dead(archive) == 1
    assert states(archive) == {exchange: ("interrupted", "process_died")}
    assert interrupt_dead(archive) == 0


def test_a_living_process_is_left_alone_and_closes_in_order(archive):
    instance = Instance(archive)
    exchange = admit(archive, instance.name)
    assert interrupt_dead(archive) == 0
    assert states(archive) == {}
    instance.close()
    assert states(archive) == {exchange: ("interrupted", "process_died")}
    assert interrupt_dead(archive) == 0


@pytest.mark.parametrize("count", [3])
def test_ids_sort_by_time(count):
    ids = [new_id() for _ in range(count)]
    assert [i[:12] for i in ids] == sorted(i[:12] for i in ids)
    assert len(set(ids)) == count
