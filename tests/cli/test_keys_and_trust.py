import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fakes.host import Host, capture, statuses

from titan_provenance.cli.main import program

PASSPHRASE = "correct horse"


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("titan_provenance.release.gate.SYSTEM_TRUST", str(tmp_path / "etc"))
    monkeypatch.setenv("TITAN_PROVENANCE_KEY_PASSPHRASE", PASSPHRASE)
    host = Host(tmp_path)
    os.mkdir(host.path("private"))
    return host


def titan(*words):
    code, out = capture(program(), "titan-provenance", list(words))
    return code, out.decode()


def test_from_a_new_key_to_a_verified_release(host):
    for name, kind in (("ci", "ecdsa-p384"), ("auditor", "ed25519")):
        assert titan("keys", "generate", "--out", f"private/{name}.key", "--type", kind)[0] == 0
    assert titan("trust", "init", "ci", "private/ci.key.pub", "--keys", "trusted")[0] == 0
    words = ["auditor", "private/auditor.key.pub", "--keys", "trusted", "--threshold", "2"]
    assert titan("trust", "add", *words)[0] == 0
    os.unlink("release/manifest.json.ci.sigstore.json")
    for name in ("ci", "auditor"):
        words = ["release/manifest.json", "--key", f"private/{name}.key", "--signer", name]
        assert titan("sign", *words)[0] == 0
    code, verdict = host.verify(keys="trusted")
    assert (code, verdict["signers"]) == (0, ["auditor", "ci"])
    assert titan("trust", "check", "--keys", "trusted")[0] == 0
    assert titan("trust", "revoke", "ci", "--keys", "trusted", "--reason", "stolen")[0] == 0
    code, verdict = host.verify(keys="trusted")
    assert (code, statuses(verdict)["signature"]) == (1, "failed")
    code, out = titan("trust", "check", "--keys", "trusted", "--format", "json")
    assert code == 1
    assert "1 of 2 needed signers are valid" in json.loads(out)["problems"][0]
    code, out = titan("trust", "show", "--keys", "trusted")
    assert "was revoked on" in out
    assert "stolen" in out


def test_public_key_as_pem_and_json(host):
    assert titan("keys", "generate", "--out", "private/a.key")[0] == 0
    code, pem = titan("keys", "public", "--key", "private/a.key")
    assert (code, pem) == (0, host.read("private", "a.key.pub").decode())
    shown = json.loads(titan("keys", "public", "--key", "private/a.key", "--format", "json")[1])
    assert (shown["algorithm"], shown["pem"]) == ("ecdsa-p256", pem)


def test_second_signature_adds_a_bundle_and_replaces_none(host):
    for name in ("a", "b"):
        titan("keys", "generate", "--out", f"private/{name}.key")
    os.unlink("release/manifest.json.ci.sigstore.json")
    assert titan("sign", "release/manifest.json", "--key", "private/a.key")[0] == 0
    first = host.read("release", "manifest.json.sigstore.json")
    assert titan("sign", "release/manifest.json", "--key", "private/b.key")[0] == 2
    assert host.read("release", "manifest.json.sigstore.json") == first
    words = ["release/manifest.json", "--key", "private/b.key", "--signer", "b"]
    assert titan("sign", *words)[0] == 0
    assert sorted(os.listdir("release"))[1:] == [
        "manifest.json.b.sigstore.json",
        "manifest.json.sigstore.json",
    ]


def test_bundle_of_an_older_manifest_is_replaced(host):
    titan("keys", "generate", "--out", "private/a.key")
    words = ["release/manifest.json", "--key", "private/a.key", "--signer", "ci"]
    assert titan("sign", *words)[0] == 2
    manifest = json.loads(host.read("release", "manifest.json"))
    host.write(json.dumps(manifest, indent=2) + "\n", "release", "manifest.json")
    manifest["predicate"]["release"]["sequence"] = 5
    host.write(json.dumps(manifest, indent=2) + "\n", "release", "manifest.json")
    assert titan("sign", *words)[0] == 0


@pytest.mark.parametrize("name", ["../x", "a/b", "", "-"])
def test_signer_names_that_are_none(host, name):
    titan("keys", "generate", "--out", "private/a.key")
    words = ["release/manifest.json", "--key", "private/a.key", "--signer", name]
    before = list(os.walk(host.directory))
    assert titan("sign", *words)[0] == 2
    assert list(os.walk(host.directory)) == before


def test_signing_needs_a_key(host):
    assert host
    assert titan("sign", "release/manifest.json")[0] == 2
    assert titan("sign", "release/manifest.json", "--keyless")[0] == 2


