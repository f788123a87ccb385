"""Write: put a label into a file, read it back, and only then let the file appear.

The media is not touched: a plan keeps it byte for byte, and with `paranoid` its hashes before and
after are compared. There is no way to take a label away: an old one is kept, or replaced.
"""

from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

from hegui.labels.carriers import find
from hegui.labels.carriers.carrier import Carrier, Found
from hegui.labels.label import Label
from hegui.labels.reasons import REASONS
from hegui.labels.source import File, ReadError, Source, opened
from hegui.labels.splice import Plan, beside, digest, length, pieces, save
from hegui.labels.verify import Report, judge, verify
from hegui.language import Problem

OnExisting = Literal["reject", "replace", "merge"]
_SIGNED_WITHIN = (
    512 * 1024
)  # bytes; a manifest stands near the beginning in every format that has one
_MAY_WRITE = frozenset({"compliant", "inconclusive"})


class Written(msgspec.Struct, frozen=True):
    """What was written: the label, the carrier, the file's new length, and the verification of it."""

    label: Label
    carrier: str
    size: int
    report: Report


def write(
    file: File, label: Label, out: Path | str | BinaryIO | None = None, *,
    on_existing: OnExisting = "reject", paranoid: bool = False, name: str = "",
) -> Written:  # fmt: skip
    """Put `label` into a file, or with `out` into a copy of it; the media stays identical.

    A path is replaced in one step after the copy beside it was read back; bytes need an `out`.
    `on_existing`: an old label is an error, is replaced whole, or (merge) keeps its production
    fields and gets the propagation fields of `label` (Labelling Measures, Art. 6(2)).

    Raises:
        Problem: `labels.existing`, `labels.format`, `labels.unreadable`, `labels.read-back`,
            `labels.media`, `labels.output`, or a carrier's own.
        OSError: a path cannot be read or written.
    """
    target = _target(file, out)
    try:
        with opened(file, name) as source:
            carrier = _carrier(source)
            _require_unsigned(source)
            label = _settle(carrier.read(source.fresh()), carrier, label, on_existing)
            plan = carrier.plan(source.fresh(), label.json())
            hashed = digest(source, carrier.media(source.fresh())) if paranoid else ""
            if isinstance(target, Path):
                with beside(target) as new:
                    save(file, plan, new)
                    report = _read_back(new, carrier, label, hashed, target.name)
            else:
                data = _joined(source, plan)
                report = _read_back(data, carrier, label, hashed, source.name)
                target.write(data)
    except ReadError as error:
        raise _unreadable(error) from error
    return Written(label, carrier.name, length(plan), report)


def write_bytes(
    data: bytes, label: Label, *, on_existing: OnExisting = "reject", name: str = ""
) -> bytes:
    """The same for bytes: returns the labelled file."""
    out = BytesIO()
    write(data, label, out, on_existing=on_existing, name=name)
    return out.getvalue()


def _target(file: File, out: Path | str | BinaryIO | None) -> Path | BinaryIO:
    if out is None and isinstance(file, str | Path):
        return Path(file).resolve()
    if out is None:
        raise Problem("labels.output", "Say where the labelled file goes: give `out`.")
    return Path(out) if isinstance(out, str) else out


def _carrier(source: Source) -> Carrier:
    carrier = find(source)
    if carrier is not None:
        return carrier
    raise Problem(
        "labels.format",
        "{file} is of no format that hegui labels: docs/labels.md lists them.",
        file=source.name or "-",
    )


def _require_unsigned(source: Source) -> None:
    """Refuse a file that C2PA has signed: the label would break its signature, so it comes first."""
    head = source.fresh().head(_SIGNED_WITHIN)
    if b"jumb" in head and b"c2pa" in head:
        raise Problem(
            "labels.c2pa",
            "The file is signed with Content Credentials (C2PA), and a label would break the signature: label first, sign last.",
        )


def _settle(found: Found, carrier: Carrier, label: Label, on_existing: OnExisting) -> Label:
    """The label to write, given what is there already."""
    report = judge(carrier.name, found)
    if not report.sites or on_existing == "replace":
        return label
    if on_existing == "reject":
        raise Problem(
            "labels.existing",
            "The file already has a label ({producer}, {number}): choose replace or merge, or leave it.",
            producer=report.fields.get("ContentProducer", "-")[:60],
            number=report.fields.get("ProduceID", "-")[:60],
        )
    old = report.label
    if old is None:
        raise Problem(
            "labels.merge",
            "The label in the file breaks the rules ({reasons}), so it cannot be merged: replace it.",
            reasons=", ".join(sorted(report.codes())),
        )
    return old.propagated(label.propagator, label.propagate_id, label.reserved2)


def _read_back(new: Path | bytes, carrier: Carrier, label: Label, hashed: str, name: str) -> Report:
    """Verify what was written, by the reader alone."""
    report = verify(new, name)
    if report.verdict not in _MAY_WRITE or report.label != label or len(report.sites) != 1:
        raise Problem(
            "labels.read-back",
            "The label that was written does not read back ({reasons}), so nothing was changed: report this file.",
            reasons=", ".join(sorted(report.codes())) or report.verdict,
        )
    if hashed:
        with opened(new, name) as source:
            if digest(source, carrier.media(source.fresh())) != hashed:
                raise Problem(
                    "labels.media",
                    "The media would have changed, so nothing was: report this file.",
                )
    return report


def _joined(source: Source, plan: Plan) -> bytes:
    return b"".join(pieces(source, plan))


def _unreadable(error: ReadError) -> Problem:
    return Problem(
        "labels.unreadable",
        "The file cannot be labelled: {zh} / {en} ({detail}).",
        zh=REASONS[error.code].text.zh,
        en=REASONS[error.code].text.en,
        detail=error.detail or error.code,
    )
