"""The carriers, a file a family, and the one list of them; the first that matches reads the file."""

from typing import Final

from hegui.labels.carriers.avi import Avi
from hegui.labels.carriers.bmp import Bmp
from hegui.labels.carriers.carrier import HEAD, Carrier
from hegui.labels.carriers.epub import Epub
from hegui.labels.carriers.flac import Flac
from hegui.labels.carriers.flv import Flv
from hegui.labels.carriers.gif import Gif
from hegui.labels.carriers.heif import Avif, Heif
from hegui.labels.carriers.html import Html
from hegui.labels.carriers.jpeg import Jpeg
from hegui.labels.carriers.markdown import Markdown
from hegui.labels.carriers.matroska import Matroska
from hegui.labels.carriers.mp3 import Mp3
from hegui.labels.carriers.mp4 import M4a, Mov, Mp4
from hegui.labels.carriers.ofd import Ofd
from hegui.labels.carriers.ogg import Ogg
from hegui.labels.carriers.ooxml import Ooxml
from hegui.labels.carriers.pdf import Pdf
from hegui.labels.carriers.png import Png
from hegui.labels.carriers.raw import Adts, Pcm
from hegui.labels.carriers.riff import Wav
from hegui.labels.carriers.sidecar import PlainText, Sidecar
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
    Avif(),
    Heif(),
    Mov(),
    M4a(),
    Mp4(),
    Matroska(),
    Flv(),
    Avi(),
    Wav(),
    Flac(),
    Ogg(),
    Epub(),
    Ofd(),
    Ooxml(),
    Pdf(),
    # By weak signs, or by their names: after all that have a signature.
    Adts(),
    Pcm(),
    Mp3(),
    Markdown(),
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
