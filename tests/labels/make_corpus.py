"""Makes tests/labels/corpus: small files of every carrier, from which test_fuzz.py makes hostile ones.

Run by hand, where ffmpeg, Pillow and pillow-heif are: `PYTHONPATH=src:tests python -m labels.make_corpus`.
A file's family is its name up to the first hyphen, the name of its carrier.
"""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from hegui.labels import write_bytes
from hegui.language import Problem
from labels.documents import LABEL, OTHER
from labels.films import box, fragmented, freeform, movie, packet, picture
from labels.test_archives import package, packed
from labels.test_pdf import classic, hybrid, predicted

FOLDER = Path(__file__).with_name("corpus")
_VIDEO = "-f lavfi -i color=red:s=16x16:r=2:d=1"
_SOUND = "-f lavfi -i sine=440:d=0.1:r=8000 -ac 1"
FFMPEG = {
    "mp4-film.mp4": f"{_VIDEO} -c:v mpeg4",
    "mov-film.mov": f"{_VIDEO} -c:v mpeg4",
    "m4a-sound.m4a": f"{_SOUND} -c:a aac -metadata title=x",
    "matroska-film.mkv": f"{_VIDEO} -c:v mpeg4 -metadata title=x",
    "matroska-web.webm": f"{_SOUND.replace('8000', '48000')} -c:a libopus -b:a 8k",
    "flv-film.flv": f"{_VIDEO} -c:v flv",
    "avi-film.avi": f"{_VIDEO} -c:v mpeg4",
    "wav-sound.wav": f"{_SOUND} -c:a pcm_u8 -metadata title=x",
    "flac-sound.flac": f"{_SOUND} -metadata title=x",
    "ogg-opus.opus": f"{_SOUND.replace('8000', '48000')} -c:a libopus -b:a 8k",
    "ogg-vorbis.ogg": f"{_SOUND} -c:a libvorbis",
    "mp3-sound.mp3": f"{_SOUND} -c:a libmp3lame -b:a 8k -metadata title=x",
    "adts-sound.aac": f"{_SOUND} -c:a aac -f adts",
}
PICTURES = {
    "png": "PNG", "jpeg": "JPEG", "webp": "WEBP", "gif": "GIF", "tiff": "TIFF", "bmp": "BMP",
    "heic": "HEIF", "avif": "AVIF",
}  # fmt: skip


def media(folder: Path) -> dict[str, bytes]:
    found = {}
    for name, how in FFMPEG.items():
        path = folder / name
        command = ["ffmpeg", "-v", "error", "-y", *how.split(), "-bitexact", path]
        subprocess.run(command, check=True)
        found[name] = path.read_bytes()
    return found


def pictures(folder: Path) -> dict[str, bytes]:
    import pillow_heif
    from PIL import Image, PngImagePlugin

    pillow_heif.register_heif_opener()
    found = {}
    for family, kind in PICTURES.items():
        path = folder / f"{family}-picture.{family}"
        Image.new("RGB", (16, 16), (200, 30, 30)).save(path, kind)
        found[path.name] = path.read_bytes()
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", packet().decode(), zip=True)
    texts.add_text("AIGC", LABEL.json(), zip=True)
    exif = Image.Exif()
    exif[0x9286] = b"ASCII\0\0\0" + json.dumps({"AIGC": LABEL.fields()}).encode()
    small = Image.new("RGB", (4, 4))
    small.save(folder / "png-texts.png", pnginfo=texts, exif=exif)
    small.save(folder / "jpeg-exif.jpeg", exif=exif, comment=LABEL.json())
    small.save(folder / "webp-exif.webp", exif=exif)
    small.save(folder / "gif-comment.gif", comment=LABEL.json().encode())
    for path in folder.glob("*-[tec][exo]*.*"):
        found[path.name] = path.read_bytes()
    return found


def documents() -> dict[str, bytes]:
    value = LABEL.json()
    book = '<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata/></package>'
    where = '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    where += '<rootfile full-path="a.opf"/></rootfiles></container>'
    ofd = '<ofd:OFD xmlns:ofd="http://www.ofdspec.org/2016"><ofd:DocBody><ofd:DocInfo/></ofd:DocBody></ofd:OFD>'
    epub = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": where,
        "a.opf": book,
    }
    return {
        "ooxml-word.docx": package(),
        "epub-book.epub": packed(epub, compression=0),
        "ofd-page.ofd": packed({"OFD.xml": ofd}),
        "pdf-classic.pdf": classic(),
        "pdf-hybrid.pdf": hybrid(),
        "pdf-predicted.pdf": predicted(),
        "markdown-plain.md": b"---\ntitle: x\n---\n# a\n",
        "markdown-comment.md": f'# a\n<!-- {{"AIGC":{value}}} -->\n'.encode(),
        "html-page.html": b"<!doctype html><html><head><title>x</title></head><body>y</body></html>",
        "html-comment.html": f"<html><!-- AIGC: {value} --><body>y".encode(),
        "sidecar-old.aigc.json": f'{{"AIGC":{value}}}'.encode(),
        "pcm-sound.pcm": bytes(range(64)),
    }


def films() -> dict[str, bytes]:
    return {
        "mp4-fragmented.mp4": fragmented(),
        "mp4-tagged.mp4": movie(layout="last", udta=box(b"udta", freeform(b"AIGC", LABEL.json()))),
        "heic-items.heic": picture(),
    }


def labelled(files: dict[str, bytes]) -> dict[str, bytes]:
    """The same files with a label in its place, where there is one."""
    found = {}
    for name, data in files.items():
        family, _, rest = name.partition("-")
        try:
            found[f"{family}-labelled-{rest}"] = write_bytes(
                data, OTHER, name=name, on_existing="replace"
            )
        except Problem as problem:
            print(f"{name}: no label ({problem.code})")  # noqa: T201
    return found


def main() -> None:
    if FOLDER.exists():
        shutil.rmtree(FOLDER)
    FOLDER.mkdir()
    with tempfile.TemporaryDirectory() as folder:
        files = media(Path(folder)) | pictures(Path(folder)) | documents() | films()
    for name, data in (files | labelled(files)).items():
        (FOLDER / name).write_bytes(data)


if __name__ == "__main__":
    main()
