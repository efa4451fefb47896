"""Referrers: what was pushed about an image (signatures, attestations) and names it as its subject.

Source: OCI distribution-spec 1.1, "Listing Referrers" and "Referrers Tag Schema". A registry
without that API keeps an index of them under a tag, which whoever pushes one has to keep up.
What is listed is a claim of whoever may push there: it counts only once it is verified.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from titan_provenance.errors import CouldNotCheckError, RegistryError
from titan_provenance.image.manifest import (
    MAX_MANIFESTS,
    OCI_INDEX,
    Index,
    Manifest,
    parse_manifest,
)
from titan_provenance.image.registry import MissingError, RegistrySource
from titan_provenance.image.source import MANIFEST_LIMIT, read_verified
from titan_provenance.image.transport import resolve
from titan_provenance.model.reference import DigestReference, TagReference

if TYPE_CHECKING:
    from titan_provenance.image.registry import RegistryClient
    from titan_provenance.image.source import Descriptor
    from titan_provenance.image.transport import Answer

_MAX_PAGES = 64
_OK, _NOT_FOUND = 200, 404
_NEXT = re.compile(r'<([!-;=?-~]{1,8192})>\s*;\s*rel="?next"?', re.ASCII)


def list_referrers(
    client: RegistryClient, image: DigestReference, artifact_type: str
) -> tuple[Descriptor, ...]:
    """Return the descriptors of the artifacts of a type whose subject is `image`.

    Raises RegistryError when the registry does not say, and as `parse_manifest` does.
    """
    found = _ask_api(client, image, artifact_type)
    if found is None:
        found = _read_tag(client, image)
    # Filtering is something that a registry may do, not something it has to.
    return tuple(item for item in found if item.artifact_type == artifact_type)


def read_artifact(
    client: RegistryClient, image: DigestReference, artifact: Descriptor, limit: int
) -> bytes:
    """Return the one layer of an artifact, which may have `limit` bytes at most.

    Raises VerificationError for bytes that are not those of their digest, CouldNotCheckError for an
    artifact of another form.
    """
    source = RegistrySource(client, DigestReference(image.repository, artifact.digest))
    data = read_verified(source, artifact, MANIFEST_LIMIT)
    manifest = parse_manifest(data, artifact.media_type, source.name)
    if not isinstance(manifest, Manifest) or len(manifest.layers) != 1:
        raise CouldNotCheckError(f"{source.name}: is no artifact of one layer")
    if manifest.layers[0].media_type != artifact.artifact_type:
        raise CouldNotCheckError(f"{source.name}: its layer is no {artifact.artifact_type}")
    return read_verified(source, manifest.layers[0], limit)


def fallback_tag(image: DigestReference) -> TagReference:
    """Return the tag of the index of referrers, in registries without the API."""
    return TagReference(image.repository, f"sha256-{image.digest.hex}")


def _ask_api(
    client: RegistryClient, image: DigestReference, artifact_type: str
) -> list[Descriptor] | None:
    """Return what the API lists, None when the registry does not have it."""
    path = f"referrers/{image.digest}?artifactType={quote(artifact_type, safe='')}"
    url = client.url(image.repository, path)
    found: list[Descriptor] = []
    for _ in range(_MAX_PAGES):
        answer = client.ask(image.repository, url, accept=OCI_INDEX)
        if answer.status == _NOT_FOUND:
            answer.discard()
            return None
        more = _NEXT.search(answer.header("Link"))
        url = resolve(url, more[1]) if more else ""
        found += _parse_page(answer, image).manifests
        if not url:
            return found
        if len(found) > MAX_MANIFESTS:
            break
    raise RegistryError(f"{image}: the registry lists more than {MAX_MANIFESTS} referrers")


def _parse_page(answer: Answer, image: DigestReference) -> Index:
    where = f"referrers of {image}"
    media_type = answer.header("Content-Type").partition(";")[0].strip().lower()
    if answer.status != _OK or media_type != OCI_INDEX:
        answer.close()
        raise RegistryError(
            f"{where}: the registry answered {answer.status} with {media_type[:100]!a}",
            hint="Try again later.",
        )
    index = parse_manifest(answer.read(MANIFEST_LIMIT), media_type, where)
    if not isinstance(index, Index):
        raise RegistryError(f"{where}: is no index")
    return index


def _read_tag(client: RegistryClient, image: DigestReference) -> list[Descriptor]:
    tag = fallback_tag(image)
    try:
        fetched = client.manifest(tag)
    except MissingError:
        return []
    index = parse_manifest(fetched.data, fetched.descriptor.media_type, str(tag))
    if not isinstance(index, Index):
        raise RegistryError(f"{tag}: is no index of referrers")
    return list(index.manifests)
