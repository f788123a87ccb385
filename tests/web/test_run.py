import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def demo(tmp_path):
    """`hegui serve --demo` as a newcomer starts it, in an empty folder."""
    port = free_port()
    command = [Path(sys.executable).parent / "hegui", "serve", "--demo", "--port", str(port)]
    environment = os.environ | {"HEGUI_LANGUAGE": "en", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    )
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "Ctrl-C" in line:
            break
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}", "".join(lines)
    process.send_signal(signal.SIGINT)
    process.wait(30)
    process.stdout.close()


def test_the_demo_says_where_it_is_and_answers_a_program(demo):
    address, said = demo
    assert address in said
    secret = re.search(r"hg-[\w-]+", said)[0]
    question = {"role": "user", "content": "What does Article 12 ask?"}
    request = urllib.request.Request(
        f"{address}/v1/chat/completions",
        json.dumps({"model": "hegui-demo", "messages": [question]}).encode(),
        {"authorization": f"Bearer {secret}", "accept-language": "en"},
    )
    with urllib.request.urlopen(request) as answer:
        text = json.load(answer)["choices"][0]["message"]["content"]
    assert "12" in text
    assert "AI-generated content" in text


def test_the_staff_link_opens_and_the_home_page_stands(demo):
    address, said = demo
    link = re.search(r"http\S+/staff/enter/\S+", said)[0]
    for page in (address, link):
        with urllib.request.urlopen(page) as answer:
            assert answer.status == 200
            assert "default-src 'none'" in answer.headers["content-security-policy"]
