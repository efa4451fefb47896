"""Results as programs read them; each kind has a JSON Schema in titan_provenance/schema/."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from titan_provenance.model.instant import format_instant

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from titan_provenance.attest.trust import TrustPolicy
    from titan_provenance.model.release import Release
    from titan_provenance.model.release_diff import Change
    from titan_provenance.model.verdict import Verdict


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    """Return the Verdict document."""
    manifest = verdict.manifest
    return {
        "kind": "Verdict",
        "schemaVersion": 1,
        "verdict": verdict.outcome,
        "manifest": {
            "digest": manifest.digest or None,
            "name": manifest.name,
            "version": manifest.version,
            "sequence": manifest.sequence,
        },
        "signers": list(verdict.signers),
        "checks": [
            {"id": c.id, "status": c.status, "message": c.message, "hint": c.hint}
            for c in verdict.checks
        ],
    }


def error_json(code: str, message: str, hint: str) -> dict[str, Any]:
    """Return the Error document."""
    return {
        "kind": "Error",
        "schemaVersion": 1,
        "error": {"code": code, "message": message, "hint": hint},
    }


def trust_json(policy: TrustPolicy) -> dict[str, Any]:
    """Return the Trust document: the policy with its keys named by their hints."""
    return {
        "kind": "Trust",
        "schemaVersion": 1,
        "version": policy.version,
        "signers": [
            {
                "name": signer.name,
                "algorithm": signer.key.algorithm,
                "hint": signer.key.hint,
                "validFrom": _time(signer.valid_from),
                "validUntil": _time(signer.valid_until),
                "revoked": {
                    "date": format_instant(signer.revoked.date),
                    "reason": signer.revoked.reason,
                }
                if signer.revoked
                else None,
            }
            for signer in policy.signers.values()
        ],
        "roles": [
            {"name": role.name, "threshold": role.threshold, "signers": list(role.signers)}
            for role in policy.roles.values()
        ],
    }


def _time(moment: datetime | None) -> str | None:
    return format_instant(moment) if moment else None


def diff_json(before: Release, after: Release, changes: Sequence[Change]) -> dict[str, Any]:
    """Return the ManifestDiff document."""

    def identity(release: Release) -> dict[str, Any]:
        return {"name": release.name, "version": release.version, "sequence": release.sequence}

    return {
        "kind": "ManifestDiff",
        "schemaVersion": 1,
        "before": identity(before),
        "after": identity(after),
        "changes": [
            {
                "kind": change.kind,
                "name": change.name,
                "change": change.what,
                "before": change.before,
                "after": change.after,
            }
            for change in changes
        ],
    }
