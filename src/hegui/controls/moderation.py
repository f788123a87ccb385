"""Moderation 内容管理: forbidden input is refused, forbidden output withheld (Art. 4(1), 14(1)).

Detectors find: the operator's lexicon, the policy's hot terms, personal information. The policy
decides what is done, by risk and by profile; the user is told under which rule, and how to appeal.
What is only noted leaves its mark in the evidence and nothing else.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Final

from hegui.controls.control import Control, Flow, House, Watch
from hegui.exchange import PASS, Exchange, Verdict
from hegui.language import N_
from hegui.policy import Direction, Policy, Snapshot
from hegui.safety.lexicon import Action, Hit, Lexicon
from hegui.safety.minimise import Minimiser
from hegui.safety.personal import Personal
from hegui.safety.risks import risks
from hegui.safety.window import Detector, Window

_REMEMBERED: Final = 50_000  # texts; some 8 MB
_STOPS: Final = frozenset({"refuse", "withhold"})


class _Acting:
    """What finds and what decides now; made once for each lexicon and each change of policies."""

    def __init__(self, lexicon: Lexicon, policies: Snapshot, personal: Personal) -> None:
        self.lexicon, self.policies = lexicon, policies
        self.live, self.shadow = policies.live, policies.shadow
        found: list[Detector] = [lexicon, personal]
        self.detectors = [*found, self.live.hot] if self.live.hot else found
        self.clean: dict[bytes, None] = {}  # hashes of texts in which nothing stood, oldest first

    def decider(self, exchange: Exchange, way: Direction) -> Callable[[Hit], Action]:
        """What the policy does about a hit; what it finds, and what its shadow would do, is noted."""
        live = self.live.decider(exchange.profile, way)
        other = self.shadow.decider(exchange.profile, way) if self.shadow else live

        def decide(hit: Hit) -> Action:
            action = live(hit)
            exchange.found.add(
                hit.entry.term if hit.entry.category.startswith("A.4") else hit.entry.category
            )
            if (would := other(hit)) != action:
                exchange.shadow.add(f"{hit.entry.category} {action} {would}")
            return action

        return decide


class ModerationControl(Control):
    name = "moderation"
    carries = ("IM-4.1", "IM-14.1")

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self._personal = Personal()
        self._acting: _Acting | None = None

    def _now(self) -> _Acting:
        """What acts now."""
        lexicon, policies, acting = self.house.lexicon, self.house.policies.now(), self._acting
        if acting is None or acting.lexicon is not lexicon or acting.policies is not policies:
            acting = self._acting = _Acting(lexicon, policies, self._personal)
        return acting

    async def check(self, exchange: Exchange) -> Verdict:
        acting = self._now()
        policy = acting.live
        exchange.policy = policy.version
        if exchange.unscanned and (refused := self._unscannable(exchange, policy)):
            return refused
        for text in exchange.texts:
            for hit, action in self._find(acting, exchange, text):
                if action in _STOPS:
                    return self.stop(exchange, hit)
        if exchange.found & policy.minimised:
            self._minimise(exchange, policy.minimised)
        return PASS

    def _unscannable(self, exchange: Exchange, policy: Policy) -> Verdict | None:
        """The refusal of parts that cannot be looked into; who lets the others pass is noted."""
        if refused := [kind for kind in exchange.unscanned if not policy.lets_pass(kind)]:
            message = N_("This service cannot check {kinds} content, so it takes none: send text.")
            values = {"kinds": ", ".join(refused)}
            return self.verdict("refuse", "unscannable", message, values=values, status=400)
        exchange.passed = [
            {"kind": kind, "owner": by.owner, "reason": by.reason}
            for kind in exchange.unscanned
            if (by := policy.lets_pass(kind))
        ]
        return None

    def _find(self, acting: _Acting, exchange: Exchange, text: str) -> list[tuple[Hit, Action]]:
        """The hits in a text of the request.

        A conversation sends all that was said before with every question: a text in which nothing
        stood is not looked at again.
        """
        digest = sha256(text.encode("utf-8", "surrogatepass")).digest()
        if digest in acting.clean:
            return []
        hits = [hit for detector in acting.detectors for hit in detector.scan(text)]
        if not hits:
            if len(acting.clean) >= _REMEMBERED:
                del acting.clean[next(iter(acting.clean))]
            acting.clean[digest] = None
            return []
        decide = acting.decider(exchange, "input")
        return [(hit, decide(hit)) for hit in hits]

    def _minimise(self, exchange: Exchange, kinds: frozenset[str]) -> None:
        """Ask the model with tokens in place of personal information (PIPL, Art. 6)."""
        if exchange.rewrite is None:
            return
        minimiser = Minimiser(self._personal, kinds)
        exchange.forward = exchange.rewrite(minimiser.hide)
        exchange.restorer = minimiser.restorer

    def judge(self, text: str) -> set[str]:
        """The categories of whatever stands in a text, also of what would only be noted."""
        return {hit.entry.category for d in self._now().detectors for hit in d.scan(text)}

    def watch(self, exchange: Exchange) -> Watch:
        acting = self._now()
        window = Window(acting.detectors, acting.decider(exchange, "output"))
        return _Watch(self, exchange, window)

    def stop(self, exchange: Exchange, hit: Hit) -> Verdict:
        """The verdict on a hit: a refusal before the model was asked, else a withholding."""
        answering = exchange.state == "answering"
        message = (
            N_("The rest of this answer was withheld under the published rule on “{rule}” ({key}). "
               "You can appeal at {url}.")
            if answering
            else N_("This request was refused under the published rule on “{rule}” ({key}). "
                    "You can appeal at {url}.")
        )  # fmt: skip
        key = hit.entry.category
        url = f"{self.house.settings.public_url}/report/{exchange.id}"
        return self.verdict(
            "withhold" if answering else "refuse",
            "output_withheld" if answering else "input_refused",
            message,
            values={"rule": risks()[key].name.say(exchange.language), "key": key, "url": url},
            category=key,
            status=400,
        )


class _Watch:
    """One window on one surface, its hits turned into verdicts."""

    def __init__(self, control: ModerationControl, exchange: Exchange, window: Window) -> None:
        self._control, self._exchange, self._window = control, exchange, window

    def feed(self, text: str, *, last: bool = False) -> Flow:
        release = self._window.feed(text, last=last)
        if release.hit is None:
            return Flow(release.text)
        return Flow(release.text, self._control.stop(self._exchange, release.hit))
