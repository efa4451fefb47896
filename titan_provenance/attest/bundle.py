"""Sigstore bundle v0.3: an envelope together with what a verifier needs to check it.

Source: sigstore/protobuf-specs, sigstore_bundle.proto; proto3 JSON mapping in camelCase. Unknown
fields are refused: what is not understood may be what matters.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, NamedTuple

from titan_provenance.attest.envelope import Envelope
from titan_provenance.document import Node, dump_json, parse_json
from titan_provenance.errors import DocumentError, VerificationError

if TYPE_CHECKING:
    from typing import Any

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
MAX_BUNDLE = 2 << 20
MAX_LOG_ENTRIES = 32
MAX_TIMESTAMPS = 32
_MAX_SIGNATURES = 32


class Bundle(NamedTuple):
    """One bundle: the envelope, and either the hint of a managed key or a certificate (DER).

    `evidence` counts the log entries and timestamps that it carries. `name` is for messages.
    """

    name: str
    envelope: Envelope
    hint: str | None
    certificate: bytes | None
    evidence: int


def parse_bundle(data: bytes, name: str) -> Bundle:
    """Parse the bytes of the bundle called `name`.

    Raises VerificationError for another media type, a message signature instead of an envelope, or
    more evidence than the limits allow, and DocumentError for what is no bundle at all.
    """
    root = parse_json(data, name)
    keys = root.mapping(required=("mediaType",))
    media_type = keys["mediaType"].text()
    if media_type != MEDIA_TYPE:
        raise VerificationError(
            f'{name}: media type "{media_type[:100]}" is not {MEDIA_TYPE}',
            hint="Sign again with a tool that writes sigstore bundles v0.3.",
        )
    if "messageSignature" in keys:
        raise VerificationError(
            f"{name}: signs a bare message, not a statement in a DSSE envelope",
            hint="Sign the manifest with titan-provenance sign or cosign attest-blob --statement.",
        )
    root.mapping(
        ("mediaType", "verificationMaterial", "dsseEnvelope"),
        required=("verificationMaterial", "dsseEnvelope"),
    )
    material = keys["verificationMaterial"].mapping(
        ("publicKey", "certificate", "tlogEntries", "timestampVerificationData")
    )
    if ("publicKey" in material) == ("certificate" in material):
        keys["verificationMaterial"].fail("expected either publicKey or certificate")
    return Bundle(
        name=name,
        envelope=_parse_envelope(keys["dsseEnvelope"]),
        hint=_parse_hint(material["publicKey"]) if "publicKey" in material else None,
        certificate=_parse_certificate(material["certificate"])
        if "certificate" in material
        else None,
        evidence=_count_evidence(material, name),
    )


def write_bundle(payload: bytes, payload_type: str, signature: bytes, hint: str) -> bytes:
    """Return a bundle with one signature made by the managed key that `hint` names."""
    bundle: dict[str, Any] = {
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": {"publicKey": {"hint": hint}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": payload_type,
            "signatures": [{"keyid": "", "sig": base64.b64encode(signature).decode()}],
        },
    }
    return dump_json(bundle)


def decode_base64(text: str) -> bytes:
    """Return the bytes of standard, padded base64 (RFC 4648); raises DocumentError."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DocumentError("is not base64") from error
    if base64.b64encode(data).decode() != text:
        raise DocumentError("is base64 with stray bits")
    return data


def _parse_envelope(node: Node) -> Envelope:
    keys = node.mapping(
        ("payload", "payloadType", "signatures"), required=("payload", "payloadType", "signatures")
    )
    signatures = keys["signatures"].items()
    if len(signatures) > _MAX_SIGNATURES:
        node.fail(f"{len(signatures)} signatures, more than {_MAX_SIGNATURES}")
    return Envelope(
        payload=keys["payload"].parsed(decode_base64),
        payload_type=keys["payloadType"].text(),
        signatures=tuple(_parse_signature(item) for item in signatures),
    )


def _parse_signature(node: Node) -> bytes:
    # keyid is an unauthenticated hint (DSSE protocol): it may be there, nothing follows from it.
    keys = node.mapping(("sig", "keyid"), required=("sig",))
    if "keyid" in keys and not isinstance(keys["keyid"].value, str):
        keys["keyid"].fail("expected text")
    return keys["sig"].parsed(decode_base64)


def _parse_hint(node: Node) -> str:
    keys = node.mapping(("hint",))
    return keys["hint"].text() if "hint" in keys else ""


def _parse_certificate(node: Node) -> bytes:
    return node.mapping(("rawBytes",), required=("rawBytes",))["rawBytes"].parsed(decode_base64)


def _count_evidence(material: dict[str, Node], name: str) -> int:
    entries = material["tlogEntries"].items() if "tlogEntries" in material else []
    timestamps: list[Node] = []
    if "timestampVerificationData" in material:
        data = material["timestampVerificationData"].mapping(("rfc3161Timestamps",))
        timestamps = data["rfc3161Timestamps"].items() if "rfc3161Timestamps" in data else []
    if len(entries) > MAX_LOG_ENTRIES or len(timestamps) > MAX_TIMESTAMPS:
        raise VerificationError(
            f"{name}: {len(entries)} log entries and {len(timestamps)} timestamps, more than "
            f"{MAX_LOG_ENTRIES} and {MAX_TIMESTAMPS}"
        )
    return len(entries) + len(timestamps)
