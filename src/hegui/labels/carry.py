"""Carry over: put a label back after a re-encode has lost it.

Thumbnailers, Pillow, OpenCV and ffmpeg drop the label (docs/labels.md has the table), so whoever
re-encodes must take it along: Deep Synthesis Provisions, Art. 18, and Labelling Measures, Art. 10.
"""

from pathlib import Path
from typing import BinaryIO

from hegui.labels.source import File
from hegui.labels.verify import verify
from hegui.labels.write import Written, write
from hegui.language import Problem


def carry(src: File, dst: File, out: Path | str | BinaryIO | None = None) -> Written:
    """Give `dst`, made from `src`, the label of `src`; in place, or into `out`.

    A label that `dst` already has is replaced by that of its source. Raises `Problem`
    `labels.nothing` where `src` has no label that keeps to the rules, else as `write`.
    """
    label = verify(src).label
    if label is None:
        raise Problem(
            "labels.nothing",
            "The source has no label that could be carried over: `hegui verify` says why.",
        )
    return write(dst, label, out, on_existing="replace")
