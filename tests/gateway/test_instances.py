import msgspec
from sqlalchemy import select

from archive import admitted, archive_fixture  # noqa: F401 (a fixture)
from hegui.exchange import new_id
from hegui.gateway.instances import Instance, interrupt_dead
from hegui.store.tables import outcomes


def left_open(archive, instance: str) -> str:
    name = new_id()
    entry = admitted(1)
    facts = entry.facts | {"exchange": name, "instance": instance}
    archive.writer.commit_now(msgspec.structs.replace(entry, subject=name, facts=facts))
    return name


def states(archive) -> dict[str, str]:
    with archive.store.read() as connection:
        return {row.exchange: row.state for row in connection.execute(select(outcomes))}


def test_the_living_are_left_alone_and_the_closed_are_done_once(archive):
    instance = Instance(archive)
    name = left_open(archive, instance.name)
    assert interrupt_dead(archive) == 0
    assert states(archive) == {}
    instance.close()
    assert states(archive) == {name: "interrupted"}
    assert interrupt_dead(archive) == 0


def test_a_dead_process_gets_its_end_from_the_next(archive):
    instance = Instance(archive)
    name = left_open(archive, instance.name)
    instance._lock.release()  # what the system does to the lock of a killed process
    assert interrupt_dead(archive) == 1
    assert states(archive) == {name: "interrupted"}
    assert interrupt_dead(archive) == 0
