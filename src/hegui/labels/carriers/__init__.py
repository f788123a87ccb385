"""The carriers, a file a family, and the one list of them; the first that matches reads the file."""

from typing import Final

from hegui.labels.carriers.carrier import HEAD, Carrier
from hegui.labels.carriers.heif import Avif, Heif
from hegui.labels.carriers.mp4 import M4a, Mov, Mp4
from hegui.labels.carriers.epub import Epub
from hegui.labels.carriers.html import Html
from hegui.labels.carriers.markdown import Markdown
from hegui.labels.carriers.ofd import Ofd
from hegui.labels.carriers.ooxml import Ooxml
from hegui.labels.carriers.pdf import Pdf
from hegui.labels.carriers.png import Png
from hegui.labels.carriers.sidecar import PlainText, Sidecar
from hegui.labels.source import Source

CARRIERS: Final[tuple[Carrier, ...]] = (
    Png(),
    Avif(),
    Heif(),
    Mov(),
    M4a(),
    Mp4(),
    Epub(),
    Ofd(),
    Ooxml(),
    Pdf(),
    Markdown(),  # by their names: after all that have a signature
    PlainText(),
    Sidecar(),
    Html(),
)


def find(source: Source) -> Carrier | None:
    """The carrier of a file, by its first bytes or, where they say nothing, its name."""
    head = source.fresh().head(HEAD)
    return next(
        (carrier for carrier in CARRIERS if carrier.matches(head, source.name.lower())), None
    )
