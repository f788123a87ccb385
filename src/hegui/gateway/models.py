"""The models behind the gateway: which upstream answers for which name."""

import os
from typing import Protocol

from hegui.gateway.demo import DemoModel
from hegui.gateway.upstream import Client
from hegui.language import Problem
from hegui.settings import Settings, Upstream


class ModelReply(Protocol):
    """What an upstream's answer offers (see `gateway.upstream.Reply`)."""

    status: int

    async def read(self) -> bytes: ...
    async def next_events(self) -> list[bytes]: ...
    def abort(self) -> None: ...


class ModelClient(Protocol):
    async def post(self, path: str, body: bytes) -> ModelReply: ...


class Models:
    """Clients by model name; an upstream without names answers for every other name."""

    def __init__(self, settings: Settings) -> None:
        self.upstreams = settings.upstream
        clients = {upstream.name: _client(upstream) for upstream in self.upstreams}
        self._by_model: dict[str, ModelClient] = {}
        self._other: ModelClient | None = None
        for upstream in reversed(self.upstreams):
            for model in upstream.models:
                self._by_model[model] = clients[upstream.name]
            if not upstream.models:
                self._other = clients[upstream.name]

    @property
    def default(self) -> str:
        """The model of the chat page: the first name of the first upstream."""
        return next(iter(self.names()), "default")

    def names(self) -> list[str]:
        return [model for upstream in self.upstreams for model in upstream.models]

    def knows(self, model: str) -> bool:
        return model in self._by_model or self._other is not None

    def client(self, model: str) -> ModelClient:
        """The client for a model that `knows` has allowed."""
        found = self._by_model.get(model, self._other)
        if found is None:
            raise KeyError(model)
        return found


def _client(upstream: Upstream) -> ModelClient:
    if upstream.url == "demo:":
        return DemoModel()
    headers = {}
    if upstream.api_key_env:
        secret = os.environ.get(upstream.api_key_env)
        if not secret:
            raise Problem(
                "upstream.key",
                "The upstream {name} wants its key in the environment variable {variable}: set it.",
                name=upstream.name,
                variable=upstream.api_key_env,
            )
        headers["authorization"] = f"Bearer {secret}"
    return Client(upstream.url, headers, ca_file=upstream.ca_file or None)
