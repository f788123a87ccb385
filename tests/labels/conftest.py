"""One Python is enough for the carriers: their tests ask other programs, and damage many files."""

import pytest

_EVERYWHERE = frozenset(
    {"test_label", "test_text", "test_png", "test_xmp", "test_verify", "test_write"}
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent.name == "labels" and item.path.stem not in _EVERYWHERE:
            item.add_marker(pytest.mark.once)
