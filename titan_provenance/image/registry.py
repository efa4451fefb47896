"""Images in a registry, over the OCI distribution API.

Source: OCI distribution-spec 1.1, "Pull". A manifest counts only if its bytes hash to the digest
that was asked for, or, asked for by tag, to the digest that the registry states beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from titan_provenance.errors import RegistryError, VerificationError
from titan_provenance.image.auth import Access, Authenticator
from titan_provenance.image.credentials import find_credential
from titan_provenance.image.deadline import Deadline
from titan_provenance.image.manifest import (
    INDEX_MEDIA_TYPES,
    MANIFEST_MEDIA_TYPES,
    SCHEMA_1_MEDIA_TYPES,
    refuse_schema_1,
)
from titan_provenance.image.source import MANIFEST_LIMIT, Descriptor
from titan_provenance.image.transport import (
    GET,
    Answer,
    Message,
    Patience,
    Transport,
    origin,
    show_url,
)
from titan_provenance.model.digest import Digest
from titan_provenance.model.reference import (
    DOCKER_HUB,
    DigestReference,
    Repository,
    TagReference,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator

    from titan_provenance.image.credentials import Credential

_HUB_API = "registry-1.docker.io"
_OK, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 200, 401, 403, 404
_ACCEPT = ", ".join(INDEX_MEDIA_TYPES + MANIFEST_MEDIA_TYPES)


class MissingError(RegistryError):
    """A registry answered, and does not have what it was asked for."""


@dataclass(frozen=True, slots=True)
class FetchedManifest:
    """An index or manifest as a registry gave it; `data` hashes to `descriptor.digest`."""

    descriptor: Descriptor
    data: bytes


class RegistryClient:
    """Reads manifests and blobs, and sends what else there is to ask of a repository.

    Keeps connections and tokens; safe to use from several threads. `insecure` lists registries
    (`HOST[:PORT]`) that are spoken to over plain http; loopback ones always are. `credentials`
    finds the credential for a registry host.
    """

    def __init__(
        self,
        *,
        insecure: Collection[str] = (),
        patience: Patience | None = None,
        credentials: Callable[[str], Credential | None] = find_credential,
    ) -> None:
        self._patience = patience or Patience()
        self._transport = Transport(self._patience, insecure)
        self._authenticator = Authenticator(self._transport, credentials)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def ping(self, registry: str) -> None:
        """Return when the host `registry` speaks the distribution API, logged in or not.

        Raises RegistryError when it does not (distribution-spec, "Determining Support").
        """
        deadline = Deadline(self._patience.deadline)
        answer = self._transport.send(f"{self._base(registry)}/", deadline=deadline)
        answer.discard()
        if answer.status not in {_OK, _UNAUTHORIZED}:
            raise RegistryError(f"{registry}: answers {answer.status}, which no registry does")

    def manifest(self, reference: TagReference | DigestReference) -> FetchedManifest:
        """Return the index or manifest that `reference` names.

        Raises VerificationError when the bytes do not hash to the digest asked for, MissingError
        when the registry has none, RegistryError when it refuses or answers otherwise than the
        specification says.
        """
        wanted = reference.digest if isinstance(reference, DigestReference) else reference.tag
        url = self.url(reference.repository, f"manifests/{wanted}")
        answer = self.ask(reference.repository, url, accept=_ACCEPT)
        _check_status(answer, reference)
        media_type = _media_type(answer, reference)
        stated = answer.header("Docker-Content-Digest")
        data = answer.read(MANIFEST_LIMIT)
        digest = Digest.of(data)
        if isinstance(wanted, Digest) and digest != wanted:
            raise VerificationError(
                f"{reference}: the registry's bytes hash to {digest}",
                hint="The registry gives another content than the digest names: do not use it.",
            )
        if not isinstance(wanted, Digest) and stated not in {"", str(digest)}:
            raise RegistryError(
                f"{reference}: the registry states {stated[:100]!a} but its bytes hash to {digest}"
            )
        return FetchedManifest(Descriptor(media_type, digest, len(data)), data)

    def blob(self, repository: Repository, descriptor: Descriptor) -> Generator[bytes]:
        """Yield the bytes of a blob, never more than its size; `stream_verified` hashes them.

        Raises RegistryError as `manifest` does.
        """
        url = self.url(repository, f"blobs/{descriptor.digest}")
        answer = self.ask(repository, url, size=descriptor.size)
        _check_status(answer, DigestReference(repository, descriptor.digest))
        yield from answer.chunks(descriptor.size)

    def _base(self, registry: str) -> str:
        host = _HUB_API if registry == DOCKER_HUB else registry
        scheme = "http" if self._transport.allows_plain(host) else "https"
        return f"{scheme}://{host}/v2"

    def url(self, repository: Repository, path: str) -> str:
        """Return the URL of `path` in a repository."""
        return f"{self._base(repository.registry)}/{repository.path}/{path}"

    def ask(
        self,
        repository: Repository,
        url: str,
        *,
        accept: str = "*/*",
        message: Message = GET,
        size: int = 0,
    ) -> Answer:
        """Send `message` to a URL of the repository's registry, logged in where that asks for it.

        `size` is the number of bytes to come or to be sent, which get time of their own. Raises
        RegistryError when there is no answer, and for a URL of another place: a registry may name
        one, but gets nobody's login sent there.
        """
        if origin(url) != origin(self._base(repository.registry)):
            raise RegistryError(
                f"{repository.registry} sends elsewhere, to {show_url(url)}: not followed"
            )
        deadline = Deadline(self._patience.deadline + size / self._patience.slowest)
        access = Access(repository, "pull,push" if message.writes else "pull")
        sent = self._authenticator.known(access)

        def send(authorization: str) -> Answer:
            return self._transport.send(
                url,
                headers={"Accept": accept},
                authorization=authorization,
                message=message,
                deadline=deadline,
            )

        answer = send(sent)
        if answer.status == _UNAUTHORIZED and origin(answer.url) == origin(url):
            challenge = answer.header("WWW-Authenticate")
            answer.discard()
            answer = send(self._authenticator.answer(access, challenge, sent, deadline))
        return answer


class RegistrySource:
    """One image in a registry."""

    def __init__(self, client: RegistryClient, reference: TagReference | DigestReference) -> None:
        self._client = client
        self._reference = reference
        self._root: FetchedManifest | None = None

    @property
    def name(self) -> str:
        """The image reference with its transport."""
        return f"registry:{self._reference}"

    def root(self) -> Descriptor:
        """Return the descriptor of what the reference names; asked once."""
        if self._root is None:
            self._root = self._client.manifest(self._reference)
        return self._root.descriptor

    def open(self, descriptor: Descriptor) -> Generator[bytes]:
        """Yield the bytes of a manifest or blob of this repository."""
        repository = self._reference.repository
        if self._root and descriptor.digest == self._root.descriptor.digest:
            yield self._root.data
        elif descriptor.media_type in INDEX_MEDIA_TYPES + MANIFEST_MEDIA_TYPES:
            reference = DigestReference(repository, descriptor.digest)
            fetched = self._client.manifest(reference)
            if fetched.descriptor.media_type != descriptor.media_type:
                raise RegistryError(
                    f"{reference}: the registry calls {fetched.descriptor.media_type} "
                    f"what the index calls {descriptor.media_type}"
                )
            yield fetched.data
        else:
            yield from self._client.blob(repository, descriptor)


def _check_status(answer: Answer, reference: TagReference | DigestReference) -> None:
    """Raise RegistryError for any answer but 200."""
    if answer.status == _OK:
        return
    answer.close()
    registry = reference.repository.registry
    answered = f"registry answered {answer.status} for {reference}"
    if answer.status == _NOT_FOUND:
        missing = "the registry has no such digest"
        if isinstance(reference, TagReference):
            missing = f"tag {reference.tag} names no digest"
        raise MissingError(
            f"{missing} ({answered})", hint="Push the image first, or name another source."
        )
    if answer.status in {_UNAUTHORIZED, _FORBIDDEN}:
        raise RegistryError(
            f"not allowed to read the image ({answered})",
            hint=f"Run `docker login {registry}` with an account that may read it.",
        )
    wait = answer.header("Retry-After")
    asked = f"; it asks to wait: {wait[:40]!a}" if wait else ""
    raise RegistryError(f"no image to be had ({answered}{asked})", hint="Try again later.")


def _media_type(answer: Answer, reference: TagReference | DigestReference) -> str:
    media_type = answer.header("Content-Type").partition(";")[0].strip().lower()
    if media_type in INDEX_MEDIA_TYPES + MANIFEST_MEDIA_TYPES:
        return media_type
    answer.close()
    if media_type in SCHEMA_1_MEDIA_TYPES:
        refuse_schema_1(str(reference))
    raise RegistryError(
        f"{reference}: the registry answered with {media_type[:100]!a}, not with a manifest",
        hint=f"Check that {reference.repository.registry} is a registry, not a proxy's login page.",
    )
