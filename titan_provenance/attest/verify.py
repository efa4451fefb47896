"""The verification of a release, as a list of numbered checks over bytes, trust and one `now`.

 1. input      the manifest is text within limits, every bundle is a bundle, there is at least one
 2. envelope   each bundle has one signature, over exactly the manifest's bytes
 3. signature  each signature is by a trusted signer of the role, unrevoked and in its window
 4. threshold  distinct signers reach the role's threshold
 5. statement  the signed bytes are a release manifest whose subjects are its services
 6. freshness  not expired, not from the future, release and trust policy not older than before
 7. fleet      the release has exactly the services that the fleet file names

1 to 5 need each other in this order: nothing is parsed that was not verified. Checks 8 to 12 look
at the world and stand in titan_provenance/release/gate.py.

Every bundle that is handed in has to hold: a bundle that cannot be checked, or that nobody trusted
signed, fails the release even when others would reach the threshold.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from titan_provenance.attest.bundle import MAX_BUNDLE, Bundle, parse_bundle
from titan_provenance.attest.statement import PAYLOAD_TYPE, parse_manifest
from titan_provenance.document import MAX_DEPTH
from titan_provenance.errors import (
    CouldNotCheckError,
    DocumentError,
    TitanProvenanceError,
    UsageError,
    VerificationError,
)
from titan_provenance.model.digest import Digest
from titan_provenance.model.instant import format_instant
from titan_provenance.model.verdict import CHECK_IDS, Check

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime

    from titan_provenance.attest.trust import Role, Signer, TrustPolicy
    from titan_provenance.model.fleet import FleetService
    from titan_provenance.model.release import Release

MAX_MANIFEST = 1 << 20
MAX_BUNDLES = 32
CLOCK_TOLERANCE = timedelta(minutes=5)

T = TypeVar("T")


class AcceptedRelease(NamedTuple):
    """A release that this host accepted before, and the version of the trust policy it used."""

    version: str
    sequence: int
    digest: Digest
    trust_version: int


class VerifiedRelease(NamedTuple):
    """A release whose manifest was verified: its digest, the signers that counted, the policy."""

    release: Release
    digest: Digest
    signers: tuple[str, ...]
    trust_version: int

    def is_same(self, known: AcceptedRelease) -> bool:
        """Say whether `known` is this very release: version, sequence and manifest."""
        return (known.version, known.sequence, known.digest) == (
            self.release.version,
            self.release.sequence,
            self.digest,
        )


def verify_release(
    manifest: bytes, bundles: Sequence[bytes], trust: TrustPolicy, now: datetime
) -> VerifiedRelease:
    """Verify a release manifest with its bundles (checks 1 to 6) and return what it states.

    Reads no clock, file or network. Without a record of earlier releases the freshness check covers
    expiry alone. Raises VerificationError (checked, does not hold) or CouldNotCheckError, whose
    message starts with the id of the check, and UsageError for a `now` without time zone.
    """
    if now.tzinfo is None:
        raise UsageError("now has no time zone", hint="Pass datetime.now(UTC).")
    checks = Checks()
    named = [(f"bundle {number}", data) for number, data in enumerate(bundles, 1)]
    verified = verify_manifest(checks, manifest, named, trust, now)
    if verified:
        checks.make("freshness", check_freshness, verified, now, None, None)
    checks.raise_problem()
    if verified is None:
        raise CouldNotCheckError("nothing was verified")
    return verified


def verify_manifest(
    checks: Checks,
    manifest: bytes,
    bundles: Sequence[tuple[str, bytes]],
    trust: TrustPolicy,
    now: datetime,
) -> VerifiedRelease | None:
    """Make the checks 1 to 5 and return the verified release, or None when one did not pass.

    `bundles` are (name for messages, bytes).
    """
    role = trust.role("release")
    parsed = checks.make("input", check_input, manifest, bundles)
    if parsed is None or not checks.make("envelope", check_envelope, manifest, parsed):
        return None
    signers = checks.make("signature", check_signature, parsed, trust, role, now)
    if signers is None:
        return None
    counted = checks.make("threshold", check_threshold, signers, role)
    if counted is None:
        return None
    release = checks.make("statement", check_statement, manifest)
    if release is None:
        return None
    return VerifiedRelease(release, Digest.of(manifest), counted, trust.version)


def check_input(
    manifest: bytes, bundles: Sequence[tuple[str, bytes]]
) -> tuple[Sequence[Bundle], str]:
    """1. The manifest is text within limits, every bundle is a bundle, there is at least one."""
    check_manifest_text(manifest)
    if not bundles:
        raise VerificationError(
            "no bundle: nobody signed this manifest",
            hint="Put MANIFEST.<signer>.sigstore.json beside it, or name it with --bundle.",
        )
    if len(bundles) > MAX_BUNDLES:
        raise VerificationError(f"{len(bundles)} bundles, more than the limit of {MAX_BUNDLES}")
    for name, data in bundles:
        if len(data) > MAX_BUNDLE:
            raise VerificationError(f"{name}: more than the limit of {MAX_BUNDLE} bytes")
    parsed = [parse_bundle(data, name) for name, data in bundles]
    count = "1 bundle" if len(parsed) == 1 else f"{len(parsed)} bundles"
    return parsed, f"manifest of {len(manifest)} bytes, {count}"


def check_manifest_text(manifest: bytes) -> None:
    """Refuse what no release manifest can consist of, without parsing unverified bytes."""
    problem = None
    if not manifest:
        problem = "is empty"
    elif len(manifest) > MAX_MANIFEST:
        problem = f"has {len(manifest)} bytes, more than the limit of {MAX_MANIFEST}"
    elif manifest.startswith(b"\xef\xbb\xbf"):
        problem = "starts with a byte order mark"
    elif b"\r" in manifest:
        problem = "has carriage returns, which no release manifest has"
    elif not manifest.startswith(b"{"):
        problem = "is no JSON object"
    elif b"{" * (MAX_DEPTH + 1) in manifest or b"[" * (MAX_DEPTH + 1) in manifest:
        problem = f"is nested deeper than {MAX_DEPTH} levels"
    if problem:
        raise CouldNotCheckError(
            f"the manifest {problem}", hint="Fetch the release manifest again, byte for byte."
        )


def check_envelope(manifest: bytes, bundles: Sequence[Bundle]) -> tuple[bool, str]:
    """2. Each bundle has one signature, over exactly the manifest's bytes as a statement."""
    for bundle in bundles:
        envelope = bundle.envelope
        if len(envelope.signatures) != 1:
            raise VerificationError(
                f"{bundle.name}: {len(envelope.signatures)} signatures, a bundle has exactly one"
            )
        if envelope.payload_type != PAYLOAD_TYPE:
            raise VerificationError(
                f'{bundle.name}: payload type "{envelope.payload_type[:100]}" is not {PAYLOAD_TYPE}'
            )
        if envelope.payload != manifest:
            raise VerificationError(
                f"{bundle.name}: signs other bytes than this manifest "
                f"(signed {Digest.of(envelope.payload)}, manifest {Digest.of(manifest)})",
                hint="The manifest was changed after it was signed, or the bundle is another's.",
            )
    return True, "one signature each, over exactly these bytes"


