"""Carry over: what a re-encode loses, `carry` puts back, for every format and program that is here."""

import shutil
import subprocess
from pathlib import Path

import pytest

from hegui.labels import carry, verify, write
from hegui.language import Problem
from labels.documents import LABEL, OTHER
from labels.mutations import FILES

needs_ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="no ffmpeg")


def pillow(source: Path, target: Path) -> None:
    with pytest.importorskip("PIL.Image").open(source) as image:
        image.convert("RGB").resize((8, 8)).save(target)


def opencv(source: Path, target: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    assert cv2.imwrite(str(target), cv2.imread(str(source)))


def ffmpeg(source: Path, target: Path) -> None:
    command = ["ffmpeg", "-v", "error", "-i", source, "-map_metadata", "-1", target]
    subprocess.run(command, check=True, timeout=60)


def ffmpeg_copy(source: Path, target: Path) -> None:
    command = ["ffmpeg", "-v", "error", "-i", source, "-c", "copy", target]
    subprocess.run(command, check=True, timeout=60)


PICTURES = [
    ("png-picture.png", "png"), ("png-picture.png", "jpg"), ("jpeg-picture.jpeg", "jpeg"),
    ("jpeg-picture.jpeg", "webp"), ("webp-picture.webp", "webp"), ("tiff-picture.tiff", "tiff"),
]  # fmt: skip
SOUND_AND_FILM = [
    ("mp4-film.mp4", "mp4"), ("mp4-film.mp4", "mkv"), ("mov-film.mov", "mov"),
    ("matroska-film.mkv", "mkv"), ("flv-film.flv", "flv"), ("avi-film.avi", "avi"),
    ("wav-sound.wav", "wav"), ("flac-sound.flac", "flac"), ("ogg-opus.opus", "opus"),
    ("m4a-sound.m4a", "m4a"), ("mp3-sound.mp3", "mp3"),
]  # fmt: skip
CASES = [
    *((program, *case) for program in (pillow, opencv) for case in PICTURES),
    *(pytest.param(ffmpeg, *case, marks=needs_ffmpeg) for case in [*PICTURES[:3], *SOUND_AND_FILM]),
    *(pytest.param(ffmpeg_copy, *case, marks=needs_ffmpeg) for case in SOUND_AND_FILM[:1]),
]


@pytest.mark.parametrize(("program", "name", "suffix"), CASES)
def test_a_label_lost_on_the_way_is_put_back(tmp_path, program, name, suffix):
    source, target = tmp_path / name, tmp_path / f"new.{suffix}"
    source.write_bytes(FILES[name])
    write(source, LABEL)
    program(source, target)
    assert verify(target).verdict == "not_found"
    done = carry(source, target)
    assert (done.label, done.report.verdict) == (LABEL, "compliant")
    assert verify(target).label == LABEL


def test_the_source_s_label_replaces_another(tmp_path):
    source, other = FILES["png-labelled-picture.png"], tmp_path / "b.webp"
    other.write_bytes(FILES["webp-exif.webp"])
    out = tmp_path / "c.webp"
    carry(source, other, out)
    assert verify(out).label == OTHER
    assert other.read_bytes() == FILES["webp-exif.webp"]


@pytest.mark.parametrize("name", ["png-picture.png", "bmp-picture.bmp", "pcm-sound.pcm"])
def test_a_source_without_a_label_has_nothing_to_give(tmp_path, name):
    with pytest.raises(Problem) as caught:
        carry(FILES[name], FILES["png-picture.png"], tmp_path / "out.png")
    assert caught.value.code == "labels.nothing"
    assert list(tmp_path.iterdir()) == []
