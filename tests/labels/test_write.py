"""Writing: an old label's fate, and that a failure leaves everything as it was."""

import multiprocessing
import os
import signal
import sys
import time
from io import BytesIO

import pytest

from hegui.labels import splice, verify, write, write_bytes
from hegui.labels.carriers.png import Png
from hegui.labels.splice import Keep
from hegui.language import Problem
from labels.documents import LABEL, OTHER
from labels.mutations import FILES

PLAIN = FILES["png-picture.png"]
OLD = write_bytes(PLAIN, LABEL)


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(PLAIN)
    path.chmod(0o640)
    return path


def names(folder):
    return [path.name for path in folder.iterdir()]


def refused(*arguments, **more):
    with pytest.raises(Problem) as caught:
        write(*arguments, **more)
    assert caught.value.say("en")
    assert caught.value.say("zh")
    return caught.value.code


def test_an_old_label_is_refused_replaced_or_merged():
    assert refused(OLD, OTHER, BytesIO()) == "labels.existing"
    assert verify(write_bytes(OLD, OTHER, on_existing="replace")).label == OTHER
    merged = verify(write_bytes(OLD, OTHER, on_existing="merge")).label
    assert merged == LABEL.propagated(OTHER.propagator, OTHER.propagate_id)


def test_what_breaks_the_rules_cannot_be_merged_but_replaced():
    broken = OLD.replace(b"number-1", b"number 1")
    assert verify(broken).codes() == {"charset"}
    assert refused(broken, OTHER, BytesIO(), on_existing="merge") == "labels.merge"
    assert verify(write_bytes(broken, OTHER, on_existing="replace")).label == OTHER


def test_paths_bytes_and_file_objects_give_the_same(picture, tmp_path):
    done = write(str(picture), LABEL)
    assert picture.read_bytes() == OLD
    assert (done.size, done.carrier, done.report.verdict) == (len(OLD), "png", "compliant")
    assert picture.stat().st_mode & 0o777 == 0o640
    out = BytesIO()
    write(BytesIO(PLAIN), LABEL, out, paranoid=True)
    assert out.getvalue() == OLD
    write(PLAIN, LABEL, tmp_path / "b.png")
    write(BytesIO(PLAIN), LABEL, str(tmp_path / "c.png"))
    assert (tmp_path / "b.png").read_bytes() == (tmp_path / "c.png").read_bytes() == OLD
    with picture.open("rb") as opened:
        assert verify(opened).label == LABEL
    assert refused(PLAIN, LABEL) == "labels.output"
    assert refused(b"rubbish", LABEL, BytesIO()) == "labels.format"
    assert refused(PLAIN[:40], LABEL, BytesIO()) == "labels.unreadable"


def test_a_link_stays_a_link(picture):
    link = picture.with_name("link.png")
    link.symlink_to(picture)
    write(link, LABEL)
    assert link.is_symlink()
    assert picture.read_bytes() == OLD


class Lying(Png):
    """Writes a label that does not say what it was told, or touches the picture."""

    def __init__(self, how):
        self.how = how

    def plan(self, source, value):
        if self.how == "label":
            return super().plan(source, value.replace("number-1", "number-2"))
        if self.how == "nothing":
            return [Keep(0, source.size)]
        changed = []
        for part in super().plan(source, value):
            data = (
                part if isinstance(part, bytes) else source.read(part.start, part.end - part.start)
            )
            at = data.find(b"IDAT") + 6
            changed.append(data[:at] + b"\xff" + data[at + 1 :] if at > 5 else data)
        return changed


@pytest.mark.parametrize(
    ("how", "code"),
    [("label", "labels.read-back"), ("nothing", "labels.read-back"), ("media", "labels.media")],
)
def test_a_writer_that_errs_is_caught_and_nothing_is_changed(picture, monkeypatch, how, code):
    monkeypatch.setattr(sys.modules["hegui.labels.write"], "find", lambda _: Lying(how))
    assert refused(picture, LABEL, paranoid=True) == code
    assert picture.read_bytes() == PLAIN
    assert names(picture.parent) == ["a.png"]
    out = BytesIO()
    assert refused(picture, LABEL, out, paranoid=True) == code
    assert out.getvalue() == b""


def test_a_full_disk_leaves_the_old_file(picture, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(splice, "_copy", full)
    with pytest.raises(OSError, match="No space"):
        write(picture, LABEL)
    assert picture.read_bytes() == PLAIN
    assert names(picture.parent) == ["a.png"]


def _label_slowly(path, reached):
    copy = splice._copy

    def slowly(*arguments):
        copy(*arguments)
        reached.set()
        time.sleep(60)

    splice._copy = slowly
    write(path, LABEL)


def test_a_kill_while_copying_leaves_the_old_file(picture):
    context = multiprocessing.get_context("fork")
    reached = context.Event()
    process = context.Process(target=_label_slowly, args=(picture, reached))
    process.start()
    assert reached.wait(30)
    os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    assert picture.read_bytes() == PLAIN
    # What the kill left behind bears another name, and does not stand in the way.
    assert [name for name in names(picture.parent) if not name.endswith(".part")] == ["a.png"]
    write(picture, LABEL)
    assert picture.read_bytes() == OLD


@pytest.mark.parametrize("kind", ["folder", "fifo", "empty", "nowhere", "unreadable", "no folder"])
def test_special_files_are_refused_at_once(tmp_path, picture, kind):
    path = tmp_path / "special.png"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "empty":
        path.touch()
    elif kind == "unreadable":
        path.symlink_to("/proc/self/mem")
    if kind == "nowhere":
        with pytest.raises(FileNotFoundError):
            write(path, LABEL)
    elif kind == "no folder":
        with pytest.raises(FileNotFoundError):
            write(picture, LABEL, tmp_path / "none" / "a.png")
    else:
        assert refused(path, LABEL) in {"labels.unreadable", "labels.format"}
