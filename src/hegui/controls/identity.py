"""Identity 身份: who calls, and which user the call is for.

The caller is known by an API key. The user is the holder of that key, or someone whom a trusted key
names: by the header `X-Hegui-User`, or by a token that the key's owner signed. Before the identity is
known there is no exchange, so this control speaks through `find` and not through `admit`.
"""

import asyncio
from typing import Final

from hegui.controls.control import Control
from hegui.exchange import Verdict
from hegui.language import N_, Problem
from hegui.people.callers import Caller, check_subject, subject_of_token

_SECONDS: Final = 5  # until the vault must have answered

Headers = dict[bytes, bytes]


class IdentityControl(Control):
    name = "identity"
    carries = ("IM-9.1",)

    async def find(self, headers: Headers) -> tuple[Caller, str] | Verdict:
        """The caller and the person the call is for, or the refusal."""
        caller = self._caller(headers)
        if isinstance(caller, Verdict):
            return caller
        subject = self._subject(caller, headers)
        if isinstance(subject, Verdict):
            return subject
        if not subject:
            return caller, caller.person
        callers = self.house.callers
        person = callers.known_user(caller, subject)
        if person is None:
            async with asyncio.timeout(_SECONDS):
                person = await asyncio.to_thread(callers.user, caller, subject)
        return caller, person

    def _caller(self, headers: Headers) -> Caller | Verdict:
        scheme, _, secret = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer" or not secret:
            message = N_("No API key was given: send the header “Authorization: Bearer hg-…”.")
            return self.verdict("refuse", "key_missing", message, status=401)
        caller = self.house.callers.find(secret.decode("latin-1").strip())
        if caller:
            return caller
        message = N_("This API key is not valid, or was revoked: ask the operator for a new one.")
        return self.verdict("refuse", "key_unknown", message, status=401)

    def _subject(self, caller: Caller, headers: Headers) -> str | Verdict:
        named, token = headers.get(b"x-hegui-user"), headers.get(b"x-hegui-user-token")
        try:
            if caller.asserts == "token":
                return subject_of_token(caller, (token or b"").decode("latin-1"))
            if caller.asserts == "header":
                return check_subject((named or b"").decode("utf-8", "replace"))
        except Problem as problem:
            return self.verdict(
                "refuse", problem.code, problem.message, values=problem.values, status=401
            )
        if named is None and token is None:
            return ""
        message = N_("This API key may not name users: leave the X-Hegui-User headers out.")
        return self.verdict("refuse", "user_not_allowed", message, status=401)
