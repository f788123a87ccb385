import base64
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archive import on_sqlite_fixture  # noqa: F401 (a fixture)
from hegui.language import Problem
from hegui.people.callers import PAGE, Caller, Callers, check_subject, subject_of_token

KEY = Ed25519PrivateKey.generate()
PUBLIC = base64.b64encode(KEY.public_key().public_bytes_raw()).decode()
CALLER = Caller("key_1", "p", "token", PUBLIC)


def token(key=KEY, **claims) -> str:
    given = {"sub": "ann", "aud": "hegui", "exp": int(time.time()) + 60} | claims
    return jwt.encode({k: v for k, v in given.items() if v is not None}, key, "EdDSA")


def test_signed_token_names_the_user():
    assert subject_of_token(CALLER, token()) == "ann"


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "a.b.c",
        token(exp=1),
        token(exp=None),
        token(aud="other"),
        token(sub=None),
        token(Ed25519PrivateKey.generate()),
        jwt.encode({"sub": "ann", "aud": "hegui", "exp": 1 << 40}, "k" * 32, "HS256"),
    ],
)
def test_any_other_token_is_refused(bad):
    with pytest.raises(Problem) as problem:
        subject_of_token(CALLER, bad)
    assert problem.value.code == "user_token"


@pytest.mark.parametrize("name", ["", "x" * 201, "a\nb"])
def test_names_that_no_user_may_have(name):
    with pytest.raises(Problem):
        check_subject(name)


def test_key_lives_until_it_is_revoked(on_sqlite):
    callers = Callers(on_sqlite)
    name, secret = callers.create(on_sqlite.vault.add_person("test", "ann", "2026"))
    assert callers.find(secret) is None  # not read yet
    assert callers.refresh()
    assert callers.find(secret).api_key == name
    assert not callers.refresh()
    callers.revoke(name)
    callers.refresh()
    assert callers.find(secret) is None
    with pytest.raises(Problem):
        callers.revoke("key_none")


def test_on_the_page_everybody_has_an_allowance_of_their_own():
    ann, bob = Caller(PAGE, "ann"), Caller(PAGE, "bob")
    assert ann.api_key == bob.api_key == "page"
    assert ann.allowance != bob.allowance
    assert Caller("key_1", "ann").allowance == Caller("key_1", "bob").allowance


def test_user_of_a_caller_stays_the_same_person(on_sqlite):
    callers = Callers(on_sqlite)
    person = callers.user(CALLER, "ann")
    assert callers.known_user(CALLER, "ann") == person == Callers(on_sqlite).user(CALLER, "ann")
    assert callers.user(Caller("key_2", "p"), "ann") != person
