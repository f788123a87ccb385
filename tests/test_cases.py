import pytest

from archive import on_sqlite_fixture  # noqa: F401 (a fixture)
from hegui.cases import find_case, latest_cases, open_case
from hegui.language import Problem


def test_receipt_finds_the_case(on_sqlite):
    person = on_sqlite.vault.add_person("test", "ann", "2026")
    receipt = open_case(on_sqlite, person, "0" * 32, "appeal", "why?")
    found = find_case(on_sqlite, receipt)
    assert (found.kind, found.reason, found.exchange) == ("appeal", "appeal", "0" * 32)
    assert latest_cases(on_sqlite) == [found]
    assert find_case(on_sqlite, "none") is None


@pytest.mark.parametrize(("reason", "text"), [("whim", "a"), ("other", "a" * 4001)])
def test_what_no_case_is_opened_for(on_sqlite, reason, text):
    with pytest.raises(Problem):
        open_case(on_sqlite, "p", "0" * 32, reason, text)
    assert latest_cases(on_sqlite) == []
