"""Files of every format that hegui labels, made by other people's programs."""

import importlib.util
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

SECOND: Final = ("-f", "lavfi", "-i", "sine=d=1")
FILM: Final = ("-f", "lavfi", "-i", "testsrc=d=1:s=64x48:r=10", *SECOND)
PILLOW: Final = ("png", "jpg", "webp", "gif", "tiff", "avif")
FFMPEG: Final[dict[str, tuple[str, ...]]] = {
    "mp4": (*FILM, "-c:v", "mpeg4"),
    "mov": (*FILM, "-c:v", "mpeg4"),
    "m4a": SECOND,
    "mkv": (*FILM, "-c:v", "mpeg4"),
    "webm": (*FILM, "-c:v", "libvpx", "-c:a", "libopus"),
    "flv": (*FILM, "-c:v", "flv1", "-ar", "44100", "-c:a", "libmp3lame"),
    "avi": (*FILM, "-c:v", "mpeg4"),
    "wav": SECOND,
    "flac": SECOND,
    "ogg": (*SECOND, "-c:a", "libvorbis"),
    "opus": (*SECOND, "-c:a", "libopus"),
    "mp3": SECOND,
}
MARKDOWN: Final = "# 标题\n\nText.\n"
HTML: Final = '<!DOCTYPE html><html><head><meta charset="utf-8"></head><body>x</body></html>\n'
CONTAINER: Final = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0"><rootfiles>'
    '<rootfile full-path="p.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)
PACKAGE: Final = (
    '<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata '
    'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>t</dc:title></metadata></package>'
)
OFD: Final = (
    '<ofd:OFD xmlns:ofd="http://www.ofdspec.org/2016" Version="1.0"><ofd:DocBody><ofd:DocInfo>'
    "<ofd:DocID>1</ofd:DocID></ofd:DocInfo></ofd:DocBody></ofd:OFD>"
)


def ffmpeg(*arguments: str) -> None:
    """Run ffmpeg; raises CalledProcessError with what it said."""
    command = ["ffmpeg", "-v", "error", "-y", "-nostdin", *arguments]
    subprocess.run(command, check=True, capture_output=True, timeout=600)


def here(module: str) -> bool:
    """Whether a Python package is installed."""
    return importlib.util.find_spec(module) is not None


def every(folder: Path) -> list[Path]:
    """A file of each format, unlabelled; those whose maker is not installed are left out."""
    made = [*_pictures(folder), *_documents(folder), *_texts(folder)]
    for suffix, how in FFMPEG.items():
        made.append(folder / f"a.{suffix}")
        ffmpeg(*how, str(made[-1]))
    return made


def _pictures(folder: Path) -> list[Path]:
    if not here("PIL"):
        return []
    from PIL import Image

    made = [folder / f"a.{suffix}" for suffix in PILLOW]
    if here("pillow_heif"):
        import pillow_heif

        pillow_heif.register_heif_opener()
        made.append(folder / "a.heic")
    for path in made:
        Image.linear_gradient("L").convert("RGB").save(path)
    return made


def _documents(folder: Path) -> list[Path]:
    makers: dict[str, tuple[str, Callable[[Path], None]]] = {
        "docx": ("docx", _word),
        "xlsx": ("openpyxl", _excel),
        "pptx": ("pptx", _slides),
        "pdf": ("pypdf", _pdf),
    }
    made = []
    for suffix, (module, make) in makers.items():
        if here(module):
            made.append(folder / f"a.{suffix}")
            make(made[-1])
    return made


def _word(path: Path) -> None:
    import docx

    docx.Document().save(str(path))


def _excel(path: Path) -> None:
    import openpyxl

    openpyxl.Workbook().save(path)


def _slides(path: Path) -> None:
    import pptx

    pptx.Presentation().save(str(path))


def _pdf(path: Path) -> None:
    import pypdf

    writer = pypdf.PdfWriter()
    writer.add_blank_page(200, 200)
    writer.write(path)


def _texts(folder: Path) -> list[Path]:
    archives = {
        "epub": {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": CONTAINER,
            "p.opf": PACKAGE,
        },
        "ofd": {"OFD.xml": OFD},
    }
    for suffix, files in archives.items():
        with zipfile.ZipFile(folder / f"a.{suffix}", "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)
    (folder / "a.md").write_text(MARKDOWN, "utf-8")
    (folder / "a.html").write_text(HTML, "utf-8")
    return [folder / f"a.{suffix}" for suffix in ("epub", "ofd", "md", "html")]
