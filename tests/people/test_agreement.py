import pytest
from sqlalchemy import select

from hegui.evidence.verify import verify
from hegui.language import Problem
from hegui.people.agreement import Agreements, read_agreement
from hegui.store.tables import acceptances


def test_the_sample_is_published_once_and_can_be_read_again(archive):
    agreements = Agreements(archive)
    agreements.publish_sample()
    version, since, body = agreements.current()
    agreements.publish_sample()
    assert agreements.current() == (version, since, body)
    assert len(read_agreement(body).clauses) >= 8


def test_acceptance_is_of_the_version_in_force_and_kept_once(archive):
    agreements = Agreements(archive)
    agreements.publish_sample()
    person = archive.vault.add_person("t", "a", "")
    with pytest.raises(Problem) as caught:
        agreements.accept(person, "0" * 64, "page")
    assert caught.value.code == "agreement_stale"
    agreements.accept(person, agreements.current()[0], "page")
    agreements.accept(person, agreements.current()[0], "page")
    with archive.store.read() as connection:
        assert len(connection.execute(select(acceptances)).all()) == 1
    assert verify(archive, lambda *_: None).findings == []


def test_a_new_version_must_be_accepted_again(archive):
    agreements = Agreements(archive)
    agreements.publish_sample()
    person = archive.vault.add_person("t", "b", "")
    agreements.accept(person, agreements.current()[0], "page")
    agreements.publish(agreements.current()[2] + b"\n# second version\n")
    assert not agreements.has_accepted(person)
