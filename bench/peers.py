"""The gateways that are measured: how each is set up and started, in one table."""

import importlib.metadata
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[1]
PEERS_PYTHON: Final = ROOT / ".venv-bench" / "bin" / "python"
KEY: Final = "sk-bench"
MODELS: Final = ("s100i0", "s100i10")  # stub.c reads from the name what to stream


class Start(NamedTuple):
    """What it takes to start a gateway in a folder of its own."""

    command: list[str]
    environment: dict[str, str]


class Peer(NamedTuple):
    """A gateway: its name in the tables, its version, and how to prepare it.

    `prepare` takes an empty folder, the port to serve and the port of the upstream.
    """

    name: str
    version: Callable[[], str]
    prepare: Callable[[Path, int, int], Start]


def _nginx(folder: Path, port: int, upstream: int) -> Start:
    (folder / "nginx.conf").write_text(f"""
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 100000000;
  upstream stub {{ server 127.0.0.1:{upstream}; keepalive 128; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://stub;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
}}
""")
    command = [_nginx_path(), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    return Start(command, {})


def _nginx_path() -> str:
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin") or "nginx"


def _nginx_version() -> str:
    said = subprocess.run([_nginx_path(), "-v"], capture_output=True, text=True, check=True)
    return said.stderr.strip().rpartition("/")[2]


def _litellm(folder: Path, port: int, upstream: int) -> Start:
    models = "".join(
        f"  - model_name: {name}\n    litellm_params: {{model: openai/{name}, api_key: none, "
        f"api_base: 'http://127.0.0.1:{upstream}/v1'}}\n"
        for name in MODELS
    )
    config = folder / "config.yaml"
    config.write_text(f"model_list:\n{models}general_settings: {{master_key: {KEY}}}\n")
    command = [str(PEERS_PYTHON.parent / "litellm"), "--config", str(config)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    return Start(
        [*command, "--telemetry", "False"],
        {
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it fetches its price list at start
            "LITELLM_MODE": "PRODUCTION",
            "LITELLM_LOG": "ERROR",
            "NO_DOCS": "True",
        },
    )


def _litellm_version() -> str:
    code = "import importlib.metadata as m; print(m.version('litellm'))"
    said = subprocess.run([PEERS_PYTHON, "-c", code], capture_output=True, text=True, check=True)
    return said.stdout.strip()


def _hegui(ledger: str) -> Callable[[Path, int, int], Start]:
    """Serve with everything on, or with the ledger off (see bench/serve.py)."""

    def prepare(folder: Path, port: int, upstream: int) -> Start:
        command = [sys.executable, "-m", "bench.serve", str(folder), str(port), str(upstream)]
        return Start([*command, ledger], {})

    return prepare


def _hegui_version() -> str:
    return importlib.metadata.version("hegui")


def peers() -> list[Peer]:
    """Return every gateway of the table, the yardsticks first."""
    return [
        Peer("nginx", _nginx_version, _nginx),
        Peer("LiteLLM", _litellm_version, _litellm),
        Peer("hegui, ledger off", _hegui_version, _hegui("off")),
        Peer("hegui, all on", _hegui_version, _hegui("on")),
    ]
