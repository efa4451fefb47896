"""GitHub Actions: annotations, step summary and step outputs.

Source: GitHub Docs, "Workflow commands for GitHub Actions" (escaping of data and properties).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from titan_provenance.report.text import markdown_cell

if TYPE_CHECKING:
    from titan_provenance.model.verdict import Verdict

_MARKS = {"passed": "✅", "failed": "❌", "skipped": "➖", "error": "⚠️"}  # noqa: RUF001


def annotation(level: str, message: str, *, file: str = "", line: int = 0) -> str:
    """Return the workflow command that shows `message` at a place of the change."""
    properties = [f"file={_property(file)}"] if file else []
    if file and line:
        properties.append(f"line={line}")
    start = f"::{level} {','.join(properties)}" if properties else f"::{level}"
    return f"{start}::{_data(message)}"


def verdict_annotations(verdict: Verdict) -> list[str]:
    """Return one error annotation for each check that did not pass."""
    return [
        annotation("error", f"{check.id}: {check.message}")
        for check in verdict.checks
        if check.status in {"failed", "error"}
    ]


def verdict_summary(verdict: Verdict) -> str:
    """Return the verdict as Markdown for the step summary."""
    manifest = verdict.manifest
    title = f"{manifest.name} {manifest.version}" if manifest.name else "release"
    rows = [
        f"| {_MARKS[check.status]} {check.id} | {_cell(check.message)} |"
        for check in verdict.checks
    ]
    head = [
        f"### {verdict.outcome}: {_cell(title)}",
        "",
        f"manifest `{manifest.digest}`",
        "",
        "| check | result |",
        "| --- | --- |",
    ]
    return "\n".join([*head, *rows]) + "\n"


def verdict_outputs(verdict: Verdict) -> dict[str, str]:
    """Return the step outputs of a verification."""
    return {"verdict": verdict.outcome, "manifest-digest": verdict.manifest.digest}


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _cell(text: str) -> str:
    return markdown_cell(text.replace("\n", " "))
