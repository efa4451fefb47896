import json

import pytest
from fakes.bills import small_bill
from fakes.host import NOW, bundle_of, new_signer, policy_of
from hypothesis import given, settings
from hypothesis import strategies as st

from titan_provenance.attest import bill_of_materials
from titan_provenance.attest.bill_of_materials import (
    CYCLONEDX,
    SPDX,
    sign_bill,
    verify_bill,
    write_statement,
)
from titan_provenance.attest.bundle import parse_bundle
from titan_provenance.attest.statement import STATEMENT_TYPE, parse_statement
from titan_provenance.attest.trust import Role
from titan_provenance.errors import (
    CouldNotCheckError,
    DocumentError,
    TitanProvenanceError,
    UsageError,
    VerificationError,
)
from titan_provenance.model.digest import Digest
from titan_provenance.model.reference import DigestReference, Repository
from titan_provenance.sbom.cyclonedx import write_cyclonedx
from titan_provenance.sbom.spdx import write_spdx

SIGNER = new_signer()
AUDITOR = new_signer("ed25519")
STRANGER = new_signer()
IMAGE = DigestReference(Repository("registry.example", "titan/brain"), Digest.of(b"manifest"))
BILL = write_cyclonedx(small_bill())


def policy(threshold=1):
    trust = policy_of({"ci": SIGNER, "auditor": AUDITOR})
    return trust._replace(roles={"sbom": Role("sbom", threshold, ("ci", "auditor"))})


TRUST = policy()
STATEMENT = write_statement(BILL, "bill.json", IMAGE)
BUNDLE = sign_bill(BILL, "bill.json", IMAGE, SIGNER)


def verify(*bundles, digests=(IMAGE.digest,), trust=TRUST, now=NOW):
    named = [(f"bundle {number}", data) for number, data in enumerate(bundles, 1)]
    return verify_bill(named, set(digests), trust, now)


def signed(statement):
    """Return a bundle over any statement, well signed."""
    payload = statement if isinstance(statement, bytes) else json.dumps(statement).encode()
    return json.dumps(bundle_of(payload, SIGNER)).encode()


@pytest.mark.parametrize(
    ("document", "kind"), [(BILL, CYCLONEDX), (write_spdx(small_bill()), SPDX)]
)
def test_the_verified_document_is_the_signed_one_byte_for_byte(document, kind):
    verified = verify(sign_bill(document, "bill.json", IMAGE, SIGNER))
    assert verified == (document, kind, IMAGE, ("ci",))


def test_the_statement_is_in_toto_about_the_image():
    statement = json.loads(STATEMENT)
    assert statement == {
        "_type": STATEMENT_TYPE,
        "subject": [
            {"name": "registry.example/titan/brain", "digest": {"sha256": IMAGE.digest.hex}}
        ],
        "predicateType": "https://cyclonedx.org/bom",
        "predicate": json.loads(BILL),
    }
    bundle = parse_bundle(BUNDLE, "bundle")
    assert bundle.envelope.payload == STATEMENT
    assert bundle.hint == SIGNER.public_key.hint


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<bom/>",
        b"[]",
        b'{"bomFormat": "other"}',
        b'{"spdxVersion": "SPDX-3.0"}',
        b'{"bomFormat": "CycloneDX", "bomFormat": "CycloneDX"}',
        b'{"bomFormat": "CycloneDX"}, "subject": [{}',
        b'\xef\xbb\xbf{"bomFormat": "CycloneDX"}',
    ],
)
def test_nothing_else_gets_signed(document):
    with pytest.raises(DocumentError):
        sign_bill(document, "bill.json", IMAGE, SIGNER)


def test_a_bundle_larger_than_what_is_read_is_not_made(monkeypatch):
    monkeypatch.setattr(bill_of_materials, "MAX_ATTESTATION", len(BUNDLE) - 1)
    with pytest.raises(UsageError, match="more than"):
        sign_bill(BILL, "bill.json", IMAGE, SIGNER)
    with pytest.raises(VerificationError, match=r"^input: .* more than the limit"):
        verify(BUNDLE)


def test_the_limit_is_not_that_of_release_bundles():
    large = b'{"bomFormat": "CycloneDX", "name": "' + 4_000_000 * b"x" + b'"}'
    assert verify(sign_bill(large, "bill.json", IMAGE, SIGNER)).document == large


def test_two_signers_reach_a_threshold_of_two():
    other = sign_bill(BILL, "bill.json", IMAGE, AUDITOR)
    assert verify(BUNDLE, other, trust=policy(2)).signers == ("auditor", "ci")
    with pytest.raises(VerificationError, match=r"^threshold: 1 of 2"):
        verify(BUNDLE, trust=policy(2))
    with pytest.raises(VerificationError, match=r"^threshold: 1 of 2 .*counts once"):
        verify(BUNDLE, BUNDLE, trust=policy(2))


def test_bundles_over_different_statements_are_refused():
    other = sign_bill(write_spdx(small_bill()), "bill.json", IMAGE, AUDITOR)
    with pytest.raises(VerificationError, match=r"^envelope: bundle 2: signs another statement"):
        verify(BUNDLE, other)


