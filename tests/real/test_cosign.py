"""cosign 3 accepts the bundles that we write, and we accept those that it writes."""

import os
import shutil

import pytest
from cryptography.hazmat.primitives import serialization
from fakes.host import refused_by
from real.parts import PASSPHRASE, changed_byte, require, run

from titan_provenance.model.release import PREDICATE_TYPE

pytestmark = pytest.mark.real

REFUSED_KEY = "accepted signatures do not match threshold"


class Cosign:
    """cosign with managed keys and no service: an empty signing config, an empty trusted root."""

    def __init__(self, command, directory):
        self._command = command
        self._directory = str(directory)
        kinds = {
            "signing-config": "signingconfig.v0.2+json",
            "trusted-root": "trustedroot+json;version=0.1",
        }
        for name, kind in kinds.items():
            content = f'{{"mediaType": "application/vnd.dev.sigstore.{kind}"}}'
            (directory / name).write_text(content, encoding="utf-8")

    def run(self, *words):
        settings = {"HOME": self._directory, "COSIGN_PASSWORD": PASSPHRASE}
        return run(self._command, *words, cwd=self._directory, **settings)

    def accepts(self, bundle, public_key, digest, kind=PREDICATE_TYPE):
        """Say whether cosign accepts a bundle, and what it prints."""
        asked = ["--bundle", bundle, "--key", public_key, "--type", kind]
        digest = ["--digest", digest.removeprefix("sha256:"), "--digestAlg", "sha256"]
        command = ["verify-blob-attestation", "--insecure-ignore-tlog", *asked, *digest]
        outcome = self.run(*command)
        assert (outcome.code == 0) == ("Verified OK" in outcome.out + outcome.err), outcome
        return outcome.code == 0, outcome.err

    def new_key(self, private_key=None):
        """Make a key pair of cosign's own kind, or import one; return the paths of both halves."""
        words = ["import-key-pair", "--key", private_key] if private_key else ["generate-key-pair"]
        assert self.run(*words, "--output-key-prefix", "cosign").code == 0
        return [os.path.join(self._directory, f"cosign.{suffix}") for suffix in ("key", "pub")]

    def attest(self, statement, key, bundle):
        """Sign a statement as it is."""
        settings = ["--signing-config", "signing-config", "--trusted-root", "trusted-root"]
        files = ["--key", key, "--statement", statement, "--bundle", bundle]
        return self.run("attest-blob", "--yes", *settings, *files)


@pytest.fixture
def cosign(tmp_path):
    named = os.environ.get("TITAN_PROVENANCE_TEST_COSIGN")
    command = named if named and os.path.exists(named) else shutil.which("cosign")
    require(command, "cosign", in_ci=shutil.which("go") is not None)
    directory = tmp_path / "cosign"
    directory.mkdir()
    return Cosign(command, directory)


def without_passphrase(pem):
    key = serialization.load_pem_private_key(pem, PASSPHRASE.encode())
    pkcs8 = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, pkcs8, serialization.NoEncryption())


@pytest.mark.parametrize("kind", ["ecdsa-p256", "ed25519"])
def test_cosign_accepts_our_bundle_for_every_service(kind, cosign, workplace):
    key = workplace.new_key(kind)
    bundle = workplace.sign(key)
    for digest in workplace.digests().values():
        assert cosign.accepts(bundle, f"{key}.pub", digest)[0]


def test_cosign_rejects_our_bundle_for_anything_else(cosign, workplace):
    key, other = workplace.new_key(), workplace.new_key("ed25519")
    bundle = workplace.sign(key)
    digest = workplace.digests()["brain"]

    accepted, why = cosign.accepts(bundle, f"{key}.pub", "sha256:" + 64 * "0")
    assert not accepted
    assert "does not match any digest in statement" in why
    accepted, why = cosign.accepts(bundle, f"{other}.pub", digest)
    assert not accepted
    assert REFUSED_KEY in why
    accepted, why = cosign.accepts(
        bundle, f"{key}.pub", digest, kind="https://slsa.dev/provenance/v1"
    )
    assert not accepted
    assert "invalid predicate type" in why
    with changed_byte(bundle, '"sig": "ME'):
        assert not cosign.accepts(bundle, f"{key}.pub", digest)[0]
    assert cosign.accepts(bundle, f"{key}.pub", digest)[0]


def test_we_accept_what_cosign_signs(cosign, workplace):
    key, public = cosign.new_key()
    bundle = workplace.manifest + ".cosign.sigstore.json"
    assert cosign.attest(workplace.manifest, key, bundle).code == 0
    workplace.titan_well("trust", "init", "cosign", public, "--keys", workplace.keys)

    outcome = workplace.verify()
    assert (outcome.code, outcome.document["verdict"]) == (0, "PASSED"), outcome
    assert outcome.document["signers"] == ["cosign"]
    with changed_byte(workplace.manifest, "@sha256:"):
        outcome = workplace.verify()
    assert outcome.code == 1, outcome
    assert refused_by(outcome.document)[0] == "envelope"


def test_cosign_hashes_for_p384_keys_otherwise_than_their_algorithm(cosign, workplace):
    """Why P-256 is the default: `verify-blob-attestation --key` hashes with SHA-256 for any curve.

    So it refuses P-384 signatures over SHA-384, ours as well as those that cosign makes itself; we
    accept both.
    """
    key = workplace.new_key("ecdsa-p384")
    digest = workplace.digests()["brain"]
    bundle = workplace.sign(key)
    accepted, why = cosign.accepts(bundle, f"{key}.pub", digest)
    assert not accepted
    assert REFUSED_KEY in why
    assert workplace.verify().code == 0

    plain = workplace.path("private", "plain.pem")
    with open(key, "rb") as encrypted, open(plain, "wb") as file:
        file.write(without_passphrase(encrypted.read()))
    own_key, public = cosign.new_key(plain)
    assert cosign.attest(workplace.manifest, own_key, bundle).code == 0
    assert not cosign.accepts(bundle, public, digest)[0]
    assert workplace.verify().code == 0
