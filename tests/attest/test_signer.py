import os
import stat

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from fakes.host import make_release, new_signer

from titan_provenance.attest.public_key import PublicKey
from titan_provenance.attest.signer import (
    KEY_TYPES,
    KeySigner,
    generate_key,
    load_signer,
    sign_manifest,
    write_private_key,
)
from titan_provenance.attest.statement import write_manifest
from titan_provenance.errors import (
    CouldNotCheckError,
    DocumentError,
    TitanProvenanceError,
    UnreadableError,
    UsageError,
)


def never_asked():
    raise AssertionError("no passphrase is needed")


def pem_of(key):
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


@pytest.mark.parametrize("kind", KEY_TYPES)
def test_generated_key_is_encrypted_and_signs(tmp_path, kind):
    pem, public = generate_key(kind, "correct horse")
    assert b"ENCRYPTED" in pem
    path = str(tmp_path / "ci.key")
    write_private_key(path, pem)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    signer = load_signer(path, {}, lambda: "correct horse")
    assert signer.public_key == public
    assert public.accepts(signer.sign(b"message"), b"message")
    assert not public.accepts(signer.sign(b"message"), b"massage")


def test_wrong_or_short_passphrase(tmp_path):
    pem, _ = generate_key("ecdsa-p256", "correct horse")
    write_private_key(str(tmp_path / "ci.key"), pem)
    with pytest.raises(UsageError, match="wrong passphrase"):
        load_signer(str(tmp_path / "ci.key"), {}, lambda: "wrong horse")
    with pytest.raises(UsageError, match="fewer than 8"):
        generate_key("ecdsa-p256", "short")
    with pytest.raises(UsageError, match="no key type"):
        generate_key("rsa", "correct horse")


@pytest.mark.parametrize("place", ["keys", "tree", "tree/deep/er", "trusted", "worktree"])
def test_private_key_is_refused_where_it_would_be_shared(tmp_path, place):
    (tmp_path / "tree" / ".git").mkdir(parents=True)
    (tmp_path / "worktree").mkdir()
    (tmp_path / "worktree" / ".git").write_text("gitdir: elsewhere\n")
    (tmp_path / "trusted").mkdir()
    (tmp_path / "trusted" / "trust.yaml").touch()
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    path = tmp_path / place / "ci.key"
    with pytest.raises(UsageError, match="no private key goes there"):
        write_private_key(str(path), b"key")
    assert not path.exists()


def test_private_key_behind_a_link_into_a_work_tree_is_refused(tmp_path):
    (tmp_path / "tree" / ".git").mkdir(parents=True)
    (tmp_path / "safe").symlink_to(tmp_path / "tree")
    with pytest.raises(UsageError, match="git work tree"):
        write_private_key(str(tmp_path / "safe" / "ci.key"), b"key")


def test_key_is_never_overwritten(tmp_path):
    path = tmp_path / "ci.key"
    path.write_text("precious")
    with pytest.raises(UsageError, match="exists"):
        write_private_key(str(path), b"key")
    assert path.read_text() == "precious"


def test_key_that_others_can_read_is_refused(tmp_path):
    path = tmp_path / "ci.key"
    path.write_bytes(pem_of(ec.generate_private_key(ec.SECP256R1())))
    path.chmod(0o644)
    with pytest.raises(UsageError, match="can be read or written by others"):
        load_signer(str(path), {}, never_asked)


def test_key_from_the_environment():
    key = ec.generate_private_key(ec.SECP256R1())
    signer = load_signer("env:CI_KEY", {"CI_KEY": pem_of(key).decode()}, never_asked)
    assert signer.public_key == PublicKey(key.public_key())
    with pytest.raises(UsageError, match="CI_KEY is not set"):
        load_signer("env:CI_KEY", {}, never_asked)
    with pytest.raises(UsageError, match="no PKCS#8 private key") as caught:
        load_signer("env:CI_KEY", {"CI_KEY": "hunter2"}, never_asked)
    assert "hunter2" not in str(caught.value)


def test_rsa_key_of_a_key_store_verifies_and_a_short_one_is_refused():
    signer = KeySigner(rsa.generate_private_key(65537, 2048))
    assert signer.public_key.algorithm == "rsa-2048"
    assert signer.public_key.accepts(signer.sign(b"m"), b"m")
    with pytest.raises(DocumentError, match="1024 bits"):
        KeySigner(rsa.generate_private_key(65537, 1024))  # noqa: S505 - the point of the test


@pytest.mark.parametrize(
    "key", [ec.generate_private_key(ec.SECP256K1()), dsa.generate_private_key(2048)]
)
def test_other_algorithms_are_refused(key):
    with pytest.raises(DocumentError, match="not supported"):
        PublicKey(key.public_key())


@pytest.mark.parametrize(
    "data", [b"", b"x", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"]
)
def test_public_key_that_is_none(data):
    with pytest.raises(DocumentError):
        PublicKey.parse(data, "ci.pub")


def test_two_keys_in_one_file_are_refused():
    pem = new_signer().public_key.pem()
    with pytest.raises(DocumentError, match="exactly one PEM block"):
        PublicKey.parse(pem + pem, "ci.pub")


def test_hint_is_the_digest_of_the_key():
    # openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64
    pem = b"""-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
-----END PUBLIC KEY-----
"""
    key = PublicKey.parse(pem, "rfc8032-test-1.pub")
    assert key.algorithm == "ed25519"
    signature = bytes.fromhex(  # RFC 8032, section 7.1, TEST 1: the empty message
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )
    assert key.accepts(signature, b"")
    assert not key.accepts(signature, b"x")


def test_only_release_manifests_get_signed():
    with pytest.raises(DocumentError):
        sign_manifest(b'{"_type": "x"}', "manifest.json", new_signer())


def test_a_store_that_signs_wrongly_is_noticed():
    class Faulty(KeySigner):
        def sign(self, message):
            return super().sign(message + b"x")

    faulty = Faulty(ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(CouldNotCheckError, match="does not verify"):
        sign_manifest(write_manifest(make_release()), "manifest.json", faulty)


def test_missing_key_file_and_missing_directory(tmp_path):
    with pytest.raises(UnreadableError, match="does not exist"):
        load_signer(str(tmp_path / "no.key"), {}, never_asked)
    with pytest.raises(UnreadableError, match="is no directory"):
        write_private_key(str(tmp_path / "no" / "ci.key"), b"key")


@pytest.mark.parametrize("address", ["hsm:x", "hsm:2?pin-value=123456", "hsm:2?label=a&pin=123456"])
def test_address_in_a_token_that_is_none_is_not_repeated(address):
    with pytest.raises(UsageError) as caught:
        load_signer(address, {"PYKCS11LIB": "/none.so"}, never_asked)
    assert "123456" not in caught.value.message + caught.value.hint


def test_token_without_a_module_and_with_one_that_is_not_there():
    pin = {"TITAN_PROVENANCE_HSM_PIN": "123456"}
    with pytest.raises(UsageError, match="PYKCS11LIB is not set"):
        load_signer("hsm:2?label=none", pin, never_asked)
    with pytest.raises(TitanProvenanceError) as caught:
        load_signer("hsm:2?label=none", {**pin, "PYKCS11LIB": "/none.so"}, never_asked)
    assert "123456" not in caught.value.message + caught.value.hint
