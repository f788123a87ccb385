import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# A busy machine must not fail a test; pytest-timeout catches what really hangs.
hypothesis.settings.register_profile("hegui", deadline=None)
hypothesis.settings.load_profile("hegui")

CLUSTER = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    # A developer's own HEGUI_ settings must not decide what the tests see.
    for name in [name for name in os.environ if name.startswith("HEGUI_")]:
        del os.environ[name]
    # A console reads its width when it is made, by whichever test comes first: one width for all.
    os.environ["COLUMNS"] = "160"
    worker = getattr(config, "workerinput", None)
    config.stash[CLUSTER] = Path(
        worker["postgres"] if worker else tempfile.mkdtemp(prefix="hegui-pg-")
    )


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:
    """Tell a worker of xdist where the one server of this run lives."""
    node.workerinput["postgres"] = str(node.config.stash[CLUSTER])


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        import postgres

        postgres.stop(config.stash[CLUSTER])


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> Iterator["postgres.Postgres"]:  # noqa: F821
    """The PostgreSQL of this run, started by the first test that asks for it."""
    import postgres

    server = postgres.Postgres(pytestconfig.stash[CLUSTER])
    yield server
    server.close()


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database, once for each kind that hegui supports."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'hegui.db'}"
        return
    with request.getfixturevalue("postgres_server").fresh() as url:
        yield url
