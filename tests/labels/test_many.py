"""Many files: the same as one by one, in their order, whatever becomes of each."""

from hegui.labels import verify
from hegui.labels.many import label_many, verify_many, walk
from labels.documents import CODE
from labels.mutations import FILES


def test_folders_are_walked_and_links_are_not_followed(tmp_path):
    (tmp_path / "b").mkdir()
    for name in ("b/2.png", "b/1.png", "a.png"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "b" / "link.png").symlink_to(tmp_path / "a.png")
    (tmp_path / "b" / "circle").symlink_to(tmp_path)
    alone = tmp_path / "none.png"
    found = walk([tmp_path, tmp_path / "a.png", alone])
    names = ["a.png", "b/1.png", "b/2.png", "none.png"]
    assert found == [tmp_path / name for name in names]


def test_processes_say_the_same_as_one(tmp_path):
    files = []
    for number in range(2):
        for name, data in FILES.items():
            files.append(tmp_path / f"{number}-{name}")
            files[-1].write_bytes(data)
    files.insert(40, tmp_path / "none.png")
    one, two = list(verify_many(files, workers=1)), list(verify_many(files, workers=2))
    assert one == two
    assert [each.path for each in one] == [str(file) for file in files]
    assert (one[40].report, one[40].error) == (None, "labels.file")
    assert one[40].values["reason"] == "No such file or directory"


def test_each_file_gets_a_number_of_its_own_and_one_that_fails_stops_no_other(tmp_path):
    jobs = []
    for number in range(70):
        name = "bmp-picture.bmp" if number == 5 else "png-picture.png"
        source = tmp_path / f"{number}-{name}"
        source.write_bytes(FILES[name])
        jobs.append((source, tmp_path / "out" / source.name))
    done = list(label_many(jobs, CODE, workers=2))
    assert done[5].error == "labels.no-slot"
    labels = {each.label.produce_id for each in done if each.label}
    assert len(labels) == 69
    assert verify(jobs[6][1]).label == done[6].label
    assert not jobs[5][1].exists()
    again = list(label_many(jobs[6:8], CODE, produce_id="n-1"))
    assert [each.label.produce_id for each in again] == ["n-1", "n-1"]
    same = [(target, target) for _, target in jobs[6:8]]
    assert [each.error for each in label_many(same, CODE)] == ["labels.existing"] * 2
