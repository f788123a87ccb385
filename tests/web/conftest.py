from browsing import pages_fixture, service_fixture

__all__ = ["pages_fixture", "service_fixture"]
