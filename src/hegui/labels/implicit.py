"""The implicit label 隐式标识: the seven AIGC fields that machines read (GB 45438-2025, 6.1, Annex E).

Read through three independent implementers and four real files, not in the standard's own text:
confidence M for the fields' meaning and the character set, H for their names and order.
"""

import re
from functools import lru_cache
from typing import Final

from hegui.language import Problem

# "1" it is AI-generated, "2" it may be, "3" it is suspected to be. A producer knows: "1".
IS_GENERATED: Final = "1"

# Annex E j: visible single-byte characters of GB 18030 without quotation mark and backslash.
_CHARACTERS: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
# The unified social credit code (GB 32100-2015): its letters, and the weights 3^i mod 31.
_CREDIT: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_WEIGHTS: Final = tuple(pow(3, place, 31) for place in range(17))
# Format "00"; organisation "1", bound by its credit code "1"; the credit code; service and model.
_CODE: Final = re.compile(f"0011([{_CREDIT}]{{18}})(?:00000|[12][0-9A-Z]{{4}})")


def aigc(producer_code: str, content_id: str) -> dict[str, str]:
    """The AIGC fields for the envelope of an answer, in the order of the standard.

    `producer_code` is the provider's own (`service.producer_code`), `content_id` a number that it
    gives out once: the exchange's. On first writing the propagation fields repeat the production
    fields (Annex E, note 1).

    Raises:
        Problem: `labels.producer` or `labels.content-id`.
    """
    check_producer_code(producer_code)
    if not _CHARACTERS.fullmatch(content_id):
        raise Problem(
            "labels.content-id",
            "“{id}” cannot stand in a label: use visible ASCII characters without spaces, quotation "
            "marks and backslashes.",
            id=content_id,
        )
    return {
        "Label": IS_GENERATED,
        "ContentProducer": producer_code,
        "ProduceID": content_id,
        "ReservedCode1": "",
        "ContentPropagator": producer_code,
        "PropagateID": content_id,
        "ReservedCode2": "",
    }


@lru_cache(maxsize=16)
def check_producer_code(code: str) -> None:
    """Check a provider code 服务提供者编码: 27 characters, of which 18 are the social credit code.

    The coding rules are known for organisations only (confidence M to H by position); a code of
    another subject type is refused until its form is known.

    Raises:
        Problem: `labels.producer`.
    """
    found = _CODE.fullmatch(code)
    if not found or not _is_credit_code(found.group(1)):
        raise Problem(
            "labels.producer",
            "“{given}” is no provider code: 0011, the 18 characters of your unified social credit code, "
            "then 00000, or 1 (generation) or 2 (propagation) and 4 characters of your own. Set it as "
            "service.producer_code; never use another company's.",
            given=code,
        )


def _is_credit_code(code: str) -> bool:
    """Hold the 18th character against the 17 before it (GB 32100-2015)."""
    total = sum(_CREDIT.index(c) * w for c, w in zip(code[:17], _WEIGHTS, strict=True))
    return _CREDIT[-total % 31] == code[17]
