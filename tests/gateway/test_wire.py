import asyncio

from hegui.exchange import Verdict
from hegui.gateway.wire import error_body, read_body


def read(events: list[dict], headers: dict[bytes, bytes], limit: int):
    async def receive():
        return events.pop(0)

    return asyncio.run(read_body(receive, headers, limit))


def part(body: bytes, more: bool) -> dict:
    return {"type": "http.request", "body": body, "more_body": more}


def test_body_in_parts_up_to_the_limit():
    assert read([part(b"ab", True), part(b"cd", False)], {}, 4) == b"abcd"


def test_body_over_the_limit_by_a_byte_or_by_its_own_word():
    assert read([part(b"ab", True), part(b"cde", True)], {}, 4).status == 413
    assert read([], {b"content-length": b"5"}, 4).status == 413


def test_client_that_leaves_while_sending():
    assert read([part(b"a", True), {"type": "http.disconnect"}], {}, 4).code == "client_left"


def test_error_names_obligations_and_category():
    verdict = Verdict("refuse", "c", ("IM-14.1",), "input_refused", "No {x}.", {"x": 1}, "A.1.a")
    error = error_body(verdict, "en", "report@example.org")["error"]
    assert error["type"] == "content_filter"
    assert error["obligations"] == ("IM-14.1",)
    assert (error["message"], error["report"]) == ("No 1.", "report@example.org")
