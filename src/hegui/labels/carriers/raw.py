"""Sound without a container, which has no place for a label: refused, with advice."""

from collections.abc import Sequence
from typing import ClassVar

from hegui.labels.carriers import id3
from hegui.labels.carriers.carrier import Carrier, Found
from hegui.labels.label import Defect
from hegui.labels.source import ReadError, Source
from hegui.labels.splice import Keep, Plan
from hegui.language import Problem, Text


class _Raw(Carrier):
    """A label that stands in an ID3 tag before the stream is read, as met in the wild."""

    place = "-"
    source = "TC260-PG-202510A has no place for it (M)"
    instead: ClassVar[str]  # the format that has a place

    def read(self, source: Source) -> Found:
        found = Found(faults=[Defect("no_slot", self.instead)])
        try:
            for tag in id3.leading(source)[0]:
                found.sites += [label.site(guide=False) for label in id3.labels(source, tag)]
        except ReadError as error:
            found.faults.append(Defect(error.code, error.detail))
        return found

    def plan(self, source: Source, value: str) -> Plan:  # noqa: ARG002 (there is no plan)
        raise Problem(
            "labels.no-slot",
            "{format} has no place for a label: save the sound as {instead} (ffmpeg can), then label that.",
            format=self.name.upper(),
            instead=self.instead,
        )

    def media(self, source: Source) -> Sequence[Keep]:
        return [Keep(0, source.size)]


class Adts(_Raw):
    name = "adts"
    title = Text(zh="裸 AAC 音频流（ADTS）", en="Raw AAC (ADTS)")
    suffixes = (".aac", ".adts")
    instead = "M4A"

    def matches(self, head: bytes, name: str) -> bool:
        after = id3.after(head)
        return is_adts(head[after:]) or (after > 0 and name.endswith(self.suffixes))


class Pcm(_Raw):
    name = "pcm"
    title = Text(zh="裸 PCM 音频流", en="Raw PCM")
    suffixes = (".pcm",)
    instead = "WAV"

    def matches(self, head: bytes, name: str) -> bool:  # noqa: ARG002 (it has no signature)
        return name.endswith(self.suffixes)


def is_adts(data: bytes) -> bool:
    """Whether a frame of ADTS stands here: its sync word, layer 0, a sampling rate that exists."""
    return len(data) >= 7 and data[0] == 0xFF and data[1] & 0xF6 == 0xF0 and data[2] >> 2 & 15 < 13
