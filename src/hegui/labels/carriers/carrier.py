"""What a carrier is: a family of file formats, where its label stands, how it is read and written."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Final, Literal

import msgspec

from hegui.labels.label import Defect
from hegui.labels.source import Source
from hegui.labels.splice import Keep, Plan
from hegui.language import Text

# `guide`: the place that the practice guides give; `met`: found in the wild, read and never written;
# `own`: our own convention, for a format without a place, never called compliant.
Slot = Literal["guide", "met", "own"]


class Site(msgspec.Struct, frozen=True):
    """A place where a label stands: its value as it is there, and whether it is the right one.

    `value` "" is a place that was emptied.
    """

    place: str  # as in docs/labels.md: "iTXt XMP", "EXIF UserComment" …
    value: str
    slot: Slot = "guide"


class Found(msgspec.Struct):
    """Everything a carrier's reader has found; faults are why there may be more."""

    sites: list[Site] = msgspec.field(default_factory=list)
    faults: list[Defect] = msgspec.field(default_factory=list)


class Carrier(ABC):
    """Reads and writes the label of one format. One object serves all files, in any thread.

    `read` never raises anything but `ReadError`, and never reads coded media. `plan` raises `Problem`
    for a file that cannot be labelled (signed, encrypted, too old a version), `ReadError` as `read`.
    """

    name: ClassVar[str]  # "png"
    title: ClassVar[Text]
    suffixes: ClassVar[tuple[str, ...]]  # for the documentation, and formats without a signature
    place: ClassVar[str]  # where it writes
    source: ClassVar[str]  # what says so, and how sure we are: "TC260-PG-20259A (M)"
    own: ClassVar[bool] = False  # our own convention

    @abstractmethod
    def matches(self, head: bytes, name: str) -> bool:
        """Whether these first bytes (up to 4,096), or the file's name, are of this format."""

    @abstractmethod
    def read(self, source: Source) -> Found:
        """Every label in the file, wherever it stands."""

    @abstractmethod
    def plan(self, source: Source, value: str) -> Plan:
        """The file with `value` as its only label; one that stands elsewhere makes way for it."""

    @abstractmethod
    def media(self, source: Source) -> Sequence[Keep]:
        """The ranges of coded media (scan data, samples, page content), which no plan may change."""


HEAD: Final = 4096
