"""What has to be answered or done by a day: people's reports, and the duties with a clock."""

from hegui.cases.clocks import BEIJING
from hegui.cases.desk import (
    LONGEST,
    REASONS,
    Case,
    Step,
    find_case,
    list_cases,
    list_steps,
    next_states,
    open_case,
    read_answer,
    take_step,
)

__all__ = [
    "BEIJING",
    "LONGEST",
    "REASONS",
    "Case",
    "Step",
    "find_case",
    "list_cases",
    "list_steps",
    "next_states",
    "open_case",
    "read_answer",
    "take_step",
]
