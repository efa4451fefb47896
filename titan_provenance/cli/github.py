"""What a command tells GitHub Actions besides its result."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from titan_provenance.report.github import (
    verdict_annotations,
    verdict_outputs,
    verdict_summary,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from titan_provenance.cli.console import Console
    from titan_provenance.model.verdict import Verdict


def publish_verdict(console: Console, verdict: Verdict) -> None:
    """Write annotations to standard error, the step summary and the step outputs."""
    for line in verdict_annotations(verdict):
        click.echo(line, err=True)
    _append("GITHUB_STEP_SUMMARY", verdict_summary(verdict))
    publish_outputs(verdict_outputs(verdict))
    console.detail("wrote the step summary and outputs")


def publish_outputs(outputs: Mapping[str, str]) -> None:
    """Append step outputs; the values are of forms that have no line breaks."""
    _append("GITHUB_OUTPUT", "".join(f"{name}={value}\n" for name, value in outputs.items()))


def _append(variable: str, text: str) -> None:
    if path := os.environ.get(variable):
        with open(path, "a", encoding="utf-8") as file:
            file.write(text)
