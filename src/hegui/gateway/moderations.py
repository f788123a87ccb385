"""`POST /v1/moderations`: what the controls here make of a text, in OpenAI's shape.

The categories are the 31 risks of TC260-003, appendix A. No model is asked and nothing is put on
record: a platform may ask before it shows what its users wrote elsewhere.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from hegui.exchange import Verdict, new_id
from hegui.gateway.adapter import decode
from hegui.gateway.chat import TextPart
from hegui.safety.risks import risks

ROUTE: Final = "moderations"
MODEL: Final = "hegui-moderation"


class _Request(msgspec.Struct):
    """Images are not taken: no control can read them."""

    input: str | list[str | TextPart]


_decoder: Final = msgspec.json.Decoder(_Request)


def parse(body: bytes) -> list[str] | Verdict:
    """The texts to be judged, or the refusal that says what is wrong with the request."""
    request = decode(_decoder, body)
    if isinstance(request, Verdict):
        return request
    inputs = [request.input] if isinstance(request.input, str) else request.input
    return [item if isinstance(item, str) else item.text for item in inputs]


def answer(texts: list[str], judge: Callable[[str], set[str]]) -> dict[str, Any]:
    """The verdicts; a score is 1 where something stands, else 0: what decides is a list, not a guess."""
    results = [_result(judge(text)) for text in texts]
    return {"id": f"modr-{new_id()}", "model": MODEL, "results": results}


def _result(found: set[str]) -> dict[str, Any]:
    keys = list(risks())
    return {
        "flagged": bool(found),
        "categories": {key: key in found for key in keys},
        "category_scores": {key: float(key in found) for key in keys},
        "category_applied_input_types": {key: ["text"] for key in keys},
    }
