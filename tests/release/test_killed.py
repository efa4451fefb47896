"""Killed before or after any write, fsync, rename or link: the old file or the new, never a part.

Each case runs a command in a forked child that ends, as by kill -9, at the n-th such call; n rises
until the command gets through. After every death the command must succeed when it is run again.
"""

import itertools
import json
import os

import pytest
from fakes.host import Host, capture, make_release

from titan_provenance.attest.statement import parse_manifest
from titan_provenance.cli.demo_images import write_image
from titan_provenance.cli.main import program
from titan_provenance.cli.verify import command as verify_command

CALLS = ("write", "fsync", "replace", "link", "unlink", "open", "ftruncate")
KILLED = 137


def die_at(number, after):
    """Make the process end at the `number`-th call of `CALLS`, before it or after it."""
    count = itertools.count(1)

    def deadly(call):
        def wrapper(*arguments, **options):
            if next(count) != number:
                return call(*arguments, **options)
            if after:
                call(*arguments, **options)
            os._exit(KILLED)

        return wrapper

    for name in CALLS:
        setattr(os, name, deadly(getattr(os, name)))


def run_and_die(command, name, words, number, after):
    """Run a command in a child that dies at a call; return its exit code."""
    child = os.fork()
    if child == 0:
        die_at(number, after)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        try:
            code, _ = capture(command, name, words)
        except BaseException:  # noqa: BLE001 - a forked child must never return into pytest
            code = 99
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def deaths(command, name, words):
    """Yield after each death, once for every point at which the command can be killed."""
    for after in (False, True):
        for number in itertools.count(1):
            code = run_and_die(command, name, words, number, after)
            if code == 0:
                break
            assert code == KILLED, code
            yield number
    assert number > 3


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TITAN_PROVENANCE_KEY_PASSPHRASE", "correct horse")
    return Host(tmp_path)


def test_manifest(host):
    write_image("oci/brain", "brain", "1.4.0")
    fleet = "version: 1\nfleet: titan\nservices: {brain: {image: registry.example/titan/brain}}\n"
    host.write(fleet, "titan-provenance.yaml")
    old = host.write(b"old", "manifest.json")
    words = "manifest build --version 1.4.0 --source oci-dir:oci --no-source -o manifest.json"
    for _ in deaths(program(), "titan-provenance", words.split()):
        data = host.read("manifest.json")
        assert data == b"old" or parse_manifest(data, old).version == "1.4.0"
        host.write(b"old", "manifest.json")
    assert parse_manifest(host.read("manifest.json"), old)


def test_bundle(host):
    os.mkdir("private")
    capture(program(), "t", ["keys", "generate", "--out", "private/a.key"])
    os.unlink("release/manifest.json.ci.sigstore.json")
    words = ["sign", "release/manifest.json", "--key", "private/a.key"]
    for _ in deaths(program(), "titan-provenance", words):
        if os.path.exists("release/manifest.json.sigstore.json"):
            assert json.loads(host.read("release", "manifest.json.sigstore.json"))["dsseEnvelope"]
            os.unlink("release/manifest.json.sigstore.json")


def test_override_and_state(host):
    assert host.verify("--override", "override.yml")[0] == 0
    old_override, old_state = host.read("override.yml"), host.read("state.json")
    host.release(make_release("1.5.0", 5))
    words = [host.manifest, "--keys", "keys", "--state", host.state, "--override", "override.yml"]
    for _ in deaths(verify_command, "verify-release", words):
        override, state = host.read("override.yml"), host.read("state.json")
        assert override == old_override or override.count(b"@sha256:") == 7
        assert state == old_state or len(json.loads(state)["releases"]["titan"]) == 2
        # The record comes first: a release that was never recorded is never deployed.
        assert state != old_state or override == old_override
        host.write(old_override, "override.yml")
        host.write(old_state, "state.json")
    assert host.verify("--override", "override.yml")[0] == 0


def test_trust_policy(host):
    old = host.read("keys", "trust.yaml")
    words = ["trust", "revoke", "ci", "--keys", "keys", "--reason", "stolen"]
    for _ in deaths(program(), "titan-provenance", words):
        text = host.read("keys", "trust.yaml")
        assert text == old or b"stolen" in text
        host.write(old, "keys", "trust.yaml")
    assert b"stolen" in host.read("keys", "trust.yaml")