def test_what_is_no_manifest_is_not_signed(host):
    titan("keys", "generate", "--out", "private/a.key")
    host.write("{}", "release", "other.json")
    assert titan("sign", "release/other.json", "--key", "private/a.key")[0] == 2
    assert not os.path.exists("release/other.json.sigstore.json")


def test_no_passphrase_and_no_terminal(host, monkeypatch):
    assert host
    monkeypatch.delenv("TITAN_PROVENANCE_KEY_PASSPHRASE")
    assert titan("keys", "generate", "--out", "private/a.key")[0] == 2
    assert os.listdir("private") == []


def test_passphrase_is_never_printed(host, monkeypatch, capfd):
    assert host
    titan("keys", "generate", "--out", "private/a.key")
    monkeypatch.setenv("TITAN_PROVENANCE_KEY_PASSPHRASE", "wrong but secret")
    code, out = titan("sign", "release/manifest.json", "--key", "private/a.key", "--debug")
    seen = out + capfd.readouterr().err
    assert code == 2
    assert "wrong passphrase" in seen
    assert "wrong but secret" not in seen
    assert PASSPHRASE not in seen


def test_trust_is_not_started_twice(host):
    host.write(host.ci.public_key.pem(), "ci.pub")
    assert titan("trust", "init", "ci", "ci.pub")[0] == 2
    assert titan("trust", "add", "ci", "private")[0] == 3
    host.write("-----BEGIN PRIVATE KEY-----\n", "private", "x")
    assert titan("trust", "add", "x", "private/x")[0] == 2


@pytest.mark.parametrize("option", ["", "--public-out=private/a.key", "--public-out=private/b.pub"])
def test_generate_overwrites_nothing(host, option):
    for name in ("a.key.pub", "b.pub"):
        host.write(b"another key", "private", name)
    words = ["keys", "generate", "--out", "private/a.key", *filter(None, [option])]
    assert titan(*words)[0] == 2
    assert sorted(os.listdir("private")) == ["a.key.pub", "b.pub"]
    assert host.read("private", "b.pub") == b"another key"


def test_text_of_a_private_key_in_place_of_a_reference_is_not_shown(host, capfd):
    titan("keys", "generate", "--out", "private/a.key")
    text = host.read("private", "a.key").decode()
    for reference in (text, f"env:{text}"):
        code, out = titan("sign", "release/manifest.json", "--key", reference, "--debug")
        assert code == 2
        assert text.splitlines()[1] not in out + capfd.readouterr().err


def test_passphrase_that_is_no_text(host, monkeypatch):
    assert host
    monkeypatch.setenv("TITAN_PROVENANCE_KEY_PASSPHRASE", os.fsdecode(b"\xff\xfe12345678"))
    assert titan("keys", "generate", "--out", "private/a.key")[0] == 0
    assert titan("sign", "release/manifest.json", "--key", "private/a.key", "--signer", "x")[0] == 0


def test_file_of_another_key_does_not_break_the_policy(host):
    titan("keys", "generate", "--out", "private/a.key")
    host.write(host.read("keys", "auditor.pub"), "keys", "a.pub")
    before = host.read("keys", "trust.yaml")
    assert titan("trust", "add", "a", "private/a.key.pub", "--keys", "keys")[0] == 2
    assert host.read("keys", "trust.yaml") == before
    assert host.verify()[0] == 0


def test_window_of_a_known_signer_is_not_dropped_silently(host):
    words = ["trust", "add", "ci", "keys/ci.pub", "--keys", "keys"]
    before = host.read("keys", "trust.yaml")
    assert titan(*words, "--valid-until", "2030-01-01T00:00:00Z")[0] == 2
    assert host.read("keys", "trust.yaml") == before
    assert titan(*words, "--role", "sbom")[0] == 0


def test_edits_at_the_same_time_are_all_kept(host):
    program_path = Path(sys.executable).with_name("titan-provenance")
    names = [f"s{number}" for number in range(4)]
    for name in names:
        titan("keys", "generate", "--out", f"private/{name}.key", "--type", "ed25519")
    words = [[name, f"private/{name}.key.pub"] for name in names]
    running = [
        subprocess.Popen([program_path, "trust", "add", *word, "--keys", "keys", "--quiet"])
        for word in words
    ]
    assert [process.wait(30) for process in running] == [0] * len(names)
    shown = json.loads(titan("trust", "show", "--keys", "keys", "--format", "json")[1])
    assert {signer["name"] for signer in shown["signers"]} == {"ci", "auditor", *names}
    assert shown["version"] == 1 + len(names)
    assert max(os.listdir(host.path("keys"))) == "trust.yaml", "a lock was left"