def test_no_bundle_and_too_many_are_refused():
    with pytest.raises(VerificationError, match=r"^input: no bundle"):
        verify()
    with pytest.raises(VerificationError, match=r"^input: 33 bundles"):
        verify(*33 * [b"{}"])
    with pytest.raises(CouldNotCheckError, match=r"^input: "):
        verify(b"{}")


def test_only_signers_of_the_role_sbom_count():
    stranger = sign_bill(BILL, "bill.json", IMAGE, STRANGER)
    with pytest.raises(VerificationError, match=r"^signature: .* is not trusted"):
        verify(stranger)
    both = policy_of({"ci": SIGNER, "auditor": AUDITOR})
    roles = {**both.roles, "sbom": Role("sbom", 1, ("auditor",))}
    with pytest.raises(VerificationError, match=r'may not sign for the role "sbom"'):
        verify(BUNDLE, trust=both._replace(roles=roles))
    with pytest.raises(DocumentError, match=r'no role "sbom"'):
        verify(BUNDLE, trust=both)


def test_a_signer_outside_its_window_does_not_count():
    signers = {**TRUST.signers, "ci": TRUST.signers["ci"]._replace(valid_until=NOW)}
    with pytest.raises(VerificationError, match=r"^signature: .* was valid until"):
        verify(BUNDLE, trust=TRUST._replace(signers=signers))


def test_a_bill_of_another_image_is_refused():
    other = Digest.of(b"other")
    with pytest.raises(VerificationError, match=r"^statement: is of the image registry\.example"):
        verify(BUNDLE, digests=[other])
    with pytest.raises(VerificationError, match=r"^statement: "):
        verify(BUNDLE, digests=[])
    assert verify(BUNDLE, digests=[other, IMAGE.digest]).image == IMAGE


def changed(**fields):
    return {**json.loads(STATEMENT), **fields}


SUBJECT = json.loads(STATEMENT)["subject"][0]
OTHER_SUBJECT = {"name": "registry.example/x", "digest": {"sha256": Digest.of(b"x").hex}}


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        (changed(_type="https://in-toto.io/Statement/v0.1"), "is not https"),
        (changed(predicateType="https://slsa.dev/provenance/v1"), "no bill of materials"),
        (changed(predicateType=SPDX), "not of its type"),
        (changed(predicate={}), "neither CycloneDX nor SPDX"),
        (changed(predicate=[]), "expected a mapping"),
        (changed(predicate={"spdxVersion": 2}), "expected text"),
        (changed(subject=[]), "0 subjects"),
        (changed(subject=[SUBJECT, OTHER_SUBJECT]), "2 subjects: a bill is of one image"),
        (STATEMENT + b"x", "not JSON"),
        (b'{"predicate": {}, ' + STATEMENT[1:], "duplicate key"),
    ],
)
def test_statements_that_do_not_hold_are_refused(statement, problem):
    with pytest.raises(VerificationError, match=rf"^statement: .*{problem}"):
        verify(signed(statement))


def test_envelopes_that_do_not_hold_are_refused():
    bundle = bundle_of(STATEMENT, SIGNER, "application/json")
    with pytest.raises(VerificationError, match=r"^envelope: .* payload type"):
        verify(json.dumps(bundle).encode())
    bundle = bundle_of(STATEMENT, SIGNER)
    bundle["dsseEnvelope"]["signatures"] *= 2
    with pytest.raises(VerificationError, match=r"^envelope: .* 2 signatures"):
        verify(json.dumps(bundle).encode())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
SPACE = st.text(" \t\r\n", max_size=3)


@settings(max_examples=300)
@given(
    st.dictionaries(st.text(), JSON, max_size=4),
    SPACE,
    SPACE,
    st.booleans(),
    st.sampled_from([None, 1]),
)
def test_any_document_comes_back_as_it_was(fields, before, after, ascii_only, indent):
    document = {**fields, "bomFormat": "CycloneDX"}
    text = json.dumps(document, ensure_ascii=ascii_only, indent=indent)
    try:
        data = (before + text + after).encode()
    except UnicodeEncodeError:
        return
    try:
        bundle = sign_bill(data, "bill.json", IMAGE, SIGNER)
    except DocumentError:
        return  # infinities and half surrogates
    assert verify(bundle).document == data


@settings(max_examples=300)
@given(st.permutations(sorted(json.loads(STATEMENT))), SPACE, st.sampled_from([None, 1]))
def test_statements_of_other_tools_are_read_in_any_order(order, space, indent):
    statement = json.loads(STATEMENT)
    text = json.dumps({key: statement[key] for key in order}, indent=indent)
    verified = verify(signed((space + text + space).encode()))
    assert json.loads(verified.document) == json.loads(BILL)


@settings(max_examples=300)
@given(st.integers(0, len(BUNDLE) - 1), st.integers(1, 255))
def test_any_changed_byte_is_refused_or_means_the_same(position, flip):
    mutant = bytearray(BUNDLE)
    mutant[position] ^= flip
    try:
        verified = verify(bytes(mutant))
    except TitanProvenanceError:
        return
    assert verified.document == BILL


@settings(max_examples=300)
@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_signed_bytes_are_refused_with_our_own_error(payload):
    with pytest.raises(TitanProvenanceError):
        verify(signed(payload))


def test_the_statement_parses_as_every_statement_does():
    assert parse_statement(STATEMENT, "statement").subjects == (IMAGE,)