def check_signature(
    bundles: Sequence[Bundle], trust: TrustPolicy, role: Role, now: datetime
) -> tuple[Sequence[Signer], str]:
    """3. Each signature is by a trusted signer of the role, unrevoked and in its window.

    Without evidence of when it was made, a signature counts as made now.
    """
    signers = [_signer_of(bundle, trust, role) for bundle in bundles]
    for bundle, signer in zip(bundles, signers, strict=True):
        if problem := signer.problem_at(now):
            raise VerificationError(
                f"{bundle.name}: {problem}", hint="Sign again with a key that is valid."
            )
    return signers, ", ".join(f"{signer.name} ({signer.key.algorithm})" for signer in signers)


def check_threshold(signers: Sequence[Signer], role: Role) -> tuple[tuple[str, ...], str]:
    """4. Distinct signers, counted by their key's bytes, reach the threshold of the role."""
    distinct = {signer.key: signer.name for signer in signers}
    counted = tuple(sorted(distinct.values()))
    if role.threshold < 1 or len(distinct) < role.threshold:
        twice = " (one signer counts once)" if len(distinct) < len(signers) else ""
        raise VerificationError(
            f"{len(distinct)} of {role.threshold} needed signers: {', '.join(counted)}{twice}",
            hint=f'The role "{role.name}" takes signatures by: {", ".join(role.signers)}.',
        )
    return counted, f"{len(distinct)} of {role.threshold} needed for {role.name}"


