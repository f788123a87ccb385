"""Moderation 内容管理: forbidden input is refused, forbidden output withheld (Art. 4(1), 14(1)).

The lexicon decides; the category is one of the 31 risks, and the user is told under which, and how
to appeal. An entry that only notes leaves its mark in the evidence and nothing else.
"""

from hashlib import sha256
from typing import Final

from hegui.controls.control import Control, Flow, House, Watch
from hegui.exchange import PASS, Exchange, Verdict
from hegui.language import N_
from hegui.safety.lexicon import Hit
from hegui.safety.risks import risks
from hegui.safety.window import Window

_REMEMBERED: Final = 50_000  # texts; some 8 MB
_STOPS: Final = frozenset({"refuse", "withhold"})


class ModerationControl(Control):
    name = "moderation"
    carries = ("IM-4.1", "IM-14.1")

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self._clean: dict[bytes, None] = {}  # hashes of texts in which nothing stood, oldest first
        self._clean_of = house.lexicon  # what they were scanned with

    async def check(self, exchange: Exchange) -> Verdict:
        lexicon = self.house.lexicon
        if lexicon is not self._clean_of:  # it was swapped: nothing is known of the new one
            self._clean, self._clean_of = {}, lexicon
        for text in exchange.texts:
            # A conversation sends all that was said before with every question: look at it once.
            digest = sha256(text.encode("utf-8", "surrogatepass")).digest()
            if digest in self._clean:
                continue
            for hit in lexicon.scan(text):
                if hit.entry.action in _STOPS:
                    return self.stop(exchange, hit)
            if len(self._clean) >= _REMEMBERED:
                del self._clean[next(iter(self._clean))]
            self._clean[digest] = None
        return PASS

    def watch(self, exchange: Exchange) -> Watch:
        return _Watch(self, exchange, Window(self.house.lexicon))

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
