import pytest

from hegui.language import Problem
from hegui.settings import load


def test_environment_over_file_and_paths_from_the_file(tmp_path):
    file = tmp_path / "hegui.toml"
    file.write_text('[server]\nport = 1\n[store]\nurl = "sqlite:///a.db"\n')
    settings = load(file, {"HEGUI_SERVER_PORT": "2"})
    assert settings.server.port == 2
    assert settings.store.url == f"sqlite:///{tmp_path / 'a.db'}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[server]\nhost = "x"\nport = "many"\n', ":3: server.port"),
        ("[server]\nprot = 1\n", ":2: server.prot"),
        ("[service]\nreport_days = 0\n", ":2: service.report_days"),
    ],
)
def test_mistake_names_its_line(tmp_path, text, told):
    file = tmp_path / "hegui.toml"
    file.write_text(text)
    with pytest.raises(Problem) as problem:
        load(file, {})
    assert problem.value.code == "settings.value"
    assert told in str(problem.value)


def test_missing_file_is_an_error_only_when_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load(None, {}).server.port == 8000
    with pytest.raises(Problem) as problem:
        load(tmp_path / "none.toml", {})
    assert problem.value.code == "settings.missing"
