import base64
import json

import pytest
from fakes.host import NOW, bundle_of, make_release, new_signer, policy_of
from hypothesis import given, settings
from hypothesis import strategies as st

from titan_provenance import TitanProvenanceError, VerificationError, verify_release
from titan_provenance.attest.envelope import pae
from titan_provenance.attest.signer import sign_manifest
from titan_provenance.attest.statement import write_manifest
from titan_provenance.errors import CouldNotCheckError, UsageError

SIGNER = new_signer()
AUDITOR = new_signer("ed25519")
TRUST = policy_of({"ci": SIGNER, "auditor": AUDITOR})
MANIFEST = write_manifest(make_release())
BUNDLE = sign_manifest(MANIFEST, "manifest.json", SIGNER)


def test_returns_what_was_signed():
    verified = verify_release(MANIFEST, [BUNDLE], TRUST, NOW)
    assert verified.release == make_release()
    assert verified.signers == ("ci",)


@pytest.mark.parametrize("kind", ["p256", "p384", "ed25519"])
def test_accepts_each_kind_of_key(kind):
    signer = new_signer(kind)
    bundle = sign_manifest(MANIFEST, "manifest.json", signer)
    assert verify_release(MANIFEST, [bundle], policy_of({"a": signer}), NOW).signers == ("a",)


def test_two_signers_reach_a_threshold_of_two():
    trust = policy_of({"ci": SIGNER, "auditor": AUDITOR}, threshold=2)
    bundles = [BUNDLE, sign_manifest(MANIFEST, "manifest.json", AUDITOR)]
    assert verify_release(MANIFEST, bundles, trust, NOW).signers == ("auditor", "ci")
    with pytest.raises(VerificationError, match=r"^threshold: 1 of 2 needed signers"):
        verify_release(MANIFEST, [BUNDLE], trust, NOW)


def test_a_time_without_zone_is_refused():
    with pytest.raises(UsageError, match="no time zone"):
        verify_release(MANIFEST, [BUNDLE], TRUST, NOW.replace(tzinfo=None))


def test_names_the_check_that_failed():
    with pytest.raises(VerificationError, match=r"^input: no bundle"):
        verify_release(MANIFEST, [], TRUST, NOW)
    with pytest.raises(CouldNotCheckError, match=r"^input: the manifest is empty"):
        verify_release(b"", [BUNDLE], TRUST, NOW)


def test_bundle_without_log_entries_field_and_without_hint_is_read():
    # cosign writes neither tlogEntries nor keyid; the hint is optional in the specification.
    bundle = json.loads(BUNDLE)
    del bundle["verificationMaterial"]["tlogEntries"]
    del bundle["dsseEnvelope"]["signatures"][0]["keyid"]
    bundle["verificationMaterial"]["publicKey"] = {}
    assert verify_release(MANIFEST, [json.dumps(bundle).encode()], TRUST, NOW).signers == ("ci",)


def test_signature_without_hint_by_nobody_we_trust_is_refused():
    bundle = bundle_of(MANIFEST, new_signer())
    bundle["verificationMaterial"]["publicKey"] = {}
    with pytest.raises(VerificationError, match=r"^signature: .* not by any trusted signer"):
        verify_release(MANIFEST, [json.dumps(bundle).encode()], TRUST, NOW)


def test_pre_authentication_encoding_counts_bytes():
    # The vector of the DSSE protocol, and one with a type and a body that are not ASCII.
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert pae("tÿpe", "größe".encode()) == "DSSEv1 5 tÿpe 7 größe".encode()


def test_nothing_trusted_is_a_threshold_of_zero():
    role = TRUST.roles["release"]._replace(threshold=0)
    broken = TRUST._replace(roles={"release": role})
    assert verify_release(MANIFEST, [BUNDLE], TRUST, NOW)
    with pytest.raises(VerificationError, match=r"^threshold"):
        verify_release(MANIFEST, [BUNDLE], broken, NOW)


def passes_with_the_same_payload(manifest, bundle):
    """Verify a mutant; anything but our own errors or the signed release is a fault."""
    try:
        verified = verify_release(manifest, [bundle], TRUST, NOW)
    except TitanProvenanceError:
        return False
    assert verified.release == make_release()
    assert manifest == MANIFEST
    return True


@settings(max_examples=600)
@given(st.integers(0, len(MANIFEST) - 1), st.integers(1, 255))
def test_any_changed_byte_of_the_manifest_is_refused(position, flip):
    mutant = bytearray(MANIFEST)
    mutant[position] ^= flip
    assert not passes_with_the_same_payload(bytes(mutant), BUNDLE)


@settings(max_examples=1200)
@given(st.integers(0, len(BUNDLE) - 1), st.integers(1, 255))
def test_any_changed_byte_of_the_bundle_is_refused_or_means_the_same(position, flip):
    mutant = bytearray(BUNDLE)
    mutant[position] ^= flip
    passes_with_the_same_payload(MANIFEST, bytes(mutant))


@settings(max_examples=300)
@given(st.integers(0, 80), st.integers(1, 255))
def test_any_changed_byte_of_the_signature_is_refused(position, flip):
    bundle = json.loads(BUNDLE)
    raw = bytearray(base64.b64decode(bundle["dsseEnvelope"]["signatures"][0]["sig"]))
    raw[position % len(raw)] ^= flip
    bundle["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(raw).decode()
    assert not passes_with_the_same_payload(MANIFEST, json.dumps(bundle).encode())


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_as_bundle_or_manifest_raise_only_our_errors(data):
    assert not passes_with_the_same_payload(MANIFEST, data)
    assert not passes_with_the_same_payload(data, BUNDLE)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=300)
@given(st.sampled_from(["mediaType", "verificationMaterial", "dsseEnvelope"]), JSON)
def test_any_json_in_a_bundle_raises_only_our_errors(key, value):
    assert not passes_with_the_same_payload(
        MANIFEST, json.dumps({**json.loads(BUNDLE), key: value}).encode()
    )


@settings(max_examples=300)
@given(st.sampled_from(["release", "services", "files", "source", "builder"]), JSON)
def test_any_signed_predicate_raises_only_our_errors(key, value):
    statement = json.loads(MANIFEST)
    statement["predicate"][key] = value
    payload = json.dumps(statement, indent=2).encode()
    try:
        verify_release(payload, [json.dumps(bundle_of(payload, SIGNER)).encode()], TRUST, NOW)
    except VerificationError as error:
        if not str(error).startswith("statement: "):
            raise
