"""Two languages: texts that carry both, messages that are translated, errors that say what to do.

A message is written once, in English, where it is used; its Chinese stands in
``locale/zh_Hans/LC_MESSAGES/hegui.po``. Texts that are data (law, taxonomy) carry both languages.
"""

import gettext
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

LANGUAGES: Final = ("zh", "en")
_CATALOGUES: Final = Path(__file__).parent / "locale"


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same sentence in Chinese and in English."""

    zh: str
    en: str

    def say(self, language: str) -> str:
        return self.zh if language == "zh" else self.en


def N_(message: str) -> str:  # noqa: N802 (the name every extractor of messages knows)
    """Mark a message for the catalogue; it is translated later, where the language is known."""
    return message


@cache
def catalogue(language: str) -> gettext.NullTranslations:
    """The translations into `language`; for English, and without a catalogue, the messages themselves."""
    if language != "zh":
        return gettext.NullTranslations()
    return gettext.translation("hegui", _CATALOGUES, ["zh_Hans"], fallback=True)


def say(language: str, message: str, **values: object) -> str:
    """Return `message` in `language` ("zh" or "en") with its {named} values filled in.

    A value that is a `Text` is said in the same language.
    """
    text = catalogue(language).gettext(message) if message else ""
    told = {name: v.say(language) if isinstance(v, Text) else v for name, v in values.items()}
    return text.format(**told) if told else text


def choose(accept_language: str, default: str = "zh") -> str:
    """Pick "zh" or "en" from an Accept-Language header; the first that we speak wins."""
    for part in accept_language.lower().split(","):
        tag = part.split(";")[0].strip()
        if tag[:2] in LANGUAGES:
            return tag[:2]
    return default


class Problem(Exception):  # noqa: N818 (not every problem is the program's error)
    """Something the person at the other end can mend; the message says how.

    `code` is stable and machine-readable; `message` is an English template of the catalogue.
    """

    def __init__(self, code: str, message: str, **values: object) -> None:
        super().__init__(code, message)
        self.code, self.message, self.values = code, message, values

    def say(self, language: str = "en") -> str:
        return say(language, self.message, **self.values)

    def __str__(self) -> str:
        return self.say()
