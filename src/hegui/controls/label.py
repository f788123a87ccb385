"""Label 标识: every answer says that it is AI-generated (Art. 12; GB 45438-2025, 5.1).

The text itself carries the label where the policy says, so that a copied answer keeps it; the chat
page shows the short label beside it all the time. What a program reads (JSON, calls of tools) is
labelled in its envelope only: a label inside would break it.
"""

from hegui.controls.control import Control, House
from hegui.exchange import Exchange
from hegui.labels import text
from hegui.labels.label import IS_GENERATED, Label
from hegui.labels.provider import check_producer_code


class LabelControl(Control):
    name = "label"
    carries = ("IM-12", "IM-4.5")

    def __init__(self, house: House) -> None:
        """Check the provider's code once, so that no exchange pays for it; raises `labels.producer`."""
        super().__init__(house)
        self._fields: dict[str, str] = {}
        if self.on and (code := house.settings.service.producer_code):
            check_producer_code(code)
            self._fields = Label.new(code).fields()

    def before(self, exchange: Exchange) -> str:
        """The label that stands before the answer, or ""."""
        if not self.on:
            return ""
        return text.before(self._place(exchange), exchange.language)

    def after(self, exchange: Exchange, answer: str) -> str:
        """The label that stands after `answer`, the whole of what was shown, or ""."""
        if not self.on:
            return ""
        return text.after(self._place(exchange), exchange.language, answer)

    def _place(self, exchange: Exchange) -> text.Place:
        position = self.house.policies.live().labels.position
        return text.place("prose" if exchange.plain else "json", position)

    def envelope(self, exchange: Exchange) -> dict[str, str]:
        """The label that machines read, which stands beside the answer in every form of it.

        Without a provider's code it says no more than that this is AI's, and which exchange it is of:
        `hegui check` asks for the code.
        """
        if not self.on:
            return {}
        if self._fields:
            return self._fields | {"ProduceID": exchange.id, "PropagateID": exchange.id}
        return {"Label": IS_GENERATED, "ProduceID": exchange.id}

    @property
    def version(self) -> str:
        """Names the words that were shown, for the evidence; "" when none were."""
        return text.explicit().version if self.on else ""
