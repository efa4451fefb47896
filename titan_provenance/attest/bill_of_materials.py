"""Attested bills of materials: the document of one image as predicate of a signed statement.

The statement has one subject, the image, and as its predicate the document byte for byte: what a
verification returns has the digest of the file that was attached. Verification makes the checks of
titan_provenance/attest/verify.py, over bundles instead of a manifest:

 1. input      at least one bundle, all within limits
 2. envelope   each bundle has one signature, all over the same statement
 3. signature  each signature is by a trusted signer of the role sbom, unrevoked and in its window
 4. threshold  distinct signers reach the role's threshold
 5. statement  the signed bytes are a statement of a known predicate type about this very image

Sources: in-toto Attestation Framework, predicates "CycloneDX" and "SPDX".
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from titan_provenance.attest.bundle import parse_bundle
from titan_provenance.attest.signer import sign_statement
from titan_provenance.attest.statement import STATEMENT_TYPE, parse_statement
from titan_provenance.attest.verify import (
    MAX_BUNDLES,
    Checks,
    check_envelope,
    check_signature,
    check_threshold,
)
from titan_provenance.document import Node, dump_json, parse_json
from titan_provenance.errors import (
    CouldNotCheckError,
    DocumentError,
    UsageError,
    VerificationError,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from titan_provenance.attest.bundle import Bundle
    from titan_provenance.attest.signer import Signer
    from titan_provenance.attest.trust import TrustPolicy
    from titan_provenance.model.digest import Digest
    from titan_provenance.model.reference import DigestReference

CYCLONEDX = "https://cyclonedx.org/bom"
SPDX = "https://spdx.dev/Document"
MAX_ATTESTATION = 64 << 20
MAX_VALUES = 2_000_000
_SPACE = re.compile(r"[ \t\n\r]*")


class VerifiedBill(NamedTuple):
    """A bill of materials whose signatures were verified: the document's bytes and their image."""

    document: bytes
    predicate_type: str
    image: DigestReference
    signers: tuple[str, ...]


def sign_bill(document: bytes, name: str, image: DigestReference, signer: Signer) -> bytes:
    """Return the bundle in which `signer` states that the document called `name` is of `image`.

    Raises DocumentError for what is no bill of materials in JSON, UsageError when the bundle would
    be larger than any verifier here reads.
    """
    bundle = sign_statement(write_statement(document, name, image), signer)
    if len(bundle) > MAX_ATTESTATION:
        raise UsageError(
            f"{name}: the bundle would have {len(bundle)} bytes, more than {MAX_ATTESTATION}"
        )
    return bundle


def write_statement(document: bytes, name: str, image: DigestReference) -> bytes:
    """Return the statement about `image` with the document called `name` in it, as it is.

    Raises DocumentError for what is no bill of materials in JSON.
    """
    rest = {
        "_type": STATEMENT_TYPE,
        "predicateType": predicate_type_of(parse_json(document, name, max_values=MAX_VALUES)),
        "subject": [{"name": str(image.repository), "digest": {"sha256": image.digest.hex}}],
    }
    return b'{"predicate":' + document + b"," + dump_json(rest)[1:]


def predicate_type_of(document: Node) -> str:
    """Return the predicate type that goes with a document; raises DocumentError for any other."""
    keys = document.mapping()
    if "bomFormat" in keys and keys["bomFormat"].value == "CycloneDX":
        return CYCLONEDX
    if "spdxVersion" not in keys or not keys["spdxVersion"].text().startswith("SPDX-2."):
        document.fail("is neither CycloneDX nor SPDX 2")
    return SPDX


def verify_bill(
    bundles: Sequence[tuple[str, bytes]],
    digests: Collection[Digest],
    trust: TrustPolicy,
    now: datetime,
) -> VerifiedBill:
    """Verify the bundles (name for messages, bytes) of one bill and return what they attest.

    `digests` are those that the image goes by: of its manifest, or of its index and the manifests
    in that. Reads no clock, file or network. Raises VerificationError (checked, does not hold) or
    CouldNotCheckError, whose message starts with the id of the check.
    """
    checks = Checks()
    verified = _make_checks(checks, bundles, digests, trust, now)
    checks.raise_problem()
    if verified is None:
        raise CouldNotCheckError("nothing was verified")
    return verified


