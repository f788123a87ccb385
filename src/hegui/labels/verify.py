"""Verify: whether a file bears the implicit label that the rules ask for, and if not, why not."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from hegui.labels.carriers import find
from hegui.labels.carriers.carrier import Found, Site
from hegui.labels.label import Defect, Label, read_value
from hegui.labels.source import File, ReadError, Source, opened
from hegui.language import Problem

Verdict = Literal["compliant", "noncompliant", "not_found", "inconclusive"]
SCHEMA: str = "hegui.verify/1"
# Codes that say that nothing can be said.
_UNSAID = frozenset(
    {"truncated", "malformed", "over_limit", "unknown_format", "wiped", "encrypted"}
)


class Report(msgspec.Struct, frozen=True):
    """What verification found.

    `fields` are those of the first label, as they stand; `reasons` why the verdict is not
    `compliant`, each with a code of `labels.reasons`.
    """

    verdict: Verdict
    carrier: str
    reasons: tuple[Defect, ...] = ()
    fields: dict[str, str] = {}
    sites: tuple[Site, ...] = ()
    schema: str = SCHEMA

    @property
    def label(self) -> Label | None:
        """The label, if its fields make one; None otherwise."""
        try:
            return Label.of(self.fields) if self.fields else None
        except Problem:
            return None

    def codes(self) -> set[str]:
        return {reason.code for reason in self.reasons}


def verify(file: File, name: str = "") -> Report:
    """Verify one file: a path, its bytes, or a binary file object.

    `name` is the file's name, for formats without a signature of their own. Raises OSError where a
    path cannot be opened; whatever is wrong with its content is in the report.
    """
    try:
        with opened(file, name) as source:
            return _verify(source)
    except ReadError as error:
        return Report("inconclusive", "", (Defect(error.code, error.detail),))


def read(file: File, name: str = "") -> Label | None:
    """The file's label, wherever it stands; None where there is none that can be understood."""
    return verify(file, name).label


def _verify(source: Source) -> Report:
    carrier = find(source)
    if carrier is None:
        return Report("inconclusive", "", (Defect("unknown_format"),))
    try:
        found = carrier.read(source)
    except ReadError as error:
        found = Found(faults=[Defect(error.code, error.detail)])
    return judge(carrier.name, found)


def judge(carrier: str, found: Found) -> Report:
    """The verdict on what a reader found."""
    full = [site for site in found.sites if site.value.strip().strip("\0")]
    reasons = list(found.faults)
    if len(full) < len(found.sites):
        reasons.append(Defect("wiped"))
    if not full:
        nothing = Defect("missing")
        said: Verdict = "inconclusive" if any(r.code in _UNSAID for r in reasons) else "not_found"
        return Report(said, carrier, tuple([*reasons, nothing] if said == "not_found" else reasons))
    read_values = [read_value(site.value) for site in full]
    fields = next((fields for fields, _ in read_values if fields), {})
    reasons += _of_places(full, [fields for fields, _ in read_values])
    reasons += dict.fromkeys(defect for _, defects in read_values for defect in defects)
    verdict: Verdict = "compliant" if not reasons else "noncompliant"
    if {each.code for each in reasons} & (_UNSAID | {"own_convention"}):
        findings = {each.code for each in reasons} - _UNSAID - {"own_convention"}
        verdict = "noncompliant" if findings else "inconclusive"
    return Report(verdict, carrier, tuple(reasons), fields, tuple(full))


def _of_places(sites: Sequence[Site], values: Sequence[dict[str, str]]) -> list[Defect]:
    """What is wrong with where labels stand, and how many there are."""
    defects: list[Defect] = []
    if len(sites) > 1:
        same = all(value == values[0] for value in values)
        places = ", ".join(site.place for site in sites[:6])
        defects.append(Defect("duplicate" if same else "disagreement", places))
    if not any(site.slot == "guide" for site in sites):
        own = any(site.slot == "own" for site in sites)
        defects.append(Defect("own_convention" if own else "wrong_slot", sites[0].place))
    return defects
