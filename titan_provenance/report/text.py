"""Results as people read them on a terminal: aligned columns, one line a thing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from titan_provenance.model.instant import format_instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from titan_provenance.attest.trust import TrustPolicy
    from titan_provenance.model.digest import Digest
    from titan_provenance.model.release import Release
    from titan_provenance.model.release_diff import Change
    from titan_provenance.model.verdict import Verdict

_COLORS = {"passed": "green", "failed": "red", "skipped": "bright_black", "error": "yellow"}
_OUTCOMES = {"PASSED": "green", "FAILED": "red", "ERROR": "yellow"}


def verdict_text(verdict: Verdict) -> str:
    """Return the verdict: a line for each check with its hint, the outcome last."""
    lines = []
    for number, check in enumerate(verdict.checks, 1):
        status = click.style(f"{check.status:<8}", fg=_COLORS[check.status])
        lines.append(f"{number:>3}  {check.id:<10} {status} {printable(check.message)}")
        if check.hint and check.status != "passed":
            lines.append(f"{'':>25}→ {printable(check.hint)}")
    manifest = verdict.manifest
    subject = "nothing was verified"
    if manifest.name:
        subject = f"{manifest.name} {manifest.version} (sequence {manifest.sequence})"
    elif verdict.outcome == "PASSED":
        subject = "digests as signed"
    outcome = click.style(verdict.outcome, fg=_OUTCOMES[verdict.outcome], bold=True)
    digest = f", manifest {manifest.digest}" if manifest.digest else ""
    lines += ["", f"{outcome}: {subject}{digest}"]
    return "\n".join(lines) + "\n"


def release_text(release: Release, digest: Digest) -> str:
    """Return a release for reading: what it is, its services, its files."""
    facts = [
        ("release", f"{release.name} {release.version} (sequence {release.sequence})"),
        ("manifest", str(digest)),
        ("created", format_instant(release.created_at)),
        ("expires", format_instant(release.expires_at)),
        ("previous", str(release.previous) if release.previous else "none"),
    ]
    if release.source:
        dirty = " (dirty)" if release.source.dirty else ""
        facts.append(("source", f"{release.source.uri} @ {release.source.commit}{dirty}"))
    if release.builder:
        facts.append(("builder", release.builder.id))
    rows = [("SERVICE", "TAG", "PLATFORMS", "IMAGE")]
    for service in release.services:
        platforms = ", ".join(item.platform for item in service.platforms) or "-"
        rows.append((service.name, service.tag or "-", platforms, str(service.image)))
    parts = [columns(facts), columns(rows)]
    if release.files.digests:
        files = [("FILE", "DIGEST")] + [(path, str(d)) for path, d in release.files.digests]
        parts.append(columns(files))
    return "\n".join(parts)


def diff_text(before: Release, after: Release, changes: Sequence[Change]) -> str:
    """Return what is different between two releases, one block a change."""
    old = f"{before.name} {before.version} (sequence {before.sequence})"
    lines = [f"{old} → {after.name} {after.version} (sequence {after.sequence})"]
    marks = {"added": "+", "removed": "-", "changed": "~"}
    for change in changes:
        lines.append(f"{marks[change.what]} {change.kind} {printable(change.name)} {change.what}")
        if change.before:
            lines.append(f"    - {printable(change.before)}")
        if change.after:
            lines.append(f"    + {printable(change.after)}")
    if not changes:
        lines.append("no service and no file differs")
    return "\n".join(lines) + "\n"


def trust_text(policy: TrustPolicy, directory: str, now: datetime) -> str:
    """Return who may sign for what, and whose signatures count at `now`."""
    signers = [("SIGNER", "KEY", "COUNTS", "HINT")]
    for signer in policy.signers.values():
        problem = signer.problem_at(now)
        signers.append((signer.name, signer.key.algorithm, problem or "yes", signer.key.hint))
    roles = [("ROLE", "NEEDS", "OF")]
    roles += [
        (role.name, str(role.threshold), ", ".join(role.signers)) for role in policy.roles.values()
    ]
    head = f"{directory}: version {policy.version}\n"
    return "\n".join([head, columns(signers), columns(roles)])


def columns(rows: Iterable[Sequence[str]]) -> str:
    """Return rows with their columns aligned, two spaces apart."""
    table = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]
    return "\n".join(lines) + "\n"


def markdown_cell(text: str) -> str:
    """Return `text` so that nothing in it is Markdown, HTML or the end of a table cell."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")
    for char in "\\|`*_[]":
        escaped = escaped.replace(char, "\\" + char)
    return escaped


def printable(text: str) -> str:
    """Return `text` with control characters escaped: it may quote what an attacker wrote."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
