"""`verify-release`: all checks of a release on the host that is about to deploy it.

titan_provenance/attest/verify.py has the pure checks 1 to 7. Here the files they need are read, the
checks that look at the world are made (8 files, 11 registry), and what follows from PASSED is
written: the record of accepted releases, then the digest override.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from titan_provenance.attest.bundle import MAX_BUNDLE
from titan_provenance.attest.public_key import MAX_KEY_FILE, PublicKey
from titan_provenance.attest.trust import TRUST_FILE, load_trust
from titan_provenance.attest.verify import (
    MAX_BUNDLES,
    MAX_MANIFEST,
    Checks,
    check_fleet,
    check_freshness,
    verify_manifest,
)
from titan_provenance.errors import UnreadableError, UsageError, VerificationError
from titan_provenance.files import is_inside, read_bounded, write_atomic
from titan_provenance.model.digest import Digest
from titan_provenance.model.instant import format_instant
from titan_provenance.model.verdict import ManifestIdentity, Verdict
from titan_provenance.release.bound_files import check_files
from titan_provenance.release.compose import compose_images, digest_override
from titan_provenance.release.state import read_state, record_release

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from titan_provenance.attest.verify import VerifiedRelease
    from titan_provenance.model.fleet import Fleet
    from titan_provenance.model.reference import DigestReference

SYSTEM_TRUST = "/etc/titan-provenance/keys"
TRUST_VARIABLE = "TITAN_PROVENANCE_KEYS"
BUNDLE_SUFFIX = ".sigstore.json"
_MAX_SIGNATURE = 4096


class Gate(NamedTuple):
    """What one run of `verify-release` was asked for.

    `files` is the directory to hold the bound files against, `state` the record of accepted
    releases, `override` the compose override to write after PASSED; None means not asked.
    `insecure` names registries spoken to over plain http.
    `audit` says that `now` is not the clock's: nothing is recorded.
    """

    manifest: str
    now: datetime
    bundles: tuple[str, ...] = ()
    fleet: Fleet | None = None
    files: str | None = None
    registry: bool = False
    insecure: tuple[str, ...] = ()
    state: str | None = None
    rollback_to: str | None = None
    override: str | None = None
    audit: bool = False


def verify_on_host(gate: Gate, trust_directory: str) -> Verdict:
    """Make all checks of a release manifest and return the verdict.

    After PASSED the release is recorded and the override written. Raises DocumentError or
    UsageError when trust or fleet file cannot be used: there is no verdict without them.
    """
    refuse_inside(trust_directory, gate.manifest)
    refuse_inside(os.path.join(trust_directory, TRUST_FILE), gate.manifest)
    trust = load_trust(trust_directory)
    checks = _asked_checks(gate)
    read = checks.make("input", _read_input, gate)
    if read is None:
        return Verdict(ManifestIdentity(""), checks.finish())
    manifest, bundles = read
    identity = ManifestIdentity(str(Digest.of(manifest)))
    verified = verify_manifest(checks, manifest, bundles, trust, gate.now)
    if verified is None:
        return Verdict(identity, checks.finish())
    _check_release(checks, gate, verified)
    release = verified.release
    identity = ManifestIdentity(identity.digest, release.name, release.version, release.sequence)
    verdict = Verdict(identity, checks.finish(), verified.signers)
    if verdict.outcome == "PASSED" and not gate.audit:
        if gate.state:
            checks.make(
                "freshness", record_release, gate.state, verified, gate.now, gate.rollback_to
            )
            verdict = Verdict(identity, checks.finish(), verified.signers)
        origin = f"{release.name} {release.version}, manifest {verified.digest}"
        _write_override(gate, verdict, compose_images(release), origin)
    return verdict


def verify_legacy_on_host(gate: Gate, public_key: str, signature: str | None) -> Verdict:
    """Verify an old `digests.json` with its detached signature and return the verdict."""
    from titan_provenance.release.legacy import check_legacy_fleet, verify_legacy

    refuse_inside(public_key, gate.manifest)
    key = PublicKey.parse(read_bounded(public_key, MAX_KEY_FILE), public_key)
    checks = _asked_checks(gate)
    read = checks.make("input", _read_legacy, gate.manifest, signature or gate.manifest + ".sig")
    if read is None:
        return Verdict(ManifestIdentity(""), checks.finish())
    digests, signed = read
    images = verify_legacy(checks, digests, signed, key)
    if images is not None:
        if gate.fleet:
            names = [service.compose for service in gate.fleet.services]
            checks.make("fleet", check_legacy_fleet, images, names)
        else:
            checks.skip("fleet", "no fleet file")
        checks.skip("files", "the old form binds no files")
        if gate.registry:
            checks.make("registry", _check_registry, images, gate.insecure)
    identity = ManifestIdentity(str(Digest.of(digests)))
    verdict = Verdict(identity, checks.finish(), ("public key",) if images else ())
    if images and verdict.outcome == "PASSED" and not gate.audit:
        _write_override(gate, verdict, images, f"digests.json {identity.digest}")
    return verdict


def find_trust(explicit: str | None, environment: Mapping[str, str], fleet: Fleet | None) -> str:
    """Return the trust directory, the first of: --keys, environment, system, checkout.

    What the system administrator pinned in /etc comes before what a checkout brings along.
    Raises UsageError when there is none, or when the fleet file names what is no trust policy.
    """
    named = explicit or environment.get(TRUST_VARIABLE)
    if named:
        return named
    candidates = [SYSTEM_TRUST]
    if fleet:
        chosen, name = os.path.split(fleet.trust or f"keys/{TRUST_FILE}")
        if name != TRUST_FILE:
            raise UsageError(
                f"{fleet.path}: trust: {fleet.trust} is not called {TRUST_FILE}",
                hint=f"Name the {TRUST_FILE} in the directory that has the public keys.",
            )
        candidates.append(os.path.join(fleet.directory, chosen))
    for directory in candidates:
        if os.path.isfile(os.path.join(directory, TRUST_FILE)):
            return directory
    raise UsageError(
        f"no trust policy (looked at {', '.join(candidates)})",
        hint=f"Pass --keys DIR, set {TRUST_VARIABLE}, or start one: titan-provenance trust init",
    )


def refuse_inside(trusted: str, manifest: str) -> None:
    """Raise UsageError when `trusted` lies in the directory of the manifest under test.

    Whoever could change the manifest could change it as well (in-toto CVE-2023-32076).
    """
    directory = os.path.dirname(manifest) or "."
    if is_inside(trusted, directory):
        raise UsageError(
            f"{trusted} lies in the directory of the manifest under test ({directory})",
            hint="Trust never comes with the release: keep releases in a directory of their own.",
        )


def find_bundles(manifest: str) -> list[str]:
    """Return the bundles beside `manifest`: MANIFEST.sigstore.json, MANIFEST.*.sigstore.json."""
    directory, name = os.path.split(manifest)
    try:
        entries = sorted(os.listdir(directory or "."))
    except OSError as error:
        raise UnreadableError(f"{directory or '.'}: {error.strerror}") from error
    return [
        os.path.join(directory, entry)
        for entry in entries
        if entry.startswith(name + ".") and entry.endswith(BUNDLE_SUFFIX)
    ]


def _asked_checks(gate: Gate) -> Checks:
    """Return a record in which the checks that nobody asked for are skipped already."""
    checks = Checks()
    for check_id in ("compose", "running", "evidence"):
        checks.skip(check_id, "not asked")
    if not gate.registry:
        checks.skip("registry", "not asked")
    return checks


def _read_input(gate: Gate) -> tuple[tuple[bytes, list[tuple[str, bytes]]], str]:
    manifest = read_bounded(gate.manifest, MAX_MANIFEST, follow_symlink=False)
    paths = list(gate.bundles) or find_bundles(gate.manifest)
    if len(paths) > MAX_BUNDLES:
        raise VerificationError(f"{len(paths)} bundles, more than the limit of {MAX_BUNDLES}")
    bundles = [(path, read_bounded(path, MAX_BUNDLE, follow_symlink=False)) for path in paths]
    return (manifest, bundles), "read"


def _read_legacy(digests: str, signature: str) -> tuple[tuple[bytes, bytes], str]:
    read = read_bounded(digests, MAX_MANIFEST, follow_symlink=False)
    return (read, read_bounded(signature, _MAX_SIGNATURE, follow_symlink=False)), "read"


def _check_release(checks: Checks, gate: Gate, verified: VerifiedRelease) -> None:
    release, fleet = verified.release, gate.fleet
    checks.make("freshness", _check_freshness, gate, verified)
    if fleet:
        checks.make("fleet", check_fleet, release, fleet.services, fleet.name)
    else:
        checks.skip("fleet", "no fleet file (--fleet F)")
    if not release.files.patterns and not release.files.digests:
        checks.skip("files", "the manifest binds no files")
    elif directory := gate.files or (fleet.directory if fleet else None):
        checks.make("files", check_files, release.files, directory)
    else:
        checks.skip("files", f"not asked: {len(release.files.digests)} bound files (--files DIR)")
    if gate.registry:
        checks.make("registry", _check_registry, compose_images(release), gate.insecure)


def _check_freshness(gate: Gate, verified: VerifiedRelease) -> tuple[bool, str]:
    accepted = read_state(gate.state, verified.release.name) if gate.state else None
    passed, message = check_freshness(verified, gate.now, accepted, gate.rollback_to)
    return passed, f"as of {format_instant(gate.now)}, {message}" if gate.audit else message


def _check_registry(
    images: Mapping[str, DigestReference], insecure: tuple[str, ...]
) -> tuple[bool, str]:
    from titan_provenance.release.collect import check_registry

    return check_registry(images, insecure)


def _write_override(
    gate: Gate, verdict: Verdict, images: Mapping[str, DigestReference], origin: str
) -> None:
    if gate.override and verdict.outcome == "PASSED":
        write_atomic(gate.override, digest_override(images, origin).encode())
