"""What a release says to Compose: an override that pins each service to its digest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from titan_provenance.model.reference import DigestReference
    from titan_provenance.model.release import Release


def compose_images(release: Release) -> dict[str, DigestReference]:
    """Return the image of each service, by its name in the compose file."""
    return {service.compose: service.image for service in release.services}


def digest_override(images: Mapping[str, DigestReference], origin: str) -> str:
    """Return a compose file that pins the services named in `images`.

    `origin` is one line that says where the digests come from. Names and images are written as JSON
    strings, which YAML reads as they are.
    """
    lines = [f"# {origin}", "services:"]
    for name in sorted(images):
        lines += [f"  {json.dumps(name)}:", f"    image: {json.dumps(str(images[name]))}"]
    return "\n".join(lines) + "\n"
