"""cosign 3 accepts the bundles that we write, and we accept those that it writes."""

import pytest
from cryptography.hazmat.primitives import serialization
from fakes.host import refused_by
from real.parts import PASSPHRASE, changed_byte

pytestmark = pytest.mark.real

REFUSED_KEY = "accepted signatures do not match threshold"


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
