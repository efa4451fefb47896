import json
import os

import pytest
from fakes.host import Host, capture, statuses

from titan_provenance.cli.main import program

PASSPHRASE = "correct horse"


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("GITHUB_", "TITAN_"))]:
        monkeypatch.delenv(name)
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
    before = sorted(os.listdir(host.directory))
    code = titan("sign", *words)[0]
    assert code == 2 or (name == "" and code == 0)
    assert sorted(os.listdir(host.directory)) == before


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
