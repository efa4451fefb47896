"""The verdict of a verification: which checks were made and how each came out."""

from __future__ import annotations

from typing import Literal, NamedTuple

Status = Literal["passed", "failed", "skipped", "error"]

CHECK_IDS = (
    "input",
    "envelope",
    "signature",
    "threshold",
    "statement",
    "freshness",
    "fleet",
    "files",
    "compose",
    "running",
    "registry",
    "evidence",
)


class Check(NamedTuple):
    """One numbered check: `failed` means it does not hold, `error` that nothing can be said."""

    id: str
    status: Status
    message: str
    hint: str = ""


class ManifestIdentity(NamedTuple):
    """Which manifest the verdict is about; the release fields are None until it was verified."""

    digest: str
    name: str | None = None
    version: str | None = None
    sequence: int | None = None


class Verdict(NamedTuple):
    """All checks in order, the manifest and the signers whose signatures counted."""

    manifest: ManifestIdentity
    checks: tuple[Check, ...]
    signers: tuple[str, ...] = ()

    @property
    def outcome(self) -> Literal["PASSED", "FAILED", "ERROR"]:
        """FAILED if any check failed, else ERROR if any could not be made, else PASSED.

        Without a passed `statement` check there is no verified release, hence no PASSED.
        """
        statuses = {check.status for check in self.checks}
        if "failed" in statuses:
            return "FAILED"
        verified = any(
            check.id == "statement" and check.status == "passed" for check in self.checks
        )
        return "ERROR" if "error" in statuses or not verified else "PASSED"

    @property
    def exit_code(self) -> int:
        """0 for PASSED, 1 for FAILED, 3 for ERROR."""
        return {"PASSED": 0, "FAILED": 1, "ERROR": 3}[self.outcome]
