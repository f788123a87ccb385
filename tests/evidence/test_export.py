import json

import pytest
from sqlalchemy import text

from archive import admitted, fill, make_archive, nothing
from hegui.evidence import verifier
from hegui.evidence.checkpoints import LATEST
from hegui.evidence.erase import erase
from hegui.evidence.export import export
from hegui.evidence.verify import verify
from hegui.language import Problem


def judge(archive, target, capsys, *more) -> dict:
    arguments = [str(target), "--key", archive.signer.verifier_key(), "--json", *map(str, more)]
    verifier.main(arguments)
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("name", ["package", "package.zip"])
def test_the_standalone_verifier_agrees(archive, tmp_path, capsys, name):
    fill(archive, 150)
    erase(archive, "p1", "request")
    target = tmp_path / "out" / name
    assert export(archive, target, bodies=True, proofs=(0, 300), on_progress=nothing) == 301
    kept = archive.settings.evidence.checkpoint_folder / LATEST
    told = judge(archive, target, capsys, "--checkpoint", kept)
    assert told["exit_code"] == 0
    assert (told["entries"], told["bodies"], told["proofs"], told["kept"]) == (301, 300, 2, 1)
    assert told["other"] == 2  # the page and the verifier
    assert [path.name for path in target.parent.iterdir()] == [name]


def test_a_tree_of_several_levels(tmp_path, capsys):
    archive = make_archive(tmp_path)
    for start in range(0, 66_000, 1_000):
        archive.writer.commit_now(*[admitted(start + n, f"p{n % 9}", b"b") for n in range(1_000)])
    export(archive, tmp_path / "x")
    assert (tmp_path / "x" / "tile" / "1" / "000").stat().st_size == 8_192
    assert (tmp_path / "x" / "tile" / "2" / "000.p" / "1").stat().st_size == 32
    assert judge(archive, tmp_path / "x", capsys)["exit_code"] == 0
    archive.close()


def test_the_shipped_verifier_and_page_lie_beside_it(on_sqlite, tmp_path):
    fill(on_sqlite, 1)
    export(on_sqlite, tmp_path / "x")
    files = {path.relative_to(tmp_path / "x").as_posix() for path in (tmp_path / "x").rglob("*")}
    assert {"verify.py", "README.md", "checkpoint", "tile/entries/000.p/2"} <= files
    assert not any(name.startswith(("bodies", "proofs")) for name in files)
    compile((tmp_path / "x" / "verify.py").read_text("utf-8"), "verify.py", "exec")


def test_bodies_of_a_time(on_sqlite, tmp_path):
    early = admitted(1)
    on_sqlite.writer.commit_now(early)
    late = admitted(2)
    on_sqlite.writer.commit_now(late)
    for name, bounds, wanted in (
        ("a", {"since": late.at}, {"1.sealed"}),
        ("b", {"until": late.at}, {"0.sealed"}),
        ("c", {"since": early.at, "until": "9999"}, {"0.sealed", "1.sealed"}),
    ):
        export(on_sqlite, tmp_path / name, bodies=True, **bounds)
        assert {path.name for path in (tmp_path / name / "bodies").iterdir()} == wanted
    export(on_sqlite, tmp_path / "d", bodies=True, until="2001")
    assert not (tmp_path / "d" / "bodies").exists()


def test_a_tampered_store_makes_an_export_that_fails(on_sqlite, tmp_path, capsys):
    fill(on_sqlite, 4)
    with on_sqlite.store.maintain() as connection:
        connection.execute(text("UPDATE entries SET head = replace(head, 'IM-9.3', 'IM-9.4')"))
    assert [finding.code for finding in verify(on_sqlite, nothing).findings] == ["tree"] * 4
    export(on_sqlite, tmp_path / "x")
    told = judge(on_sqlite, tmp_path / "x", capsys)
    assert told["exit_code"] == 1
    assert {finding["code"] for finding in told["findings"]} >= {"rewritten"}


def test_nothing_is_overwritten_and_nothing_half_stays(on_sqlite, tmp_path):
    with pytest.raises(Problem, match="nothing to export"):
        export(on_sqlite, tmp_path / "x")
    fill(on_sqlite, 1)
    (tmp_path / "x").mkdir()
    with pytest.raises(Problem, match="name another place"):
        export(on_sqlite, tmp_path / "x")
    for name in ("y", "y.zip"):
        with pytest.raises(Problem, match="no entry 99"):
            export(on_sqlite, tmp_path / name, proofs=(99,))
    assert [path.name for path in tmp_path.iterdir() if "y" in path.name] == ["keys"]
