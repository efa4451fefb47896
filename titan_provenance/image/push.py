"""Artifacts pushed to a registry: one layer, tied to an image as its subject.

Source: OCI distribution-spec 1.1, "Pushing Blobs" (POST then PUT), "Pushing Manifests with
Subject" and, for registries that do not answer with OCI-Subject, "Referrers Tag Schema";
image-spec 1.1, "Guidelines for Artifact Usage".
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from titan_provenance.document import dump_json, load_json
from titan_provenance.errors import RegistryError
from titan_provenance.image.manifest import MAX_MANIFESTS, OCI_INDEX, OCI_MANIFEST, parse_manifest
from titan_provenance.image.referrers import fallback_tag
from titan_provenance.image.registry import MissingError
from titan_provenance.image.source import MANIFEST_LIMIT, Descriptor
from titan_provenance.image.transport import Message, resolve, show_url
from titan_provenance.model.digest import Digest
from titan_provenance.model.reference import DigestReference, TagReference

if TYPE_CHECKING:
    from collections.abc import Mapping

    from titan_provenance.image.registry import RegistryClient
    from titan_provenance.image.transport import Answer
    from titan_provenance.model.reference import Repository

_EMPTY = "application/vnd.oci.empty.v1+json"
_BLOB = "application/octet-stream"
_OK, _CREATED, _ACCEPTED = 200, 201, 202
_REFUSED = {401, 403}
_ATTEMPTS = 8
_PAUSE = 0.2


class Artifact(NamedTuple):
    """What is pushed: bytes of a type, which is the artifact's type too, and annotations."""

    media_type: str
    data: bytes
    annotations: Mapping[str, str]


def push_referrer(client: RegistryClient, image: DigestReference, artifact: Artifact) -> Descriptor:
    """Push an artifact with `image` as its subject and return the descriptor of its manifest.

    What is there already is not sent again. Raises MissingError when the registry does not have
    the image, RegistryError when it refuses or does not answer as the specification says.
    """
    subject = client.manifest(image).descriptor
    layer = _push_blob(client, image.repository, artifact.media_type, artifact.data)
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": artifact.media_type,
        "config": _push_blob(client, image.repository, _EMPTY, b"{}"),
        "layers": [layer],
        "subject": _describe(subject.media_type, subject.digest, subject.size),
        "annotations": dict(artifact.annotations),
    }
    manifest = dump_json(document)
    pushed = Descriptor(
        OCI_MANIFEST,
        Digest.of(manifest),
        len(manifest),
        annotations=artifact.annotations,
        artifact_type=artifact.media_type,
    )
    if not _put_manifest(client, DigestReference(image.repository, pushed.digest), manifest, image):
        _keep_index(client, image, pushed)
    return pushed


def _push_blob(
    client: RegistryClient, repository: Repository, media_type: str, data: bytes
) -> dict[str, Any]:
    """Upload a blob that the repository does not have, and return its descriptor."""
    digest = Digest.of(data)
    if not _has_blob(client, repository, digest):
        target = DigestReference(repository, digest)
        started = client.ask(
            repository, client.url(repository, "blobs/uploads/"), message=Message("POST")
        )
        _expect(started, _ACCEPTED, target)
        message = Message("PUT", data, _BLOB)
        url = _upload_url(started, digest)
        answer = client.ask(repository, url, message=message, size=len(data))
        # An answer may be lost on its way: sent again, the finished upload is unknown.
        if answer.status == _CREATED or not _has_blob(client, repository, digest):
            _expect(answer, _CREATED, target)
    return _describe(media_type, digest, len(data))


def _has_blob(client: RegistryClient, repository: Repository, digest: Digest) -> bool:
    url = client.url(repository, f"blobs/{digest}")
    answer = client.ask(repository, url, message=Message("HEAD"))
    answer.discard()
    return answer.status == _OK


def _upload_url(started: Answer, digest: Digest) -> str:
    """Return where to put a blob: the place that the registry names may have a query already."""
    place = started.header("Location")
    if not place:
        raise RegistryError(f"{show_url(started.url)}: names no place for the blob")
    url = resolve(started.url, place)
    return f"{url}{'&' if '?' in url else '?'}digest={quote(str(digest), safe='')}"


def _put_manifest(
    client: RegistryClient,
    target: DigestReference | TagReference,
    data: bytes,
    subject: DigestReference | None = None,
) -> bool:
    """Put a manifest or index, and say whether the registry took note of its subject."""
    name = target.digest if isinstance(target, DigestReference) else target.tag
    url = client.url(target.repository, f"manifests/{name}")
    message = Message("PUT", data, OCI_MANIFEST if subject else OCI_INDEX)
    answer = client.ask(target.repository, url, message=message)
    _expect(answer, _CREATED, target)
    noted = answer.header("OCI-Subject")
    if subject and noted not in {"", str(subject.digest)}:
        raise RegistryError(f"{target}: the registry took it to be about {noted[:100]!a}")
    return bool(noted)


def _keep_index(client: RegistryClient, image: DigestReference, pushed: Descriptor) -> None:
    """Add an artifact to the index of referrers that a tag stands for, and see that it stays.

    Nothing locks a tag: whoever reads the index at the same time puts one without ours. So it is
    read again after it was put, until ours is in it.
    """
    tag = fallback_tag(image)
    entry = {
        **_describe(pushed.media_type, pushed.digest, pushed.size),
        "artifactType": pushed.artifact_type,
        "annotations": dict(pushed.annotations),
    }
    for _ in range(_ATTEMPTS):
        index = _read_index(client, tag)
        entries = index["manifests"]
        if any(item["digest"] == entry["digest"] for item in entries):
            return
        entries.append(entry)
        data = dump_json(index)
        if len(entries) > MAX_MANIFESTS or len(data) > MANIFEST_LIMIT:
            raise RegistryError(f"{tag}: the index of referrers is full")
        _put_manifest(client, tag, data)
        # Time for others to put what they read before; and two must not go on in step.
        time.sleep(random.uniform(_PAUSE / 2, _PAUSE))  # noqa: S311 - no secret
    raise RegistryError(f"{tag}: others write to it all the time", hint="Try again later.")


def _read_index(client: RegistryClient, tag: TagReference) -> dict[str, Any]:
    """Return the index under a tag with all that is in it, or an empty one."""
    try:
        fetched = client.manifest(tag)
    except MissingError:
        return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
    if fetched.descriptor.media_type != OCI_INDEX:
        raise RegistryError(f"{tag}: is a {fetched.descriptor.media_type}, no index of referrers")
    parse_manifest(fetched.data, OCI_INDEX, str(tag))
    index: dict[str, Any] = load_json(fetched.data, str(tag))
    return index


def _describe(media_type: str, digest: Digest, size: int) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": str(digest), "size": size}


def _expect(answer: Answer, status: int, target: DigestReference | TagReference) -> None:
    """Raise RegistryError for any answer but the one that the specification gives to success."""
    answer.discard()
    if answer.status == status:
        return
    registry = target.repository.registry
    answered = f"registry answered {answer.status} for {target}"
    if answer.status in _REFUSED:
        raise RegistryError(
            f"not allowed to push ({answered})",
            hint=f"Run `docker login {registry}` with an account that may push there.",
        )
    raise RegistryError(f"not pushed ({answered})", hint="Try again later.")
