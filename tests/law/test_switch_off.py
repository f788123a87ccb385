"""Switch a control off, and every duty that it proves is not met, with the exchange named."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
import time_machine

from articles import asking, heads
from hegui.evidence.archive import Archive
from hegui.evidence.status import board
from hegui.language import Problem
from hegui.law import register
from hegui.settings import Controls, Limits, load
from hegui.tick import tick
from saying import Saying, choice
from serving import Serving, prepared, serving_settings

pytestmark = pytest.mark.once

CHAT = "/v1/chat/completions"
# The checks that fail when an exchange goes past a control; `law/proves.yaml` says of which duties.
SHOWN_BY = {
    "agreement": {"agreement_ran"},
    "limits": {"limits_ran"},
    "moderation": {"moderation_ran", "answers_moderated"},
    "label": {"answers_labelled"},
}
CAN_BE_OFF = msgspec.json.schema(Controls)["$defs"]["Controls"]["properties"]["off"]["items"][
    "enum"
]


def proved_by(control):
    links = [link for each in register().proves.values() for link in each]
    return {link.obligation for link in links if link.evidence in SHOWN_BY[control]}


def without(settings, *off):
    return msgspec.structs.replace(settings, controls=Controls(off=off))


def exchange_of(settings, secret):
    """Serve with these settings, send one exchange, and return it."""
    with Serving(settings) as serving:
        status, head, told = serving.ask(secret, asking(CHAT))
        assert status == 200, told
        return head["x-hegui-exchange"]


def standings(settings, duties, today=None):
    archive = Archive(settings)
    tick(archive)
    shown = board(archive, today=today).standings
    archive.close()
    return {duty: shown[duty] for duty in duties}


def switch(control, folder, *urls):
    """All on; off for one exchange; on again, and once the window has passed."""
    duties = proved_by(control)
    with Saying() as model:
        limits = Limits(key_per_minute=9_999, user_per_minute=9_999)
        settings = serving_settings(folder, model.url, *urls, limits=limits)
        model.says(choice("an answer"))
        secret = prepared(settings)
        exchange_of(settings, secret)
        on = {duty: each.state for duty, each in standings(settings, duties).items()}
        assert "not_met" not in on.values()

        past = exchange_of(without(settings, control), secret)
        for duty, each in standings(settings, duties).items():
            assert (each.state, set(each.missing)) == ("not_met", {past}), duty
            assert past in each.reasons[0].say("en")

        exchange_of(settings, secret)
        still = standings(settings, duties).values()
        assert {each.state for each in still} == {"not_met"}  # one good one does not undo it
        later = datetime.now(UTC) + timedelta(days=31)
        with time_machine.travel(later, tick=True):
            standings(settings, duties)  # makes the tables of the new month
            exchange_of(settings, secret)
            after = standings(settings, duties, later.date())
            assert {duty: each.state for duty, each in after.items()} == on
    archive = Archive(settings)
    told = {name: [head.facts["outcome"] for head in heads(archive, "check.changed")
                   if head.subject == name] for name in SHOWN_BY[control]}  # fmt: skip
    archive.close()
    return told


def test_every_control_that_can_be_switched_off_is_tried():
    assert set(SHOWN_BY) == set(CAN_BE_OFF)
    assert all(proved_by(control) for control in SHOWN_BY)


@pytest.mark.parametrize("control", SHOWN_BY)
def test_off_is_seen_and_recovers_with_its_window(control, tmp_path):
    told = switch(control, tmp_path)
    for outcomes in told.values():
        assert outcomes[:2] == ["good", "bad"]
        assert outcomes[-1] == "good"


def test_off_is_seen_on_postgresql_too(postgres_server, tmp_path):
    with postgres_server.fresh() as store, postgres_server.fresh() as vault:
        assert set(switch("moderation", tmp_path, store, vault)) == SHOWN_BY["moderation"]


@pytest.mark.parametrize("control", ["identity", "record"])
def test_who_asks_and_what_is_kept_cannot_be_left_out(control, tmp_path):
    file = tmp_path / "hegui.toml"
    file.write_text(f'[controls]\noff = ["{control}"]\n')
    with pytest.raises(Problem) as refused:
        load(file, {})
    assert refused.value.code == "settings.value"
    assert f"{file}:2: controls.off" in str(refused.value)
