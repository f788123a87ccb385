"""Art. 10: for whom and for what the service is stands on a public page; a refusal names its rule."""

import msgspec
import pytest

from archive import settings_in
from articles import asking, heads, standing
from browsing import make_service, visitor
from hegui.language import Text
from hegui.settings import Service
from hegui.web.app import Application
from routing import REFUSED, routed, said

pytestmark = pytest.mark.once

OWN = Service(
    name="Ask Wombat",
    operator="Wombat Ltd.",
    report_address="hear@wombat.example",
    audience=Text(zh="本公司的成年客户", en="Adult customers of ours"),
    uses=Text(zh="查询订单", en="Asking about orders"),
)


def test_anybody_reads_for_whom_and_for_what_it_is(tmp_path):
    settings = msgspec.structs.replace(settings_in(tmp_path), service=OWN)
    with visitor(Application(make_service(settings))) as pages:
        english, chinese = pages.get("/").text, pages.get("/?lang=zh").text
    for words in ("Adult customers of ours", "Asking about orders", OWN.operator, OWN.name):
        assert words in english
    for words in (OWN.audience.zh, OWN.uses.zh, OWN.operator, OWN.report_address):
        assert words in chinese


def test_shipped_words_are_no_notice_and_the_operators_own_are(tmp_path):
    service = make_service(settings_in(tmp_path))
    shipped = standing(service.archive, "IM-10.1")
    service.close()
    assert shipped.state == "not_met"
    assert shipped.missing == ["operator", "audience", "uses", "report_address"]
    service = make_service(msgspec.structs.replace(settings_in(tmp_path), service=OWN))
    own = standing(service.archive, "IM-10.1")
    told = [head.facts["outcome"] for head in heads(service.archive, "check.changed")
            if head.subject == "notice_published"]  # fmt: skip
    service.close()
    assert own.state == "met"
    assert told == ["bad", "good"]


def test_a_refusal_says_why_in_the_readers_language(tmp_path):
    with routed(tmp_path) as gateway:
        path = "/v1/chat/completions"
        english, chinese = (
            said(gateway.post(path, asking(path, REFUSED), language)[1])
            for language in ("en", "zh")
        )
        archive = gateway.serving.service.archive
        assert "the published rule on" in english
        assert "A.1.d" in english
        assert "A.1.d" in chinese
        assert "the published rule on" not in chinese
        assert [each.facts["reason"] for each in heads(archive, "exchange.finished")] == [
            "input_refused"
        ] * 2
        stops = {part.link.evidence: part.found for part in standing(archive, "IM-10.2").parts}
        assert stops["stops_explained"].count.population == 2
        assert stops["stops_explained"].outcome == "good"