def check_statement(manifest: bytes) -> tuple[Release, str]:
    """5. The signed bytes are a release manifest whose subjects are exactly its services."""
    try:
        release = parse_manifest(manifest, "manifest")
    except DocumentError as error:
        raise VerificationError(error.message, hint=error.hint) from error
    count = len(release.services)
    return (
        release,
        f"{release.name} {release.version}, sequence {release.sequence}, {count} services",
    )


def check_freshness(
    verified: VerifiedRelease,
    now: datetime,
    accepted: Collection[AcceptedRelease] | None,
    rollback_to: str | None,
) -> tuple[bool, str]:
    """6. Not expired, not from the future, not older than what this host accepted before.

    `accepted` are the host's earlier releases of this name, or None when it keeps no record.
    `rollback_to` names the version that may be accepted though newer ones were: it must have been
    accepted before, with the same digest.
    """
    release = verified.release
    if now >= release.expires_at:
        raise VerificationError(
            f"expired on {format_instant(release.expires_at)}",
            hint="Build and sign the release again; its images need not change.",
        )
    if release.created_at > now + CLOCK_TOLERANCE:
        raise VerificationError(
            f"created on {format_instant(release.created_at)}, which is in the future",
            hint="Check the clock of this host and of the builder.",
        )
    until = f"valid until {format_instant(release.expires_at)}"
    if accepted is None:
        return True, f"{until}; order of releases not compared (no state)"
    return True, f"{until}; {_check_order(verified, accepted, rollback_to)}"


def check_fleet(
    release: Release, services: Collection[FleetService], fleet: str
) -> tuple[bool, str]:
    """7. The release is of this fleet and has exactly the services that the fleet file names.

    Each under its compose name, since under another one the override would pin nothing, and from
    its repository, since another one is not what this host deploys.
    """
    if release.name != fleet:
        raise VerificationError(f'release of "{release.name}", the fleet file is for "{fleet}"')
    released = {service.name: service for service in release.services}
    wanted = {service.name: service for service in services}
    problems = []
    if missing := sorted(set(wanted) - set(released)):
        problems.append(f"not in the release: {', '.join(missing)}")
    if unknown := sorted(set(released) - set(wanted)):
        problems.append(f"not in the fleet file: {', '.join(unknown)}")
    for name in sorted(set(released) & set(wanted)):
        ours, theirs = wanted[name], released[name]
        if theirs.compose != ours.compose:
            problems.append(
                f"{name} is {theirs.compose} in compose files, {ours.compose} in the fleet file"
            )
        if theirs.image.repository != ours.repository:
            problems.append(
                f"{name} comes from {theirs.image.repository}, in the fleet file {ours.repository}"
            )
    if problems:
        raise VerificationError("; ".join(problems))
    return True, f"all {len(released)} services of the fleet file"


