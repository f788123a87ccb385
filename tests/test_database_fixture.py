import os
import socket

import pytest
from pytest_socket import SocketConnectBlockedError
from sqlalchemy import create_engine, inspect, make_url, text
from sqlalchemy.pool import NullPool


@pytest.fixture
def engine():
    """Make engines that are closed in the end, also when the test failed."""
    engines = []

    def make(url):
        engines.append(create_engine(url, poolclass=NullPool))
        return engines[-1]

    yield make
    for each in engines:
        each.dispose()


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_gets_a_database_of_its_own(database_url, engine, turn):
    with engine(database_url).begin() as connection:
        connection.execute(text("CREATE TABLE note (text TEXT)"))
        connection.execute(text("INSERT INTO note VALUES ('only mine')"))
    with engine(database_url).connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM note")).scalar() == 1


def test_a_database_is_dropped_even_while_somebody_holds_it(postgres_server, engine):
    with postgres_server.fresh() as url:
        holder = engine(url).connect()
        holder.execute(text("SELECT 1"))
    holder.invalidate()
    with engine(postgres_server.url("postgres")).connect() as connection:
        left = connection.execute(text("SELECT datname FROM pg_database")).scalars().all()
    assert make_url(url).database not in left


def test_the_databases_of_one_server_are_apart(postgres_server, engine):
    with postgres_server.fresh() as one, postgres_server.fresh() as other:
        with engine(one).begin() as connection:
            connection.execute(text("CREATE TABLE note (text TEXT)"))
        assert inspect(engine(one)).get_table_names() == ["note"]
        assert inspect(engine(other)).get_table_names() == []


def test_the_environment_of_the_developer_is_left_outside():
    assert [name for name in os.environ if name.startswith("HEGUI_")] == []


def test_sockets_reach_this_machine_and_no_further():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()
    with pytest.raises(SocketConnectBlockedError), pytest.warns(UserWarning, match="192.0.2.1"):
        socket.create_connection(
            ("192.0.2.1", 80), timeout=0.1
        )  # an address of RFC 5737, for documents
