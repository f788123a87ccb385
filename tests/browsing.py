"""A browser without a screen for tests: the whole application, a visitor, and how one joins."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from archive import settings_in
from hegui.evidence.archive import Archive
from hegui.gateway.service import Service
from hegui.settings import Settings
from hegui.web.app import Application

OWN = {"sec-fetch-site": "same-origin"}


@pytest.fixture(name="service")
def service_fixture(tmp_path: Path) -> Service:
    return make_service(settings_in(tmp_path))


def make_service(settings: Settings) -> Service:
    """A service on databases that are made here, with the sample agreement in force."""
    archive = Archive(settings)
    archive.prepare()
    archive.close()
    service = Service(settings)
    service.agreements.publish_sample()
    return service


@pytest.fixture(name="pages")
def pages_fixture(service: Service) -> Iterator[TestClient]:
    """A visitor's browser."""
    with visitor(Application(service)) as client:
        yield client


def visitor(application: Application) -> TestClient:
    """A browser that asks for English; entered as a context, it starts and ends the service."""
    return TestClient(application, headers=OWN | {"accept-language": "en"})


def register(pages: TestClient, name: str = "李某") -> None:
    assert pages.post("/register", data={"name": name}).url.path == "/agreement"


def join(pages: TestClient, service: Service, name: str = "李某") -> None:
    """Register and accept the agreement."""
    register(pages, name)
    version = service.agreements.current()[0]
    assert pages.post("/agreement", data={"version": version}).url.path == "/chat"
