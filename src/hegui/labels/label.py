"""The implicit label 隐式标识: seven fields as one line of JSON (GB 45438-2025, 6.1, Annex E).

Read through three independent implementers and four real files, not in the standard's own text:
confidence M for the fields' meaning and the character set, H for their names and order.
"""

import os
import re
import time
from typing import Any, Final

import msgspec

from hegui.labels.provider import check_producer_code
from hegui.language import Problem

FIELDS: Final = (
    "Label", "ContentProducer", "ProduceID", "ReservedCode1",
    "ContentPropagator", "PropagateID", "ReservedCode2",
)  # fmt: skip
REQUIRED: Final = FIELDS[:3]
# Misspellings met in public code; they are read as what was meant, and never written.
ALIASES: Final = {
    "ReserveCode1": "ReservedCode1",
    "ReserveCode2": "ReservedCode2",
    "Propagator": "ContentPropagator",
    "PropatorID": "PropagateID",
}
# "1" it is AI-generated, "2" it may be, "3" it is suspected to be (Labelling Measures, Art. 6).
IS_GENERATED: Final = "1"
MAY_BE: Final = "2"
SUSPECTED: Final = "3"
VALUES: Final = (IS_GENERATED, MAY_BE, SUSPECTED)
LONGEST: Final = 16 * 1024  # characters of a label's JSON that we write, or look at

# Annex E j: visible single-byte characters of GB 18030, without quotation mark and backslash but
# for the escape \", which the JSON around it makes.
_CHARACTERS: Final = re.compile(r"[\x21-\x5b\x5d-\x7e]*")


class Label(msgspec.Struct, frozen=True):
    """What a file's metadata says of where its content comes from.

    `producer` and `propagator` are a provider code or a name, `produce_id` and `propagate_id` the
    number that each gave this content, `reserved1` and `reserved2` their own security data.

    Raises:
        Problem: `labels.value`, `labels.missing` or `labels.characters`, and what
            `check_producer_code` raises for 27 characters that begin like a code.
    """

    producer: str
    produce_id: str
    label: str = IS_GENERATED
    reserved1: str = ""
    propagator: str = ""
    propagate_id: str = ""
    reserved2: str = ""

    def __post_init__(self) -> None:
        if self.label not in VALUES:
            raise Problem(
                "labels.value",
                "Label is “{given}”; it must be 1 (generated), 2 (may be) or 3 (suspected) (GB 45438-2025, Annex E c).",
                given=self.label,
            )
        for name, value in self.fields().items():
            if name in REQUIRED and not value:
                raise Problem(
                    "labels.missing",
                    "{field} is empty: give it (GB 45438-2025, Annex E).",
                    field=name,
                )
            if not fits(value):
                raise Problem(
                    "labels.characters",
                    "{field} holds “{given}”: use visible ASCII characters without spaces and backslashes (GB 45438-2025, Annex E j).",
                    field=name,
                    given=value[:80],
                )
        for code in (self.producer, self.propagator):
            if is_like_a_code(code):
                check_producer_code(code)

    @classmethod
    def new(cls, producer: str, produce_id: str = "", **more: str) -> "Label":
        """A producer's first label: a number of its own, and the propagation fields as Annex E, note 1."""
        number = produce_id or new_id()
        given = {"propagator": producer, "propagate_id": number} | more
        return cls(producer, number, **given)

    def fields(self) -> dict[str, str]:
        """The seven fields by their names in the standard, in its order."""
        values = (
            self.label, self.producer, self.produce_id, self.reserved1,
            self.propagator, self.propagate_id, self.reserved2,
        )  # fmt: skip
        return dict(zip(FIELDS, values, strict=True))

    def json(self) -> str:
        """The label as it stands in a slot of its own: one line, no spaces."""
        return msgspec.json.encode(self.fields()).decode()

    @classmethod
    def of(cls, fields: dict[str, str]) -> "Label":
        """The label that these fields are; raises as the class does, and for a missing field."""
        values = {name: fields.get(name, "") for name in FIELDS}
        return cls(
            values["ContentProducer"], values["ProduceID"], values["Label"], values["ReservedCode1"],
            values["ContentPropagator"], values["PropagateID"], values["ReservedCode2"],
        )  # fmt: skip

    def propagated(self, by: str, number: str, security: str = "", label: str = "") -> "Label":
        """The same content as a platform passes it on: its own fields set, the producer's untouched.

        (Labelling Measures, Art. 6(2).) `label` only where Art. 6 gives another grade.
        """
        return msgspec.structs.replace(
            self, propagator=by, propagate_id=number, reserved2=security, label=label or self.label
        )


class Defect(msgspec.Struct, frozen=True):
    """What is wrong with a value: a reason code (see `labels.reasons`) and where."""

    code: str
    detail: str = ""


def fits(value: str) -> bool:
    """Whether a field keeps to the characters of Annex E j."""
    return bool(_CHARACTERS.fullmatch(value))


def is_like_a_code(value: str) -> bool:
    """Whether a producer or propagator looks like a provider code rather than a name."""
    return len(value) == 27 and value.isascii() and value.isalnum() and value[:2] == "00"


def new_id() -> str:
    """A number for content, unique and sorted by time: UUID version 7 (RFC 9562), 32 hex digits."""
    random = int.from_bytes(os.urandom(10))
    value = time.time_ns() // 1_000_000 << 80 | 7 << 76 | (random >> 68 & 0xFFF) << 64
    return f"{value | 2 << 62 | random & (1 << 62) - 1:032x}"


def read_value(text: str) -> tuple[dict[str, str], list[Defect]]:
    """The fields that a slot's text holds, bare or wrapped in AIGC, and what is wrong with them.

    Never raises: whatever cannot be read is a defect.
    """
    if len(text) > LONGEST:
        return {}, [Defect("over_limit")]
    try:
        value: Any = msgspec.json.decode(text.strip().strip("\0").encode("utf-8", "surrogatepass"))
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return {}, [Defect("syntax")]
    if isinstance(value, dict) and isinstance(value.get("AIGC"), dict) and len(value) == 1:
        value = value["AIGC"]
    if not isinstance(value, dict):
        return {}, [Defect("syntax")]
    defects: list[Defect] = []
    fields: dict[str, str] = {}
    for name, given in value.items():
        known = ALIASES.get(name, name)
        if known != name or known not in FIELDS:
            defects.append(Defect("unknown_field", str(name)[:80]))
        if known in FIELDS:
            if not isinstance(given, str):
                defects.append(Defect("type", known))
            fields[known] = given if isinstance(given, str) else str(given)
    return fields, [*defects, *_weigh(fields)]


def _weigh(fields: dict[str, str]) -> list[Defect]:
    """What the rules of Annex E say about the fields."""
    defects = [Defect("missing_field", name) for name in FIELDS if name not in fields]
    defects += [Defect("missing_field", name) for name in REQUIRED if fields.get(name) == ""]
    if fields.get("Label") and fields["Label"] not in VALUES:
        defects.append(Defect("enum", "Label"))
    defects += [Defect("charset", name) for name, value in fields.items() if not fits(value)]
    for name in ("ContentProducer", "ContentPropagator"):
        if is_like_a_code(fields.get(name, "")):
            try:
                check_producer_code(fields[name])
            except Problem:
                defects.append(Defect("code_checksum", name))
    return defects