def _make_checks(
    checks: Checks,
    bundles: Sequence[tuple[str, bytes]],
    digests: Collection[Digest],
    trust: TrustPolicy,
    now: datetime,
) -> VerifiedBill | None:
    role = trust.role("sbom")
    parsed = checks.make("input", _check_input, bundles)
    if parsed is None or not checks.make("envelope", _check_one_statement, parsed):
        return None
    signers = checks.make("signature", check_signature, parsed, trust, role, now)
    if signers is None:
        return None
    counted = checks.make("threshold", check_threshold, signers, role)
    if counted is None:
        return None
    verified = checks.make("statement", _check_statement, parsed[0].envelope.payload, digests)
    return verified._replace(signers=counted) if verified else None


def _check_input(bundles: Sequence[tuple[str, bytes]]) -> tuple[Sequence[Bundle], str]:
    """1. There is a bundle, there are not too many, and together they are within the limit."""
    if not bundles:
        raise VerificationError("no bundle: nobody signed this bill of materials")
    if len(bundles) > MAX_BUNDLES:
        raise VerificationError(f"{len(bundles)} bundles, more than the limit of {MAX_BUNDLES}")
    size = sum(len(data) for _, data in bundles)
    if size > MAX_ATTESTATION:
        raise VerificationError(f"{size} bytes of bundles, more than the limit {MAX_ATTESTATION}")
    return [parse_bundle(data, name) for name, data in bundles], f"{len(bundles)} bundles"


def _check_one_statement(bundles: Sequence[Bundle]) -> tuple[bool, str]:
    """2. Each bundle has one signature, and all are over the same statement."""
    payload = bundles[0].envelope.payload
    for bundle in bundles:
        if bundle.envelope.payload != payload:
            raise VerificationError(
                f"{bundle.name}: signs another statement than {bundles[0].name}",
                hint="Hand in the bundles of one bill of materials at a time.",
            )
    return check_envelope(payload, bundles)


def _check_statement(payload: bytes, digests: Collection[Digest]) -> tuple[VerifiedBill, str]:
    """5. The signed bytes are a statement of a known predicate type about this very image."""
    try:
        statement = parse_statement(payload, "statement", max_values=MAX_VALUES)
        if statement.predicate_type not in {CYCLONEDX, SPDX}:
            raise VerificationError(
                f'predicate type "{statement.predicate_type[:200]}" is no bill of materials'
            )
        if predicate_type_of(statement.predicate) != statement.predicate_type:
            raise VerificationError(f"the predicate is not of its type {statement.predicate_type}")
    except DocumentError as error:
        raise VerificationError(error.message, hint=error.hint) from error
    image, *others = statement.subjects
    if others:
        raise VerificationError(f"{len(statement.subjects)} subjects: a bill is of one image")
    if image.digest not in digests:
        wanted = ", ".join(map(str, sorted(digests)))
        raise VerificationError(f"is of the image {image}, not of {wanted}")
    document = _member(payload.decode(), "predicate").encode()
    return VerifiedBill(document, statement.predicate_type, image, ()), f"of {image}"


def _member(text: str, name: str) -> str:
    """Return the text of a member of an object, as it stands between its colon and what follows.

    `text` was parsed before: it is an object whose names are unique, `name` among them.
    """
    decoder = json.JSONDecoder()
    end = text.index("{")
    key = None
    while key != name:
        key, end = decoder.raw_decode(text, _skip_space(text, end + 1))
        start = text.index(":", end) + 1
        _, end = decoder.raw_decode(text, _skip_space(text, start))
        end = _skip_space(text, end)
    return text[start:end]


def _skip_space(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position