class Checks:
    """Records how each check came out, in the order of the verdict."""

    def __init__(self) -> None:
        self._made: dict[str, Check] = {}

    def make(
        self, check_id: str, check: Callable[..., tuple[T, str]], *arguments: object
    ) -> T | None:
        """Run one check; record its message, and return its value, or None if it did not pass."""
        try:
            value, message = check(*arguments)
        except VerificationError as error:
            self._made[check_id] = Check(check_id, "failed", error.message, error.hint)
        except TitanProvenanceError as error:
            self._made[check_id] = Check(check_id, "error", error.message, error.hint)
        else:
            self._made[check_id] = Check(check_id, "passed", message)
            return value
        return None

    def skip(self, check_id: str, why: str) -> None:
        """Record that a check was not made, and why."""
        self._made[check_id] = Check(check_id, "skipped", why)

    def raise_problem(self) -> None:
        """Raise for the first check that did not pass; the message starts with its id."""
        for check in self.finish():
            if check.status in {"failed", "error"}:
                kind = VerificationError if check.status == "failed" else CouldNotCheckError
                raise kind(f"{check.id}: {check.message}", hint=check.hint)

    def finish(self) -> tuple[Check, ...]:
        """Return all checks in order; those not reached say which one they were waiting for."""
        broken = next(
            (check.id for check in self._made.values() if check.status in {"failed", "error"}), ""
        )
        why = f"not reached: {broken} did not pass" if broken else "not part of this verification"
        return tuple(
            self._made.get(check_id) or Check(check_id, "skipped", why) for check_id in CHECK_IDS
        )


def _signer_of(bundle: Bundle, trust: TrustPolicy, role: Role) -> Signer:
    """Return the role's signer whose key made the signature of `bundle`."""
    if bundle.certificate is not None:
        raise VerificationError(
            f"{bundle.name}: signed with a certificate, and no signer of the role "
            f'"{role.name}" is an identity',
        )
    if bundle.evidence:
        raise VerificationError(
            f"{bundle.name}: carries {bundle.evidence} log entries or timestamps, which no role "
            "asks for and this version cannot check",
            hint="Sign without a transparency log (cosign: an empty signing config).",
        )
    signature, message = bundle.envelope.signatures[0], bundle.envelope.pae()
    named = [s for s in trust.signers.values() if not bundle.hint or s.key.hint == bundle.hint]
    if not named:
        raise VerificationError(
            f"{bundle.name}: the key with the hint {(bundle.hint or '')[:64]} is not trusted",
            hint="titan-provenance trust show lists the signers that are.",
        )
    for signer in named:
        if signer.key.accepts(signature, message):
            if signer.name not in role.signers:
                raise VerificationError(
                    f'{bundle.name}: {signer.name} may not sign for the role "{role.name}"'
                )
            return signer
    names = named[0].name if bundle.hint else "any trusted signer"
    raise VerificationError(f"{bundle.name}: the signature is not by {names}")


def _check_order(
    verified: VerifiedRelease, accepted: Collection[AcceptedRelease], rollback_to: str | None
) -> str:
    if not accepted:
        return "first release accepted by this host"
    release = verified.release
    trust_version = max(known.trust_version for known in accepted)
    if verified.trust_version < trust_version:
        raise VerificationError(
            f"trust policy version {verified.trust_version} is older than {trust_version}, which "
            "this host used before",
            hint="Somebody put back an old trust.yaml, or --keys names the wrong directory.",
        )
    latest = max(accepted, key=lambda known: known.sequence)
    if release.sequence > latest.sequence:
        return f"newer than {latest.version} (sequence {latest.sequence})"
    known = any(verified.is_same(other) for other in accepted)
    if release.sequence == latest.sequence and known:
        return "the latest release accepted by this host"
    if release.sequence == latest.sequence:
        raise VerificationError(
            f"sequence {release.sequence} was accepted before with another manifest "
            f"({latest.version}, {latest.digest})",
            hint="Two manifests with one sequence: find out which of them should not exist.",
        )
    if rollback_to == release.version and known:
        return f"rollback to {release.version} from {latest.version}, as allowed"
    older = f"sequence {release.sequence} is older than {latest.version} ({latest.sequence})"
    if not known:
        raise VerificationError(
            f"{older}, and this host never accepted it",
            hint="Only a release that this host accepted before can be rolled back to.",
        )
    raise VerificationError(
        older, hint=f"To roll back on purpose: --allow-rollback {release.version}"
    )
