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
from hegui.policy import Direction
from hegui.safety.lexicon import Action, Hit
from hegui.safety.minimise import Minimiser
from hegui.safety.personal import Personal
from hegui.safety.risks import risks
from hegui.safety.window import Detector, Window

_REMEMBERED: Final = 50_000  # texts; some 8 MB
_STOPS: Final = frozenset({"refuse", "withhold"})


class ModerationControl(Control):
    name = "moderation"
    carries = ("IM-4.1", "IM-14.1")

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self._personal = Personal()
        self._clean: dict[bytes, None] = {}  # hashes of texts in which nothing stood, oldest first
        self._clean_for: tuple[str, str] = ("", "")  # the versions that found nothing

    async def check(self, exchange: Exchange) -> Verdict:
        policy = self.house.policies.live()
        exchange.policy = policy.version
        if refused := [kind for kind in exchange.unscanned if not policy.lets_pass(kind)]:
            message = N_("This service cannot check {kinds} content, so it takes none: send text.")
            values = {"kinds": ", ".join(refused)}
            return self.verdict("refuse", "unscannable", message, values=values, status=400)
        exchange.passed = [
            {"kind": kind, "owner": by.owner, "reason": by.reason}
            for kind in exchange.unscanned
            if (by := policy.lets_pass(kind))
        ]
        for text in exchange.texts:
            for hit, action in self._find(exchange, text):
                if action in _STOPS:
                    return self.stop(exchange, hit)
        if exchange.found & policy.minimised:
            self._minimise(exchange, policy.minimised)
        return PASS

    def _find(self, exchange: Exchange, text: str) -> list[tuple[Hit, Action]]:
        """The hits in a text of the request.

        A conversation sends all that was said before with every question: a text in which nothing
        stood is not looked at again.
        """
        versions = (self.house.lexicon.sha256, exchange.policy)
        if versions != self._clean_for:
            self._clean, self._clean_for = {}, versions
        digest = sha256(text.encode("utf-8", "surrogatepass")).digest()
        if digest in self._clean:
            return []
        decide = self._decider(exchange, "input")
        hits = [hit for detector in self._detectors() for hit in detector.scan(text)]
        if not hits:
            if len(self._clean) >= _REMEMBERED:
                del self._clean[next(iter(self._clean))]
            self._clean[digest] = None
        return [(hit, decide(hit)) for hit in hits]

    def _detectors(self) -> list[Detector]:
        hot = self.house.policies.live().hot
        found: list[Detector] = [self.house.lexicon, self._personal]
        return [*found, hot] if hot else found

    def _decider(self, exchange: Exchange, way: Direction) -> Callable[[Hit], Action]:
        """What the policy does about a hit; what it finds, and what its shadow would do, is noted."""
        live = self.house.policies.live().decider(exchange.profile, way)
        shadow = self.house.policies.shadow()
        other = shadow.decider(exchange.profile, way) if shadow else live

        def decide(hit: Hit) -> Action:
            action = live(hit)
            exchange.found.add(
                hit.entry.term if hit.entry.category.startswith("A.4") else hit.entry.category
            )
            if (would := other(hit)) != action:
                exchange.shadow.add(f"{hit.entry.category} {action} {would}")
            return action

        return decide

    def _minimise(self, exchange: Exchange, kinds: frozenset[str]) -> None:
        """Ask the model with tokens in place of personal information (PIPL, Art. 6)."""
        if exchange.rewrite is None:
            return
        minimiser = Minimiser(self._personal, kinds)
        exchange.forward = exchange.rewrite(minimiser.hide)
        exchange.restorer = minimiser.restorer

    def judge(self, text: str) -> set[str]:
        """The categories of whatever stands in a text, also of what would only be noted."""
        return {hit.entry.category for d in self._detectors() for hit in d.scan(text)}

    def watch(self, exchange: Exchange) -> Watch:
        window = Window(self._detectors(), self._decider(exchange, "output"))
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
