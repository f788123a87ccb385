"""What each control decides, asked directly; tests/gateway asks the same over HTTP."""

import asyncio
import base64
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from archive import on_sqlite_fixture  # noqa: F401 (a fixture)
from hegui.controls import CONTROLS
from hegui.controls.agreement import AgreementControl
from hegui.controls.control import House
from hegui.controls.identity import IdentityControl
from hegui.controls.label import LabelControl
from hegui.controls.moderation import ModerationControl
from hegui.controls.record import RecordControl
from hegui.exchange import PASS, Exchange, Verdict, new_id
from hegui.law import register
from hegui.people.agreement import Agreements
from hegui.people.callers import Caller, Callers
from hegui.policy import Policies
from hegui.safety.sample import sample_lexicon


@pytest.fixture
def house(on_sqlite):
    agreements = Agreements(on_sqlite)
    agreements.publish_sample()
    callers = Callers(on_sqlite)
    return House(
        on_sqlite.settings, on_sqlite, callers, agreements, Policies(on_sqlite), sample_lexicon()
    )


def exchange(person="p", text="hello", state="running", *, plain=True):
    made = Exchange(
        new_id(), "r", "en", Caller("k", person), person, "m", False, (text,), b"{}", b"{}"
    )
    made.state, made.plain = state, plain
    return made


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_a_control_names_obligations_that_the_register_knows(control):
    assert control.carries
    for obligation in control.carries:
        assert register().obligation(obligation)


def test_the_record_names_only_known_obligations():
    for obligation in (*RecordControl.admitted_for, *RecordControl.finished_for):
        assert register().obligation(obligation)


def test_nobody_passes_without_the_agreement_in_force(house):
    control, asked = AgreementControl(house), exchange(house.archive.vault.add_person("t", "a", ""))
    refused = asyncio.run(control.admit(asked))
    assert (refused.decision, refused.code) == ("refuse", "agreement_required")
    house.agreements.accept(asked.person, house.agreements.current()[0], "page")
    assert asyncio.run(control.admit(asked)) is PASS


@pytest.mark.parametrize("text", ["zorblefax", "ｚｏｒｂｌｅｆａｘ", "z o r b l e f a x"])
def test_a_forbidden_request_is_refused_with_rule_and_appeal(house, text):
    verdict = asyncio.run(ModerationControl(house).check(exchange(text=f"say {text} now")))
    assert verdict.decision == "refuse"
    assert verdict.category
    assert "/report/" in verdict.say("en")


def test_a_forbidden_answer_stops_before_the_word(house):
    watch = ModerationControl(house).watch(exchange(state="answering"))
    flows = [watch.feed(piece) for piece in ("say zor", "ble", "fax now")] + [
        watch.feed("", last=True)
    ]
    assert "".join(flow.text for flow in flows) == "say "
    stops = [flow.verdict.decision for flow in flows if flow.verdict is not PASS]
    assert stops[0] == "withhold"


@pytest.mark.parametrize(
    ("position", "before", "after"), [("prefix", 1, 0), ("suffix", 0, 1), ("corner", 0, 1)]
)
def test_the_label_stands_where_the_policy_says(house, position, before, after):
    body = f"labels:\n  position: {position}\n".encode()
    house.policies.stage(house.policies.draft(body, "staff_1"), "live", "staff_1", urgent="a test")
    control = LabelControl(house)
    assert bool(control.before(exchange())) == bool(before)
    assert bool(control.after(exchange(), "an answer")) == bool(after)
    data = exchange(plain=False)
    assert (control.before(data), control.after(data, "{}")) == ("", "")
    assert control.version


def find(house, **headers):
    given = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return asyncio.run(IdentityControl(house).find(given))


def test_a_signed_token_names_the_user_and_a_forged_one_does_not(house):
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    holder = house.archive.vault.add_person("operator", "shop", "")
    _, secret = house.callers.create(holder, "token", base64.b64encode(public).decode())
    house.callers.refresh()
    claims = {"sub": "u1", "aud": "hegui", "exp": int(time.time()) + 60}

    def ask(token):
        return find(house, authorization=f"Bearer {secret}", x_hegui_user_token=token)

    _, person = ask(jwt.encode(claims, key, "EdDSA"))
    assert person != holder
    assert ask(jwt.encode(claims, key, "EdDSA"))[1] == person
    bad = [
        jwt.encode(claims, other, "EdDSA"),
        jwt.encode(claims | {"exp": 1}, key, "EdDSA"),
        jwt.encode(claims | {"aud": "elsewhere"}, key, "EdDSA"),
        jwt.encode({"sub": "u1", "aud": "hegui"}, key, "EdDSA"),
        "",
    ]
    for token in bad:
        refused = ask(token)
        assert isinstance(refused, Verdict)
        assert (refused.code, refused.status) == ("user_token", 401)


def test_a_plain_key_may_not_name_users(house):
    holder = house.archive.vault.add_person("operator", "plain", "")
    _, secret = house.callers.create(holder)
    house.callers.refresh()
    refused = find(house, authorization=f"Bearer {secret}", x_hegui_user="someone")
    assert refused.code == "user_not_allowed"
    assert find(house, authorization=f"Bearer {secret}")[1] == holder
