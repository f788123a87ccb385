"""The tables of docs/labels.md: places, reasons, who else sees a label, and what loses it.

Places and reasons come from the code; the others from files that are labelled now, looked at by other
people's programs, and passed through them.
"""

import importlib
import importlib.metadata
import logging
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from bench import samples
from bench.pages import table
from hegui.labels import Label, carry, read, verify, write
from hegui.labels.carriers import CARRIERS
from hegui.labels.carriers.carrier import Carrier
from hegui.labels.reasons import REASONS

LABEL: Final = Label.new("00119144030008867405X210001", "bench0123456789")
HEADS: Final = {
    "en": ("format", "files", "where the label stands", "source (confidence)"),
    "zh": ("格式", "文件", "标识的位置", "依据（可信度）"),
}
OWN: Final = {"en": "our own convention, not called compliant", "zh": "自有约定，不称合规"}
NONE: Final = {"en": "no place: refused, with advice", "zh": "没有位置：拒绝并给出建议"}
Change = Callable[[Path, Path], object]


def every() -> dict[str, str]:
    """All the tables of docs/labels.md, by the names of their marks."""
    with tempfile.TemporaryDirectory(prefix="hegui-labels-") as name:
        folder = Path(name)
        files = samples.every(folder)
        logging.getLogger("pypdf").setLevel(
            logging.CRITICAL
        )  # it tells of each file that is no PDF
        for file in files:
            write(file, LABEL)
        seen, lost = interop(files), survival(files, folder)
    told = f"Versions: {_versions()}."
    return {
        "slots": slots("en"),
        "reasons": reasons(),
        "interop": f"{told}\n\n{seen}",
        "survival": f"{told}\n\n{lost}",
    }


def _versions() -> str:
    packages = {"OpenCV": "opencv-python-headless"}
    told = [
        f"{name} {importlib.metadata.version(packages.get(name, name))}"
        for name, module in LIBRARIES.items()
        if samples.here(module)
    ]
    if shutil.which("exiftool"):
        told.append(f"ExifTool {_said('exiftool', '-ver').strip()}")
    return ", ".join([*told, f"ffmpeg {_said('ffmpeg', '-version').split()[2]}"])


def slots(language: str) -> str:
    """Where hegui writes, a row a carrier, as the carriers themselves say it."""
    return table(HEADS[language], [_slot(carrier, language) for carrier in CARRIERS])


def _slot(carrier: Carrier, language: str) -> tuple[str, ...]:
    where = NONE[language] if carrier.place == "-" else f"`{carrier.place}`"
    source = OWN[language] if carrier.own else carrier.source
    return carrier.title.say(language), " ".join(carrier.suffixes), where, source


def reasons() -> str:
    """Every reason code, as `labels.reasons` has it."""
    rows = [
        (f"`{code}`", each.text.en, each.text.zh, each.clause.en, each.confidence)
        for code, each in REASONS.items()
    ]
    return table(("code", "meaning", "含义", "clause", "confidence"), rows)


# -- who else sees it ------------------------------------------------------------------------------


def interop(files: Sequence[Path]) -> str:
    """Which other programs show the label's number, in the files they can open at all."""
    readers = {name: look for name, look in READERS.items() if look is not None}
    rows = [
        (file.suffix[1:], verify(file).verdict, *(_sees(look, file) for look in readers.values()))
        for file in files
    ]
    text = table(("file", "hegui verify", *readers), rows)
    missing = [name for name, look in READERS.items() if look is None]
    return f"Not installed here: {', '.join(missing)}.\n\n{text}" if missing else text


def _sees(look: Callable[[Path], object], file: Path) -> str:
    try:
        said = str(look(file))
    except Exception:  # noqa: BLE001 (each library has its own errors for a format that it does not know)
        return "-"
    return "yes" if LABEL.produce_id in said else "no"


def _exiftool(file: Path) -> str:
    return _said("exiftool", "-a", "-ee", str(file))


def _ffprobe(file: Path) -> str:
    return _said("ffprobe", "-v", "error", "-show_format", "-show_streams", str(file))


def _said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def _pillow(file: Path) -> object:
    from PIL import Image

    with Image.open(file) as picture:
        return picture.info, dict(getattr(picture, "tag_v2", {}))


def _pypdf(file: Path) -> object:
    import pypdf

    return pypdf.PdfReader(file).metadata


def _pikepdf(file: Path) -> object:
    import pikepdf

    with pikepdf.open(file) as document:
        return {str(key): str(value) for key, value in document.docinfo.items()}


def _openpyxl(file: Path) -> object:
    import openpyxl

    return [each.value for each in openpyxl.load_workbook(file).custom_doc_props.props]


def _program(name: str, look: Callable[[Path], object]) -> Callable[[Path], object] | None:
    return look if shutil.which(name) else None


def _package(name: str, look: Callable[[Path], object]) -> Callable[[Path], object] | None:
    return look if samples.here(name) else None


READERS: Final = {
    "ExifTool": _program("exiftool", _exiftool),
    "ffprobe": _program("ffprobe", _ffprobe),
    "Pillow": _package("PIL", _pillow),
    "pypdf": _package("pypdf", _pypdf),
    "pikepdf": _package("pikepdf", _pikepdf),
    "openpyxl": _package("openpyxl", _openpyxl),
}


