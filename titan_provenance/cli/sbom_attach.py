"""`titan-provenance sbom attach|verify`: a bill of materials, signed as being of its image."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from titan_provenance.attest.bill_of_materials import (
    MAX_ATTESTATION,
    predicate_type_of,
    sign_bill,
    verify_bill,
)
from titan_provenance.attest.bundle import MEDIA_TYPE, parse_bundle
from titan_provenance.attest.signer import load_signer
from titan_provenance.attest.trust import load_trust
from titan_provenance.cli.epoch import VARIABLE, source_date_epoch
from titan_provenance.cli.passphrase import ask_passphrase
from titan_provenance.cli.sign import refuse_other_signer
from titan_provenance.document import parse_json
from titan_provenance.errors import DocumentError, UsageError, VerificationError
from titan_provenance.files import is_inside, read_bounded, write_atomic
from titan_provenance.fleet_file import find_fleet, load_fleet
from titan_provenance.image.identity import identify
from titan_provenance.image.open import NamedImage, Sources, parse_image_reference
from titan_provenance.model.digest import Digest
from titan_provenance.model.instant import format_instant, from_epoch
from titan_provenance.model.names import parse_name
from titan_provenance.model.reference import DigestReference
from titan_provenance.release.gate import BUNDLE_SUFFIX, find_trust, refuse_inside
from titan_provenance.sbom.reader import read_bill

if TYPE_CHECKING:
    from titan_provenance.attest.signer import Signer
    from titan_provenance.cli.console import Console
    from titan_provenance.image.identity import ImageIdentity

_CREATED = "org.opencontainers.image.created"
_CONTENT = "dev.sigstore.bundle.content"
_PREDICATE_TYPE = "dev.sigstore.bundle.predicateType"


class AttachRequest(NamedTuple):
    """What `sbom attach` was asked for."""

    image: str
    bill: str
    key: str
    signer: str | None
    push: bool
    insecure: tuple[str, ...]


class VerifyRequest(NamedTuple):
    """What `sbom verify` was asked for."""

    image: str
    bundles: tuple[str, ...]
    keys: str | None
    insecure: tuple[str, ...]


def attach_bill(console: Console, request: AttachRequest) -> None:
    """Sign that a bill is of an image, and write the bundle or push it."""
    _refuse_contradictions(console, request)
    named = _named_image(request)
    document = read_bounded(request.bill, MAX_ATTESTATION)
    if document.lstrip()[:1] == b"<":
        raise UsageError(
            f"{request.bill} is XML, and a statement is JSON",
            hint=f"titan-provenance sbom convert {request.bill} --format cyclonedx-json",
        )
    digest = read_bill(document, request.bill).digest
    if digest is None:
        console.note(f"{request.bill} names no image; it is signed as that of {named}")
    with Sources(insecure=request.insecure) as sources:
        image = _subject(sources, named, digest)
        signer = load_signer(request.key, os.environ, ask_passphrase)
        bundle = sign_bill(document, request.bill, image, signer)
        if request.push:
            _push(console, sources, image, bundle, document)
        else:
            _write(console, request, bundle, signer)


def write_verified_bill(console: Console, request: VerifyRequest) -> None:
    """Verify the bundles of a bill and write the bill as it was signed."""
    path = find_fleet(os.getcwd())
    trusted = find_trust(request.keys, os.environ, load_fleet(path) if path else None)
    _refuse_overwriting(console, request, trusted)
    for bundle in request.bundles:
        refuse_inside(trusted, bundle)
    bundles = [(name, read_bounded(name, MAX_ATTESTATION)) for name in request.bundles]
    digests = _digests_of(request)
    verified = verify_bill(bundles, digests, load_trust(trusted), datetime.now(UTC))
    console.result(verified.document)
    console.note(
        f"{verified.predicate_type} of {verified.image}, signed by {', '.join(verified.signers)}"
    )


def _refuse_contradictions(console: Console, request: AttachRequest) -> None:
    if request.push and console.output:
        raise UsageError("--push and --output contradict each other")
    if request.push and request.signer:
        raise UsageError("--signer names a file, which --push does not write")
    if console.output and request.signer:
        raise UsageError("--signer and --output both name the file")
    if console.output and os.path.realpath(console.output) == os.path.realpath(request.bill):
        raise UsageError(f"--output {console.output} would overwrite the bill of materials")


def _refuse_overwriting(console: Console, request: VerifyRequest, trusted: str) -> None:
    """Raise UsageError when the bill would take the place of what it is verified with."""
    output = os.path.realpath(console.output) if console.output else ""
    if output and (output in map(os.path.realpath, request.bundles) or is_inside(output, trusted)):
        raise UsageError(
            f"--output {console.output} would overwrite what the bill is verified with"
        )


def _named_image(request: AttachRequest) -> NamedImage:
    image = parse_image_reference(request.image)
    if not isinstance(image, NamedImage):
        raise UsageError(
            f"{image} has no repository, which is what a statement names",
            hint="Name the image as REPOSITORY@sha256:…: that is not looked up.",
        )
    # What the engine has under a name may not be what the registry has: the registry gets it.
    return NamedImage("registry", image.reference) if request.push else image


def _subject(sources: Sources, named: NamedImage, digest: Digest | None) -> DigestReference:
    """Return the image that the statement is about; `digest` is that of the bill, if it has one.

    Raises VerificationError when the bill is of another image.
    """
    reference = named.reference
    if isinstance(reference, DigestReference) and digest in {None, reference.digest}:
        return reference
    identity = identify(sources.open(named))
    found = _manifest_of(identity, digest)
    if found is None and digest:
        raise VerificationError(
            f"the bill is of {digest}, {named} is {identity.digest or 'another image'}",
            hint="Make the bill again, of this image: titan-provenance sbom generate",
        )
    if found is None:
        raise UsageError(
            f"{named} has no digest of a registry", hint="Push the image first, then attach."
        )
    return DigestReference(reference.repository, found)


def _manifest_of(identity: ImageIdentity, digest: Digest | None) -> Digest | None:
    """Return the manifest that a bill of `digest` is about: of one platform, or the image's own."""
    if digest in {None, identity.digest}:
        return identity.digest
    for platform in identity.platforms:
        if digest in {platform.manifest, platform.config}:
            return platform.manifest or identity.digest
    return None


