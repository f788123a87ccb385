"""The sample lexicon: neutral, invented words that mean nothing, so that moderation can be seen."""

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

from hegui.safety.lexicon import Lexicon
from hegui.safety.sources import gather

SAMPLE: Final = Path(__file__).with_name("sample_lexicon.csv")


@cache
def sample_lexicon() -> Lexicon:
    """Build the sample; it takes a few milliseconds."""
    return Lexicon.build(gather([SAMPLE]).entries, datetime.now(UTC).date())
