"""The label of a plain text, in a file beside it: our own convention, never called compliant."""

from pathlib import Path

from hegui.labels.carriers.sidecar import SUFFIX
from hegui.labels.label import Label
from hegui.labels.write import OnExisting, Written, write


def write_beside(path: Path | str, label: Label, *, on_existing: OnExisting = "reject") -> Written:
    """Write the label of a file into another beside it; `verify` of the text looks there.

    Raises as `write`, and FileNotFoundError where there is no such text.
    """
    text = Path(path).resolve(strict=True)
    target = text.with_name(text.name + SUFFIX)
    old = target if target.exists() else b""
    return write(old, label, target, on_existing=on_existing, name=target.name)