# -- what loses it ---------------------------------------------------------------------------------


def survival(files: Sequence[Path], folder: Path) -> str:
    """Whether a label outlives what is commonly done to a file, and what `carry` makes of it."""
    by_kind = {file.suffix[1:]: file for file in files}
    rows = [
        (name, f"{before} → {after}" if before != after else before, *cells)
        for name, before, after, change in _changes()
        if before in by_kind
        for cells in [_outlived(by_kind[before], folder / f"new.{after}", change)]
    ]
    missing = [name for name, module in LIBRARIES.items() if not samples.here(module)]
    text = table(("operation", "file", "label afterwards", "after `hegui carry`"), rows)
    return f"Not installed here: {', '.join(missing)}.\n\n{text}" if missing else text


def _outlived(old: Path, new: Path, change: Change) -> tuple[str, str]:
    change(old, new)
    kept = "kept" if read(new) == LABEL else "lost"
    carry(old, new)
    again = verify(new)
    return kept, "present" if again.label == LABEL else "lost"


LIBRARIES: Final = {
    "Pillow": "PIL", "OpenCV": "cv2", "pypdf": "pypdf", "pikepdf": "pikepdf",
    "python-docx": "docx", "openpyxl": "openpyxl", "python-pptx": "pptx",
}  # fmt: skip
_KINDS: Final[dict[str, tuple[str, ...]]] = {
    "Pillow, open and save": samples.PILLOW,
    "Pillow, half the size": ("png", "jpg", "webp"),
    "OpenCV, read and write": ("png", "jpg", "webp", "tiff"),
    "ffmpeg, re-encode": ("png", "jpg", "webp"),
    "ffmpeg -c copy": tuple(samples.FFMPEG),
    "ffmpeg -c copy -movflags use_metadata_tags": ("mp4", "mov", "m4a"),
    "python-docx, open and save": ("docx",),
    "openpyxl, open and save": ("xlsx",),
    "python-pptx, open and save": ("pptx",),
    "pypdf, clone": ("pdf",),
    "pypdf, append to another": ("pdf",),
    "pikepdf, open and save": ("pdf",),
}
_CONVERSIONS: Final = (
    ("Pillow, convert", "png", "webp"), ("Pillow, convert", "png", "jpg"),
    ("ffmpeg, convert", "mp4", "mkv"), ("ffmpeg, convert", "mkv", "mp4"),
    ("ffmpeg, convert", "mp3", "wav"), ("ffmpeg, convert", "wav", "mp3"),
    ("ffmpeg, convert", "flac", "mp3"),
)  # fmt: skip


def _changes() -> list[tuple[str, str, str, Change]]:
    """What is done, to which kind of file, which becomes which, and how."""
    listed = [(name, kind, kind) for name, kinds in _KINDS.items() for kind in kinds]
    usable = []
    for name, before, after in [*listed, *_CONVERSIONS]:
        library = LIBRARIES.get(name.partition(",")[0])
        if library is None or samples.here(library):
            usable.append((name, before, after, CHANGES[name]))
    return usable


def _pillow_saved(old: Path, new: Path, shrink: int = 1) -> None:
    from PIL import Image

    with Image.open(old) as picture:
        small = picture.resize((picture.width // shrink, picture.height // shrink))
        (picture if shrink == 1 else small).save(new)


def _opencv(old: Path, new: Path) -> None:
    cv2: Any = importlib.import_module("cv2")
    cv2.imwrite(str(new), cv2.imread(str(old)))


def _copied(old: Path, new: Path, *options: str) -> None:
    samples.ffmpeg("-i", str(old), *options, str(new))


def _saved(module: str, opener: str) -> Change:
    def change(old: Path, new: Path) -> None:
        library: Any = importlib.import_module(module)
        getattr(library, opener)(str(old)).save(str(new))

    return change


def _pypdf_clone(old: Path, new: Path) -> None:
    import pypdf

    pypdf.PdfWriter(clone_from=old).write(new)


def _pypdf_append(old: Path, new: Path) -> None:
    import pypdf

    writer = pypdf.PdfWriter()
    writer.append(old)
    writer.write(new)


CHANGES: Final[dict[str, Change]] = {
    "Pillow, open and save": _pillow_saved,
    "Pillow, convert": _pillow_saved,
    "Pillow, half the size": lambda old, new: _pillow_saved(old, new, 2),
    "OpenCV, read and write": _opencv,
    "ffmpeg, re-encode": _copied,
    "ffmpeg, convert": _copied,
    "ffmpeg -c copy": lambda old, new: _copied(old, new, "-c", "copy"),
    "ffmpeg -c copy -movflags use_metadata_tags": lambda old, new: _copied(
        old, new, "-c", "copy", "-movflags", "use_metadata_tags"
    ),
    "python-docx, open and save": _saved("docx", "Document"),
    "openpyxl, open and save": _saved("openpyxl", "load_workbook"),
    "python-pptx, open and save": _saved("pptx", "Presentation"),
    "pypdf, clone": _pypdf_clone,
    "pypdf, append to another": _pypdf_append,
    "pikepdf, open and save": _saved("pikepdf", "open"),
}
