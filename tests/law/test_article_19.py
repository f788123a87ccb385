"""Art. 19: what is handed to inspectors is verified by them, offline, with nothing of ours but one file."""

import json
import subprocess
import sys

import pytest

from articles import asking, heads, standing
from hegui.evidence.export import export
from routing import HIT, routed
from saying import choice

pytestmark = pytest.mark.once

CHAT = "/v1/chat/completions"


@pytest.fixture
def package(urls, tmp_path):
    """An export of a service at work: its folder, the operator's public key, how many entries."""
    with routed(tmp_path, *urls) as gateway:
        for text in ("a fine answer", f"a {HIT}"):
            gateway.model.says(choice(text))
            assert gateway.post(CHAT, asking(CHAT))[0] == 200
        archive = gateway.serving.service.archive
        found = standing(archive, "IM-19.1")
        assert found.state == "human_pending"  # the hand-over is a person's
        assert [part.found.outcome for part in found.parts] == ["good"]
        size = export(archive, tmp_path / "package", bodies=True, proofs=(0,))
        assert size >= len(heads(archive, "exchange.finished")) == 2
        yield tmp_path / "package", archive.signer.verifier_key(), size


def verify(folder, key):
    """As an inspector: Python alone, none of our packages, no network."""
    command = [sys.executable, "-I", "-S", folder / "verify.py", folder, "--key", key, "--json"]
    done = subprocess.run(command, capture_output=True, timeout=60, cwd="/", check=False)
    return done.returncode, json.loads(done.stdout)


def test_an_inspector_verifies_the_package_and_sees_what_was_changed(package):
    folder, key, size = package
    code, told = verify(folder, key)
    assert (code, told["entries"], told["findings"]) == (0, size, [])
    [bundle] = (folder / "tile" / "entries" / "000.p").iterdir()
    data = bundle.read_bytes()
    assert b"output_withheld" in data
    bundle.write_bytes(data.replace(b"output_withheld", b"output_released"))
    code, told = verify(folder, key)
    assert code == 1
    assert told["findings"]


def test_another_operators_key_is_not_believed(package):
    folder, key, _ = package
    name, number, rest = key.split("+", 2)
    assert verify(folder, f"{name}x+{number}+{rest}")[0] != 0
