"""The flow before release manifests: `digests.json` and a raw Ed25519 signature over its bytes.

`digests.json` maps the compose name of each service to `repository@sha256:…`; `digests.json.sig` is
the base64 of the 64-byte signature; the public key is SPKI PEM. It has neither order nor expiry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from titan_provenance.attest.bundle import decode_base64
from titan_provenance.attest.verify import Checks, check_manifest_text
from titan_provenance.document import dump_json, parse_json
from titan_provenance.errors import DocumentError, UsageError, VerificationError
from titan_provenance.model.names import parse_name
from titan_provenance.model.reference import DigestReference
from titan_provenance.release.compose import compose_images

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from titan_provenance.attest.public_key import PublicKey
    from titan_provenance.model.release import Release


def export_legacy(release: Release) -> bytes:
    """Return `digests.json` of a release."""
    return dump_json({name: str(image) for name, image in compose_images(release).items()})


def parse_legacy(data: bytes, file: str) -> dict[str, DigestReference]:
    """Parse `digests.json`; raises DocumentError for a tag where a digest belongs."""
    keys = parse_json(data, file).mapping()
    if not keys:
        raise DocumentError(f"{file}: names no service", file=file)
    return {
        node.parsed_as(name, parse_name): node.parsed(DigestReference.parse)
        for name, node in keys.items()
    }


def verify_legacy(
    checks: Checks, digests: bytes, signature: bytes, key: PublicKey
) -> Mapping[str, DigestReference] | None:
    """Make the checks that the old form allows; return the images by compose name, or None."""
    if key.algorithm != "ed25519":
        raise UsageError(f"--public-key: {key.algorithm} key, the old form takes Ed25519 only")
    if not checks.make("input", _check_input, digests):
        return None
    checks.skip("envelope", "the old form signs the file itself")
    if not checks.make("signature", _check_signature, digests, signature, key):
        return None
    checks.skip("threshold", "the old form has one signer")
    images = checks.make("statement", _check_statement, digests)
    checks.skip("freshness", "the old form has neither order nor expiry: replays are not noticed")
    return images


def check_legacy_fleet(images: Mapping[str, object], names: Collection[str]) -> tuple[bool, str]:
    """7. The file names exactly the services of the fleet file, by their compose names."""
    if problem := sorted(set(names) ^ set(images)):
        raise VerificationError(f"not in both digests.json and fleet file: {', '.join(problem)}")
    return True, f"all {len(images)} services of the fleet file"


def _check_input(digests: bytes) -> tuple[bool, str]:
    check_manifest_text(digests)
    return True, f"digests of {len(digests)} bytes"


def _check_signature(digests: bytes, signature: bytes, key: PublicKey) -> tuple[bool, str]:
    try:
        raw = decode_base64(signature.decode().strip())
    except (DocumentError, UnicodeDecodeError) as error:
        raise VerificationError("the signature file is not the base64 of a signature") from error
    if not key.accepts(raw, digests):
        raise VerificationError("the signature is not by the given public key over this file")
    return True, f"by the given public key ({key.algorithm}, hint {key.hint})"


def _check_statement(digests: bytes) -> tuple[Mapping[str, DigestReference], str]:
    try:
        images = parse_legacy(digests, "digests")
    except DocumentError as error:
        raise VerificationError(error.message, hint=error.hint) from error
    return images, f"{len(images)} services, each with a digest"
