"""The carriers, a file a family, and the one list of them; the first that matches reads the file."""

from typing import Final

from hegui.labels.carriers.bmp import Bmp
from hegui.labels.carriers.carrier import HEAD, Carrier
from hegui.labels.carriers.gif import Gif
from hegui.labels.carriers.jpeg import Jpeg
from hegui.labels.carriers.png import Png
from hegui.labels.carriers.tiff import Tiff
from hegui.labels.carriers.webp import Webp
from hegui.labels.source import Source

CARRIERS: Final[tuple[Carrier, ...]] = (
    Png(),
    Jpeg(),
    Webp(),
    Gif(),
    Tiff(),
    Bmp(),
)


def find(source: Source) -> Carrier | None:
    """The carrier of a file, by its first bytes or, where they say nothing, its name."""
    head = source.fresh().head(HEAD)
    return next(
        (carrier for carrier in CARRIERS if carrier.matches(head, source.name.lower())), None
    )
