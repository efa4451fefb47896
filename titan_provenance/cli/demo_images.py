"""Seven small images as OCI layouts, made from nothing: the fleet that the demo releases.

Deterministic: the same version gives the same bytes, hence the same digests, on every machine.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVICES = ("brain", "nats", "execution", "strategies", "sentinel", "scavenger", "hunter")
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def write_image(layout: str, service: str, version: str) -> None:
    """Write the image of `service` at `version` into the directory `layout`, tagged by version."""
    blobs = os.path.join(layout, "blobs", "sha256")
    os.makedirs(blobs, exist_ok=True)
    layer = _layer(f"srv/{service}", f"{service} {version}\n".encode())
    layer_blob = gzip.compress(layer, mtime=0)
    config = _json(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": ["/srv/" + service]},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _descriptor(_CONFIG, config),
            "layers": [_descriptor(_LAYER, layer_blob)],
        }
    )
    annotations = {"org.opencontainers.image.ref.name": version}
    index = {"schemaVersion": 2, "manifests": [_descriptor(_MANIFEST, manifest, annotations)]}
    for blob in (layer_blob, config, manifest):
        _write(os.path.join(blobs, hashlib.sha256(blob).hexdigest()), blob)
    _write(os.path.join(layout, "index.json"), _json(index))
    _write(os.path.join(layout, "oci-layout"), _json({"imageLayoutVersion": "1.0.0"}))


def _layer(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(content), 0o755
        archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _descriptor(
    media_type: str, content: bytes, annotations: Mapping[str, str] | None = None
) -> dict[str, Any]:
    descriptor = {"mediaType": media_type, "digest": _digest(content), "size": len(content)}
    return descriptor | ({"annotations": dict(annotations)} if annotations else {})


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _write(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
