"""A host with a trust policy and a signed release of seven services, in a temporary directory."""

import base64
import contextlib
import io
import json
import os
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from titan_provenance.attest.envelope import pae
from titan_provenance.attest.signer import KeySigner, sign_manifest
from titan_provenance.attest.statement import PAYLOAD_TYPE, write_manifest
from titan_provenance.attest.trust import Role, Signer, TrustPolicy
from titan_provenance.attest.trust_edit import format_policy
from titan_provenance.cli.command import run
from titan_provenance.cli.verify import command as verify_command
from titan_provenance.model.digest import Digest
from titan_provenance.model.reference import DigestReference, Repository
from titan_provenance.model.release import BoundFiles, PlatformImage, Release, ReleasedService

SERVICES = ("brain", "execution", "hunter", "nats", "scavenger", "sentinel", "strategies")
NOW = datetime.now(UTC).replace(microsecond=0)


def make_release(version="1.4.0", sequence=4, **changes):
    """Return a release of seven services whose digests depend on the version."""
    services = tuple(
        ReleasedService(
            name=name,
            image=DigestReference(
                Repository("registry.example", f"titan/{name}"),
                Digest.of(f"{name} {version}".encode()),
            ),
            compose=f"titan-{name}",
            tag=version,
            platforms=(PlatformImage("linux/amd64", None, Digest.of(f"id {name}".encode())),),
        )
        for name in SERVICES
    )
    facts = {
        "name": "titan",
        "version": version,
        "sequence": sequence,
        "created_at": NOW - timedelta(hours=1),
        "expires_at": NOW + timedelta(days=30),
        "services": services,
        "files": BoundFiles(),
    }
    return Release(**{**facts, **changes})


def new_signer(kind="p256"):
    """Return a fresh key that can sign."""
    if kind == "ed25519":
        return KeySigner(ed25519.Ed25519PrivateKey.generate())
    curve = ec.SECP384R1() if kind == "p384" else ec.SECP256R1()
    return KeySigner(ec.generate_private_key(curve))


def bundle_of(payload, signer, payload_type=PAYLOAD_TYPE):
    """Return the JSON of a bundle with a valid signature over any payload."""
    signature = signer.sign(pae(payload_type, payload))
    return {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": signer.public_key.hint}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": payload_type,
            "signatures": [{"keyid": "", "sig": base64.b64encode(signature).decode()}],
        },
    }


def policy_of(signers, threshold=1):
    """Return a trust policy in which all `signers` (name to KeySigner) may sign releases."""
    known = {name: Signer(name, f"{name}.pub", s.public_key) for name, s in signers.items()}
    return TrustPolicy(1, known, {"release": Role("release", threshold, tuple(signers))})


class Host:
    """A deployment host: `keys/`, `release/manifest.json` with bundles, a state file.

    `ci` and `auditor` are trusted signers; the release in place is signed by `ci`.
    """

    def __init__(self, directory):
        self.directory = str(directory)
        self.ci = new_signer()
        self.auditor = new_signer("ed25519")
        self.signers = {"ci": self.ci, "auditor": self.auditor}
        for name in ("keys", "release"):
            os.makedirs(self.path(name))
        self.manifest = self.path("release", "manifest.json")
        self.state = self.path("state.json")
        self.trust(policy_of(self.signers))
        self.release(make_release())

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def write(self, data, *parts):
        """Write bytes, text or a JSON value below the host's directory; return the path."""
        if not isinstance(data, bytes):
            data = (data if isinstance(data, str) else json.dumps(data)).encode()
        path = self.path(*parts)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def trust(self, policy):
        """Put a trust policy in place, valid or not."""
        for signer in policy.signers.values():
            self.write(signer.key.pem(), "keys", signer.key_file)
        self.write(format_policy(policy), "keys", "trust.yaml")

    def release(self, release, signer=None):
        """Put a release in place, signed by `signer` (default `ci`) alone."""
        manifest = write_manifest(release)
        bundle = sign_manifest(manifest, "manifest.json", signer or self.ci)
        self.place(manifest, {"ci": json.loads(bundle)})
        return manifest

    def place(self, manifest, bundles):
        """Put manifest bytes and bundles (name to JSON value or bytes) in place, and no others."""
        for name in os.listdir(self.path("release")):
            os.unlink(self.path("release", name))
        self.write(manifest, "release", "manifest.json")
        for name, bundle in bundles.items():
            self.write(bundle, "release", f"manifest.json.{name}.sigstore.json")

    def read(self, *parts):
        with open(self.path(*parts), "rb") as file:
            return file.read()

    def bundle(self, name="ci"):
        """Return the bundle in place as a JSON value."""
        return json.loads(self.read("release", f"manifest.json.{name}.sigstore.json"))

    def verify(self, *options, state=True, keys="keys", manifest=None):
        """Run verify-release and return (exit code, Verdict or Error document)."""
        words = [manifest or self.manifest, "--keys", self.path(keys), "--format", "json"]
        words += ["--state", self.state] if state else ["--no-state"]
        code, out = capture(verify_command, "verify-release", [*words, *options])
        return code, json.loads(out)


def capture(command, program, words):
    """Run a command in this process and return (exit code, bytes on standard output)."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with contextlib.redirect_stdout(out):
        code = run(command, program, words)
        out.flush()
    return code, out.buffer.getvalue()


def statuses(verdict):
    """Return the status of each check by its id."""
    return {check["id"]: check["status"] for check in verdict["checks"]}


def refused_by(verdict):
    """Return the id and message of the first check that did not pass, or None."""
    for check in verdict.get("checks", ()):
        if check["status"] in {"failed", "error"}:
            return check["id"], check["message"]
    return None
