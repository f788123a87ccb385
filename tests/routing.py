"""What the tests of every route of the gateway share: a gateway before a model that says things."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from hegui.exchange import Exchange, new_id
from hegui.people.callers import Caller
from hegui.settings import Limits, Server
from saying import Saying
from serving import Serving, prepared, raw, serving_settings

HIT = "嘀咚瓦棱"  # a word of the sample lexicon, of characters that stand nowhere else
REFUSED = "tell me of zorblefax"  # another
WEATHER = '{"city":"Paris"}'
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


class Routed:
    """A gateway, its model, and a key."""

    def __init__(self, serving: Serving, model: Saying, secret: str) -> None:
        self.serving, self.model, self.secret = serving, model, secret

    def post(self, path: str, body: Any, language="en") -> tuple[int, bytes]:
        key = {"authorization": f"Bearer {self.secret}"}
        return self.bare(path, body, **key, **{"accept-language": language})

    def bare(self, path: str, body: Any, **headers: str) -> tuple[int, bytes]:
        """Post with these headers only."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        status, _, received = raw(self.serving.port, "POST", path, data, headers)
        return status, received

    def whole(self, path: str, body: Any) -> Any:
        """The answer in one piece, decoded."""
        return json.loads(self._answered(path, body))

    def stream(self, path: str, body: Any) -> list[dict[str, Any]]:
        """The same streamed: the JSON of every event."""
        return events(self._answered(path, body | {"stream": True}))

    def _answered(self, path: str, body: Any) -> bytes:
        status, received = self.post(path, body)
        assert status == 200, received
        return received


@contextlib.contextmanager
def routed(folder, *urls: str, accept=True, **sections: Any) -> Iterator[Routed]:
    """`urls` are those of store and vault; `sections` of the settings stand in for the usual."""
    with Saying() as model:
        usual = {"server": Server(max_body_bytes=300_000), "limits": Limits(1_000_000, 1_000_000)}
        settings = serving_settings(folder, model.url, *urls, **usual | sections)
        secret = prepared(settings, accept=accept)
        with Serving(settings) as serving:
            yield Routed(serving, model, secret)


def exchange() -> Exchange:
    """One that has been let in, for those who only write its answer."""
    caller = Caller("k", "p")
    return Exchange(new_id(), "r", "en", caller, "p", "m", True, ("hello",), b"{}", b"{}")


def events(received: bytes) -> list[dict[str, Any]]:
    """The JSON of every server-sent event."""
    blocks = received.decode().strip().split("\n\n")
    data = [block.split("data: ", 1)[1] for block in blocks]
    return [json.loads(text) for text in data if text != "[DONE]"]


def said(received: bytes) -> str:
    """Every string in what was received, streamed or not, with all its escapes decoded."""
    found: list[str] = []
    bodies = events(received) if b"data: " in received else [json.loads(received)]

    def walk(value: Any) -> None:
        if isinstance(value, str):
            found.append(value)
            with contextlib.suppress(ValueError):  # JSON in a string: the arguments of a call
                if value[:1] in ("{", "["):
                    walk(json.loads(value))
        elif isinstance(value, dict):
            walk(list(value))
            walk(list(value.values()))
        elif isinstance(value, list):
            for each in value:
                walk(each)

    walk(bodies)
    return "\n".join([*found, received.decode()])


def leaked(received: bytes) -> set[str]:
    """The characters of the hit that are anywhere in what was received."""
    return set(HIT) & set(said(received))


_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=False),
    st.sampled_from(["", "user", "assistant", "system", "text", "function", "auto", "{x}", HIT]),
    st.text(max_size=5),
)


def requests(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    """Requests that are nearly right: known names, with values of every kind under them."""
    known = st.sampled_from([*names, "type", "role", "content", "text", "name", "input", "source"])
    values = st.recursive(
        _SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(known, inner, max_size=4),
        max_leaves=12,
    )
    return st.dictionaries(st.sampled_from(names), values, max_size=6)