def _digests_of(request: VerifyRequest) -> set[Digest]:
    """Return the digests that an image goes by: its own, or those of index and platforms."""
    try:
        return {Digest.parse(request.image)}
    except DocumentError:
        named = parse_image_reference(request.image)
    if isinstance(named, NamedImage) and isinstance(named.reference, DigestReference):
        return {named.reference.digest}
    with Sources(insecure=request.insecure) as sources:
        identity = identify(sources.open(named))
    found = {identity.digest, *(platform.manifest for platform in identity.platforms)}
    digests = {digest for digest in found if digest}
    if not digests:
        raise UsageError(f"{named} has no digest of a registry", hint="Name the digest: sha256:…")
    return digests


def _write(console: Console, request: AttachRequest, bundle: bytes, signer: Signer) -> None:
    """Write the bundle where --output says, else beside the bill."""
    if console.output:
        console.result(bundle)
        return
    path = f"{request.bill}.{parse_name(request.signer)}" if request.signer else request.bill
    path += BUNDLE_SUFFIX
    key = signer.public_key
    payload = parse_bundle(bundle, path).envelope.payload
    refuse_other_signer(path, payload, key.hint, MAX_ATTESTATION)
    write_atomic(path, bundle)
    console.note(f"wrote {path} ({key.algorithm}, hint {key.hint})")


def _push(
    console: Console, sources: Sources, image: DigestReference, bundle: bytes, document: bytes
) -> None:
    from titan_provenance.image.push import Artifact, push_referrer

    annotations = {
        _CONTENT: "dsse-envelope",
        _PREDICATE_TYPE: predicate_type_of(parse_json(document, "bill")),
    }
    epoch = source_date_epoch()
    if epoch is not None:
        annotations[_CREATED] = _instant(epoch)
    pushed = push_referrer(sources.registry, image, Artifact(MEDIA_TYPE, bundle, annotations))
    console.result(f"{DigestReference(image.repository, pushed.digest)}\n")
    console.note(f"pushed the bundle, about {image}")


def _instant(epoch: int) -> str:
    try:
        return format_instant(from_epoch(epoch))
    except DocumentError as error:
        raise UsageError(f"{VARIABLE}: {error.message}") from error
