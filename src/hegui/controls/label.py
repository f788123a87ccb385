"""Label 标识: every answer says that it is AI-generated (Art. 12; GB 45438-2025, 5.1).

The text itself carries the label at its start or end, so that a copied answer keeps it; the chat page
shows the short label beside it all the time. What a program reads (JSON, calls of tools) is labelled in
its envelope only: a label inside would break it.
"""

from hegui.controls.control import Control
from hegui.exchange import Exchange
from hegui.labels.text import explicit, prefix, suffix


class LabelControl(Control):
    name = "label"
    carries = ("IM-12", "IM-4.5")

    def before(self, exchange: Exchange) -> str:
        """The label that stands before the answer, or ""."""
        if not exchange.plain or self.house.settings.labels.position != "prefix":
            return ""
        return prefix(exchange.language)

    def after(self, exchange: Exchange) -> str:
        """The label that stands after the answer, or ""."""
        if not exchange.plain or self.house.settings.labels.position != "suffix":
            return ""
        return suffix(exchange.language)

    def envelope(self, exchange: Exchange) -> dict[str, str]:
        """The label that machines read, which stands beside the answer in every form of it."""
        return {"Label": "1", "ProduceID": exchange.id}

    @property
    def version(self) -> str:
        """Names the words that were shown, for the evidence."""
        return explicit().version
