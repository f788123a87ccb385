"""The register as a library of CISO Assistant: one way, in both languages at once.

The shape is that of the files its own loader reads: a library with reference controls and one
framework, whose nodes are the tree instrument → article → duty. It has no fields for dates,
periods, sanctions and marks, so these stand in each node's annotation, in words.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import yaml

from hegui.language import LANGUAGES, N_, say
from hegui.law.exports import Shown, evidence_text, proof_text, question_text
from hegui.law.load import Register
from hegui.law.model import Instrument, Obligation
from hegui.law.telling import (
    clock_text,
    mark_text,
    sanction_lines,
    standing_text,
    validity_text,
)

LIBRARY: Final = "hegui-china-genai"
_LONGEST_NAME: Final = 200  # characters that CISO Assistant keeps of a name
Node = dict[str, Any]
Words = Callable[[str], str]  # language → text; an empty text leaves the field out


def write(
    book: Register, out: Path, language: str, standings: Mapping[str, Shown] | None = None
) -> None:
    """Write the library; `language` is its own, the other one stands in its translations."""
    made = library(book, language, datetime.now(UTC).date(), standings or {})
    text = yaml.dump(made, Dumper=_Plain, allow_unicode=True, sort_keys=False, width=100)
    out.write_text(text, "utf-8")


class _Plain(yaml.SafeDumper):
    """Writes what people compare line by line: lines as lines, and no references within a file."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 (the name is PyYAML's)
        return True


def _block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Plain.add_representer(str, _block)


def library(book: Register, language: str, day: date, standings: Mapping[str, Shown]) -> Node:
    """Build the library as plain values. Its version is its day: a later file updates an older."""
    controls = [
        {"urn": _urn("reference_control", code), "ref_id": code} | _told(language, name=words.say)
        for code, words in book.vocabulary["control"].items()
    ]
    about = _told(language, name=_name, description=lambda lang: _about(lang, day))
    roles = [
        {"ref_id": code} | _told(language, name=words.say)
        for code, words in book.vocabulary["actor"].items()
    ]
    return {
        "urn": _urn("library"),
        "locale": language,
        "ref_id": LIBRARY,
        **about,
        "copyright": "hegui, Apache-2.0",
        "version": int(f"{day:%Y%m%d}"),
        "publication_date": day.isoformat(),
        "provider": "hegui",
        "packager": "hegui",
        "objects": {
            "reference_controls": controls,
            "framework": {
                "urn": _urn("framework"),
                "ref_id": LIBRARY,
                **about,
                "implementation_groups_definition": roles,
                "requirement_nodes": list(_nodes(book, language, day, standings)),
            },
        },
    }


def _name(language: str) -> str:
    return say(language, N_("China: duties of generative AI services"))


def _about(language: str, day: date) -> str:
    parts = (
        N_("Our own words, not the text of the law, and not legal advice."),
        N_("Written on {day} from the register of hegui; what is changed here does not go back into it."),
        N_("A draft is here to be watched and is not assessed."),
    )  # fmt: skip
    return "\n".join(say(language, part, day=day.isoformat()) for part in parts)


def _nodes(
    book: Register, language: str, day: date, standings: Mapping[str, Shown]
) -> Iterable[Node]:
    """Every instrument that lays a duty on someone, its articles, their duties, in their order."""
    for instrument in book.instruments:
        duties = [duty for duty in book if duty.id.partition("-")[0] == instrument.code]
        if not duties:
            continue
        top = _urn("req_node", instrument.code)
        yield _instrument(instrument, top, language, day)
        seen: set[str] = set()
        for duty in duties:
            number = str(book.provision(duty.provisions[0]).path.article)
            above = f"{top}:art-{number}".lower()
            if number not in seen:
                seen.add(number)
                yield _article(instrument, number, above, language)
            shown = standings.get(duty.id)
            yield _duty(book, duty, above, language, day, shown)


def _instrument(entry: Instrument, urn: str, language: str, day: date) -> Node:
    def about(lang: str) -> str:
        lines = [
            standing_text(entry, day, lang),
            entry.issuer.say(lang),
            entry.number or "",
            say(lang, N_("What was read: {what}"), what=entry.checked.say(lang)),
            entry.source_url or "",
        ]
        return "\n".join(line for line in lines if line)

    return {
        "urn": urn,
        "assessable": False,
        "depth": 1,
        "ref_id": entry.code,
        **_told(language, name=entry.title.say, description=about),
    }


def _article(instrument: Instrument, number: str, urn: str, language: str) -> Node:
    def name(lang: str) -> str:
        return say(lang, N_("Article {number}"), number=number)

    return {
        "urn": urn,
        "assessable": False,
        "depth": 2,
        "parent_urn": _urn("req_node", instrument.code),
        "ref_id": f"{instrument.code} {number}",
        **_told(language, name=name),
    }


def _duty(
    book: Register, duty: Obligation, above: str, language: str, day: date, shown: Shown | None
) -> Node:
    place = book.provision(duty.provisions[0])

    def description(lang: str) -> str:
        kind = book.term("modality", duty.modality).say(lang)
        return f"[{kind}] {duty.duty.say(lang)}\n{duty.trigger.say(lang)}"

    def annotation(lang: str) -> str:
        return _annotation(book, duty, lang, day, shown)

    node = {
        "urn": _urn("req_node", duty.id),
        "assessable": book.instrument(place.instrument).status != "draft",
        "depth": 3,
        "parent_urn": above,
        "ref_id": duty.id,
        **_told(
            language,
            name=place.gloss.say,
            description=description,
            annotation=annotation,
            typical_evidence=lambda lang: evidence_text(book, duty, lang),
        ),
        "implementation_groups": list(duty.actors),
    }
    if duty.controls:
        node["reference_controls"] = [_urn("reference_control", code) for code in duty.controls]
    return node


def _annotation(
    book: Register, duty: Obligation, language: str, day: date, shown: Shown | None
) -> str:
    """What the format has no field for: dates, periods, sanctions, marks, questions, the state."""
    rows = [book.provision(row) for row in duty.provisions]
    lines = [f"{row.id}: {validity_text(row, language)}" for row in rows]
    lines += [clock_text(clock, language) for clock in duty.clocks]
    for code in duty.sanctions:
        lines += sanction_lines(book.sanction(code), language)
    if duty.other_law:
        lines.append(duty.other_law.say(language))
    if duty.human_residue:
        residue = duty.human_residue.say(language)
        lines.append(say(language, N_("Stays human: {what}"), what=residue))
    lines += [mark_text(duty.verified, language), question_text(duty, language)]
    if not book.instrument(rows[0].instrument).binds:
        lines.append(say(language, N_("Not law in force: it binds nobody by itself.")))
    if shown:
        state = say(language, N_("State on {day}: {state}"), day=day, state=shown.state)
        lines += [state, proof_text(shown, language)]
    return "\n".join(line for line in lines if line)


def _told(language: str, **fields: Words) -> Node:
    """The fields in the library's language, and in the other one under `translations`."""
    (other,) = (each for each in LANGUAGES if each != language)
    return _said(fields, language) | {"translations": {other: _said(fields, other)}}


def _said(fields: Mapping[str, Words], language: str) -> dict[str, str]:
    said = {name: words(language) for name, words in fields.items()}
    if "name" in said:
        said["name"] = said["name"][:_LONGEST_NAME]
    return {name: text for name, text in said.items() if text}


def _urn(kind: str, item: str = "") -> str:
    """The lasting name of a thing; the loader lowers its letters, so it is written lower already."""
    return f"urn:hegui:risk:{kind}:{LIBRARY}{f':{item}' if item else ''}".lower()
