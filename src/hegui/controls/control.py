"""What a control is, and what all controls share."""

from typing import Any, ClassVar, Protocol

import msgspec

from hegui.evidence.archive import Archive
from hegui.exchange import PASS, Decision, Exchange, Verdict
from hegui.people.agreement import Agreements
from hegui.people.callers import Callers
from hegui.policy import Policies
from hegui.safety.lexicon import Lexicon
from hegui.settings import Settings


class House(msgspec.Struct):
    """What the controls of one process work with."""

    settings: Settings
    archive: Archive
    callers: Callers
    agreements: Agreements
    policies: Policies
    lexicon: Lexicon  # swapped whole when the operator builds a new one


class Flow(msgspec.Struct, frozen=True, gc=False):
    """What a watch lets through of a piece of the answer: text, and the verdict that ends it."""

    text: str
    verdict: Verdict = PASS


class Watch(Protocol):
    """Follows one surface of one answer; nothing leaves but what it lets through."""

    def feed(self, text: str, *, last: bool = False) -> Flow:
        """Take the next piece; with `last` nothing follows, and nothing may be held any longer."""
        ...


class Control:
    """A control decides and changes nothing; the door applies the verdict and keeps the evidence.

    `carries` are obligation ids of the law register. A method left as it stands here means that the
    control has nothing to decide at that moment. One that raises is a refusal: the door fails closed.
    """

    name: ClassVar[str]
    carries: ClassVar[tuple[str, ...]]

    def __init__(self, house: House) -> None:
        self.house = house
        self.on = self.name not in house.settings.controls.off

    async def admit(self, exchange: Exchange) -> Verdict:  # noqa: ARG002 (the default looks at nothing)
        """Decide whether this user may ask at all."""
        return PASS

    async def check(self, exchange: Exchange) -> Verdict:  # noqa: ARG002 (as above)
        """Decide on the text of the request, before the model is asked."""
        return PASS

    def watch(self, exchange: Exchange) -> Watch | None:  # noqa: ARG002 (as above)
        """Return what follows the answer, one for each surface."""
        return None

    def verdict(self, decision: Decision, code: str, message: str, **more: Any) -> Verdict:
        """A verdict of this control; `more` are the other fields of `Verdict`."""
        return Verdict(decision, self.name, self.carries, code, message, **more)
