"""The controls, a file each, and the one list that says their order.

The order is the order of the moments: who is it, have they agreed, how often, what do they ask, what
comes back, what is shown with it, what is kept.
"""

from typing import Final

from hegui.controls.agreement import AgreementControl
from hegui.controls.control import Control
from hegui.controls.identity import IdentityControl
from hegui.controls.label import LabelControl
from hegui.controls.limits import LimitsControl
from hegui.controls.moderation import ModerationControl
from hegui.controls.record import RecordControl

CONTROLS: Final[tuple[type[Control], ...]] = (
    IdentityControl,
    AgreementControl,
    LimitsControl,
    ModerationControl,
    LabelControl,
    RecordControl,
)
