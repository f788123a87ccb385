import pytest

from hegui.gateway.demo import DemoModel
from hegui.gateway.models import Models
from hegui.language import Problem
from hegui.settings import Settings, Upstream


def models(*upstreams: Upstream) -> Models:
    return Models(Settings(upstream=upstreams))


def test_first_upstream_wins_a_name():
    both = models(
        Upstream(name="a", url="demo:", models=("x",)),
        Upstream(name="b", url="http://127.0.0.1:1/v1", models=("x", "y")),
    )
    assert isinstance(both.client("x"), DemoModel)
    assert not isinstance(both.client("y"), DemoModel)
    assert both.names() == ["x", "x", "y"]
    assert both.default == "x"


def test_unknown_name_has_no_model():
    only = models(Upstream(name="a", url="demo:", models=("x",)))
    assert not only.knows("z")
    with pytest.raises(KeyError):
        only.client("z")


def test_upstream_without_names_answers_for_every_other():
    other = models(Upstream(name="a", url="demo:"))
    assert other.knows("anything")
    assert other.default == "default"


def test_missing_key_of_an_upstream_is_told(monkeypatch):
    monkeypatch.delenv("TEST_UPSTREAM_KEY", raising=False)
    upstream = Upstream(name="a", url="http://127.0.0.1:1", api_key_env="TEST_UPSTREAM_KEY")
    with pytest.raises(Problem, match="TEST_UPSTREAM_KEY") as problem:
        models(upstream)
    assert problem.value.code == "upstream.key"
