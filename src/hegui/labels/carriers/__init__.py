"""The carriers, a file a family, and the one list of them; the first that matches reads the file."""

from typing import Final

from hegui.labels.carriers.avi import Avi
from hegui.labels.carriers.carrier import HEAD, Carrier
from hegui.labels.carriers.flac import Flac
from hegui.labels.carriers.flv import Flv
from hegui.labels.carriers.matroska import Matroska
from hegui.labels.carriers.mp3 import Mp3
from hegui.labels.carriers.ogg import Ogg
from hegui.labels.carriers.png import Png
from hegui.labels.carriers.raw import Adts, Pcm
from hegui.labels.carriers.riff import Wav
from hegui.labels.source import Source

CARRIERS: Final[tuple[Carrier, ...]] = (
    Png(),
    Matroska(),
    Flv(),
    Avi(),
    Wav(),
    Flac(),
    Ogg(),
    Adts(),
    Pcm(),
    Mp3(),
)


def find(source: Source) -> Carrier | None:
    """The carrier of a file, by its first bytes or, where they say nothing, its name."""
    head = source.fresh().head(HEAD)
    return next(
        (carrier for carrier in CARRIERS if carrier.matches(head, source.name.lower())), None
    )
