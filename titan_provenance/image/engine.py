"""Images in the Docker engine, identified by what `docker image inspect` says of them.

On the classic image store the id is the digest of the config. On the containerd image store it is
the digest of the index or manifest, the same as in RepoDigests; the config is then not known.
The engine is the one that DOCKER_HOST names, as for `docker` itself.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Self

from titan_provenance.errors import DocumentError, EngineError
from titan_provenance.image.identity import ImageIdentity
from titan_provenance.model.digest import Digest
from titan_provenance.model.names import parse_platform
from titan_provenance.model.reference import DigestReference, TagReference
from titan_provenance.model.release import PlatformImage

if TYPE_CHECKING:
    from collections.abc import Generator

    import docker

    from titan_provenance.image.layered import LayeredImage

_EXPORT_TIMEOUT = 900
_EXPORT_CHUNK = 1 << 20


class Engine:
    """The Docker engine; connects at first use; safe to use from several threads."""

    def __init__(self, *, timeout: int = 30) -> None:
        self._timeout = timeout
        self._client: docker.DockerClient | None = None
        self._failure: EngineError | None = None
        self._guard = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def version(self) -> str:
        """Return the version of the engine; raises EngineError."""
        import docker.errors
        import requests

        try:
            found = self._connected().version()
        except (docker.errors.DockerException, requests.RequestException, OSError) as error:
            raise _unreachable() from error
        return str(found.get("Version", "unknown"))

    def inspect(self, reference: TagReference | DigestReference) -> dict[str, Any]:
        """Return what the engine says of an image; raises EngineError."""
        import docker.errors
        import requests

        try:
            # The stubs leave this one method without types.
            found = self._connected().api.inspect_image(str(reference))  # type: ignore[no-untyped-call]
        except docker.errors.ImageNotFound as error:
            raise EngineError(
                f"the engine has no image {reference}",
                hint=f"Run `docker pull {reference}`, or name another source.",
            ) from error
        except docker.errors.APIError as error:
            raise EngineError(f"the engine answered {error.status_code} for {reference}") from error
        except (docker.errors.DockerException, requests.RequestException, OSError) as error:
            raise _unreachable() from error
        if not isinstance(found, dict):
            raise EngineError(f"the engine's answer for {reference} is no object")
        return found

    def history(self, reference: TagReference | DigestReference) -> list[Any]:
        """Return the history of an image, newest first; raises EngineError."""
        import docker.errors
        import requests

        try:
            found = self._connected().api.history(str(reference))  # type: ignore[no-untyped-call]
        except docker.errors.APIError as error:
            raise EngineError(f"the engine answered {error.status_code} for {reference}") from error
        except (docker.errors.DockerException, requests.RequestException, OSError) as error:
            raise _unreachable() from error
        return found if isinstance(found, list) else []

    def export(self, reference: TagReference | DigestReference) -> Generator[bytes]:
        """Yield the tar that `docker save` writes of an image; raises EngineError."""
        import docker.errors
        import requests
        import urllib3.exceptions

        client = None
        try:
            # The engine gathers everything before it sends the first byte: that may take minutes.
            client = docker.from_env(timeout=_EXPORT_TIMEOUT)
            yield from client.api.get_image(str(reference), chunk_size=_EXPORT_CHUNK)
        except docker.errors.APIError as error:
            raise EngineError(f"the engine answered {error.status_code} for {reference}") from error
        except docker.errors.DockerException as error:
            raise _unreachable() from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise EngineError(f"the export of {reference} broke off") from error
        finally:
            if client is not None:
                client.close()

    def _connected(self) -> docker.DockerClient:
        import docker.errors
        import requests

        with self._guard:
            # One attempt is enough for all threads: an engine that hangs costs its timeout once.
            if self._failure:
                raise self._failure
            if self._client is None:
                try:
                    self._client = docker.from_env(timeout=self._timeout)
                except (docker.errors.DockerException, requests.RequestException, OSError) as error:
                    self._failure = _unreachable()
                    raise self._failure from error
            return self._client


class EngineSource:
    """One image in the engine; it answers what it is and has, since it keeps no manifests."""

    def __init__(self, engine: Engine, reference: TagReference | DigestReference) -> None:
        self._engine = engine
        self._reference = reference

    @property
    def name(self) -> str:
        """The image reference with its transport."""
        return f"docker:{self._reference}"

    def identity(self) -> ImageIdentity:
        """Return the identity that the engine knows.

        Raises EngineError when the engine does not answer, has no such image, or knows no single
        digest of it in the repository that the reference names.
        """
        found = self._engine.inspect(self._reference)
        try:
            image_id = Digest.parse(str(found.get("Id")))
            platform = _platform(found)
        except DocumentError as error:
            raise EngineError(f"{self.name}: {error.message}", hint=error.hint) from error
        known = _repository_digests(found)
        config = None if image_id in {item.digest for item in known} else image_id
        return ImageIdentity(
            self._digest(known), (PlatformImage(platform, None, config),), self.name
        )

    def layered(self, platform: str = "") -> LayeredImage:
        """Return the image with its layers; nothing is exported before they are asked for.

        Raises EngineError when the engine does not answer or has no such image, UsageError when it
        has it for another platform.
        """
        from titan_provenance.image.engine_layers import EngineLayers, config_of
        from titan_provenance.image.layered import LayeredImage, check_platform, number_layers

        found = self._engine.inspect(self._reference)
        try:
            image_id = Digest.parse(str(found.get("Id")))
            config = config_of(found, self._engine.history(self._reference), _platform(found))
        except DocumentError as error:
            raise EngineError(f"{self.name}: {error.message}", hint=error.hint) from error
        check_platform(self.name, config, platform)
        known = _repository_digests(found)
        here = {item.digest for item in known if item.repository == self._reference.repository}
        return LayeredImage(
            name=self.name,
            manifest=here.pop() if len(here) == 1 else None,
            config_digest=None if image_id in {item.digest for item in known} else image_id,
            config=config,
            layers=number_layers(self.name, config, (None,) * len(config.diff_ids)),
            source=EngineLayers(self._engine, self._reference),
        )

    def _digest(self, known: list[DigestReference]) -> Digest:
        repository = self._reference.repository
        digests = sorted({item.digest for item in known if item.repository == repository})
        if isinstance(self._reference, DigestReference) and self._reference.digest in digests:
            return self._reference.digest
        if not digests:
            raise EngineError(
                f"the engine has {self._reference} but no digest of it in {repository}",
                hint="Push or pull the image first: its digest comes from the registry.",
            )
        if len(digests) > 1 or isinstance(self._reference, DigestReference):
            listed = ", ".join(str(digest) for digest in digests)
            raise EngineError(
                f"the engine knows {self._reference} under other digests: {listed}",
                hint=f"Name the right one: {repository}@sha256:…",
            )
        return digests[0]


def _unreachable() -> EngineError:
    return EngineError(
        "the Docker engine cannot be reached",
        hint="Start it, check DOCKER_HOST and your right to use its socket.",
    )


def _platform(found: dict[str, Any]) -> str:
    parts = [str(found.get("Os")), str(found.get("Architecture"))]
    if found.get("Variant"):
        parts.append(str(found["Variant"]))
    return parse_platform("/".join(parts).lower())


def _repository_digests(found: dict[str, Any]) -> list[DigestReference]:
    listed = found.get("RepoDigests") or []
    parsed = [_parse_digest_reference(str(item)) for item in listed]
    return [item for item in parsed if item]


def _parse_digest_reference(text: str) -> DigestReference | None:
    """Return the digest reference, None for an image without a name (`<none>@sha256:…`)."""
    try:
        return DigestReference.parse(text)
    except DocumentError:
        return None
