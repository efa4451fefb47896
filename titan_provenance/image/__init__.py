"""Images and where they can be read from: engine, registry, OCI layout, archive.

::

    with Sources() as sources:
        identity = identify(sources.open("registry:ghcr.io/titan/brain:1.4.0"))

A source gives raw bytes; everything that is derived from them is checked against its digest. The
HTTP client and the engine's SDK are imported when a source needs them, not before.
"""

from titan_provenance.image.identity import (
    AnySource,
    ImageIdentity,
    identify,
    identify_all,
    read_manifest,
    select_platform,
)
from titan_provenance.image.manifest import Index, Manifest, parse_manifest
from titan_provenance.image.open import (
    ImageReference,
    NamedImage,
    Sources,
    StoredImage,
    parse_image_reference,
)
from titan_provenance.image.source import (
    CONFIG_LIMIT,
    MANIFEST_LIMIT,
    Descriptor,
    ImageSource,
    read_verified,
    stream_verified,
)

__all__ = [
    "CONFIG_LIMIT",
    "MANIFEST_LIMIT",
    "AnySource",
    "Descriptor",
    "ImageIdentity",
    "ImageReference",
    "ImageSource",
    "Index",
    "Manifest",
    "NamedImage",
    "Sources",
    "StoredImage",
    "identify",
    "identify_all",
    "parse_image_reference",
    "parse_manifest",
    "read_manifest",
    "read_verified",
    "select_platform",
    "stream_verified",
]
