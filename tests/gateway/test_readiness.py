import msgspec

from archive import make_archive, settings_in
from hegui.gateway.readiness import findings
from hegui.settings import Server, Upstream
from hostile import Peer
from hostile import Server as ModelServer


def levels(settings):
    return [(finding.level, finding.say("en")) for finding in findings(settings)]


def changed(settings, **sections):
    return msgspec.structs.replace(settings, **sections)


def test_nothing_is_ready_before_it_is_made(tmp_path):
    assert levels(settings_in(tmp_path))[0][0] == "bad"


def test_the_development_identity_may_not_face_the_public(tmp_path):
    make_archive(tmp_path).close()
    settings = settings_in(tmp_path)
    assert all(level != "bad" for level, _ in levels(settings))
    public = changed(settings, server=Server(host="0.0.0.0"))
    bad = [text for level, text in levels(public) if level == "bad"]
    assert bad[0].startswith("Identity")


def test_an_upstream_without_filing_or_abroad_is_named_with_its_article(tmp_path):
    make_archive(tmp_path).close()
    upstream = Upstream(name="far", url="http://127.0.0.1:9/v1", place="SG")
    said = " ".join(
        text for _, text in levels(changed(settings_in(tmp_path), upstream=(upstream,)))
    )
    assert "IM-7.1" in said
    assert "PIPL Art. 38" in said
    assert "SG" in said


def test_an_upstream_that_cannot_be_reached_is_told(tmp_path):
    make_archive(tmp_path).close()
    with ModelServer(Peer.wait_gone) as server:
        upstream = Upstream(name="near", url=f"{server.url}/v1")
        settings = changed(settings_in(tmp_path), upstream=(upstream,))
        assert ("ok", "Upstream near can be reached.") in levels(settings)
    assert any("could not be reached (upstream.connect)" in text for _, text in levels(settings))
