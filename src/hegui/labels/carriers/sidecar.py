"""Plain text: no place for a label in it, so it stands in a file beside it, `a.txt.aigc.json`.

Our convention. A label that is not in the file is lost as soon as the file travels alone: where the
format may be chosen, Markdown is the better one.
"""

from collections.abc import Sequence
from typing import Final

from hegui.labels.carriers.carrier import Carrier, Found, Site
from hegui.labels.label import LONGEST, Defect
from hegui.labels.source import ReadError, Source, opened
from hegui.labels.splice import Keep, Plan
from hegui.language import Problem, Text

SUFFIX: Final = ".aigc.json"


class Sidecar(Carrier):
    """The file beside."""

    name = "sidecar"
    title = Text(zh="标识旁文件", en="label in a file beside")
    suffixes = (SUFFIX,)
    place = "a file of its own"
    source = "-"
    own = True

    def matches(self, head: bytes, name: str) -> bool:  # noqa: ARG002 (it may be empty yet)
        return name.endswith(SUFFIX)

    def read(self, source: Source) -> Found:
        if source.size > LONGEST:
            raise ReadError("over_limit", SUFFIX)
        text = source.head(LONGEST).decode("utf-8", "replace").strip()
        return Found([Site(self.place, text, "own")] if text else [])

    def plan(self, source: Source, value: str) -> Plan:  # noqa: ARG002 (nothing else is in it)
        return [b'{"AIGC":%b}\n' % value.encode()]

    def media(self, source: Source) -> Sequence[Keep]:  # noqa: ARG002
        return []


class PlainText(Carrier):
    """The text itself: its label is that of the file beside it."""

    name = "text"
    title = Text(zh="纯文本", en="plain text")
    suffixes = (".txt",)
    place = f"a file beside it, *{SUFFIX}"
    source = "-"
    own = True

    def matches(self, head: bytes, name: str) -> bool:
        return name.endswith(self.suffixes) and b"\0" not in head

    def read(self, source: Source) -> Found:
        if source.path is None:
            return Found(faults=[Defect("no_slot")])
        try:
            with opened(source.path.with_name(source.path.name + SUFFIX)) as beside:
                return Sidecar().read(beside)
        except FileNotFoundError:
            return Found()
        except OSError as error:
            raise ReadError("malformed", f"{SUFFIX}: {error.strerror}") from error

    def plan(self, source: Source, value: str) -> Plan:  # noqa: ARG002
        raise Problem(
            "labels.beside",
            "Plain text has no place for a label: it is written into a file beside it ({file}).",
            file=f"{source.name}{SUFFIX}",
        )

    def media(self, source: Source) -> Sequence[Keep]:
        return [Keep(0, source.size)]
