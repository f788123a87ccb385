"""Whatever hegui says, it says in Chinese too."""

import gettext
import re
import string

import pytest

from scripts import messages

MESSAGES = messages.extracted()
CATALOGUE = messages.read()


def placeholders(text):
    """The {named} values of a message of the code and the %(named)s ones of a page, sorted."""
    try:
        braces = [name for _, name, *_ in string.Formatter().parse(text) if name is not None]
    except ValueError:  # a lone brace in a page's text
        braces = []
    return sorted(set(braces)), sorted(set(re.findall(r"%\((\w+)\)", text)))


def chinese(message):
    return CATALOGUE[message].string if message in CATALOGUE else ""


def test_messages_are_found_in_code_and_in_pages():
    assert len(MESSAGES) > 300
    files = {name for names in MESSAGES.values() for name in names}
    assert {"settings.py", "cli/lexicon.py", "web/templates/base.html"} <= files


def test_every_message_has_chinese():
    assert [message for message in MESSAGES if not chinese(message)] == [], (
        "run: .venv/bin/python scripts/messages.py"
    )


def test_the_catalogue_holds_nothing_else():
    held = {message.id for message in CATALOGUE if message.id}
    assert held == set(MESSAGES), "run: .venv/bin/python scripts/messages.py"
    assert not CATALOGUE.obsolete
    assert [message.id for message in CATALOGUE if message.id and message.fuzzy] == []


def test_placeholders_agree():
    wrong = {
        message: chinese(message)
        for message in MESSAGES
        if chinese(message) and placeholders(message) != placeholders(chinese(message))
    }
    assert wrong == {}


@pytest.mark.parametrize("text", ["{file}", "%(file)s", "{other}, {file}"])
def test_a_lost_placeholder_is_seen(text):
    assert placeholders(text) != placeholders("{other}")


def test_the_compiled_catalogue_is_fresh():
    with messages.CATALOGUE.with_suffix(".mo").open("rb") as file:
        shipped = gettext.GNUTranslations(file)._catalog
    said = {message.id: message.string for message in CATALOGUE if message.id and message.string}
    assert {key: text for key, text in shipped.items() if key} == said


def test_a_list_is_read_where_the_english_holds_an_equals_sign():
    wanted = {"a = b": ["x.py"], "c": ["x.py"]}
    text = "a = b = 甲\nc = 丙\nno line of a list\nd = 丁\n"
    assert messages.listed(text, wanted) == {"a = b": "甲", "c": "丙"}


def test_a_translation_outlives_a_run_and_leaves_with_its_message():
    old = messages.merged({"kept": ["x.py"], "gone": ["x.py"]}, messages.Catalog(), {"kept": "甲"})
    new = messages.merged({"kept": ["x.py"], "new": ["y.py"]}, old, {})
    assert {message.id: message.string for message in new if message.id} == {
        "kept": "甲",
        "new": "",
    }
