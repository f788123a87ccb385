"""Classify: what a platform does with a file that is uploaded (Labelling Measures, Art. 6)."""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from hegui.labels.label import IS_GENERATED, MAY_BE, SUSPECTED, Label
from hegui.labels.source import File
from hegui.labels.verify import Report, verify
from hegui.language import Text

Grade = Literal["confirmed", "possible", "suspected", "none"]

# What stands around the content, for each grade: own words, both elements of GB 45438-2025, 5.
NOTICES: Final[dict[Grade, Text]] = {
    "confirmed": Text(zh="该内容为人工智能生成", en="This content is AI-generated"),
    "possible": Text(zh="该内容可能为人工智能生成（发布者声明）", en="This content may be AI-generated (declared by its publisher)"),
    "suspected": Text(zh="该内容疑似人工智能生成", en="This content is suspected to be AI-generated"),
}  # fmt: skip
_LABELS: Final = {"confirmed": IS_GENERATED, "possible": MAY_BE, "suspected": SUSPECTED}


class Classified(msgspec.Struct, frozen=True):
    """The grade of an upload, why, what to show beside it, and the label it should go on with.

    `update` is None where the producer is unknown: what then stands as producer is not laid down in
    what we could read, so nothing is guessed (a question for counsel).
    """

    grade: Grade
    article: str
    notice: Text | None
    report: Report
    update: Label | None


def classify(
    file: File, *, declared: bool = False, traces: Sequence[str] = (), platform: str = "",
    number: str = "", name: str = "",
) -> Classified:  # fmt: skip
    """Grade a file by its metadata, then by what its publisher declared, then by traces.

    `declared`: the publisher said that it is generated. `traces`: what a detector found, an explicit
    label among others. With `platform` (a code or name) and `number`, `update` is the label with the
    platform's propagation fields; the producer's fields are untouched.

    Raises:
        Problem: as `Label`, for `platform` and `number`.
    """
    report = verify(file, name)
    grade, article = _grade(report, declared=declared, traces=traces)
    update = None
    if grade != "none" and platform and (label := report.label):
        update = label.propagated(platform, number, label=_LABELS[grade])
    return Classified(grade, article, NOTICES.get(grade), report, update)


def _grade(report: Report, *, declared: bool, traces: Sequence[str]) -> tuple[Grade, str]:
    said = report.fields.get("Label")
    if said == IS_GENERATED:
        return "confirmed", "LB-6.1"
    if said == MAY_BE or declared:
        return "possible", "LB-6.2"
    if said == SUSPECTED or traces or report.sites or "wiped" in report.codes():
        return "suspected", "LB-6.3"
    return "none", ""
