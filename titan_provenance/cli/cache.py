"""`titan-provenance cache status|prune`: what is kept of layers that were read before."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING

import click

from titan_provenance.cli.command import command as make_command
from titan_provenance.document import dump_json
from titan_provenance.errors import UsageError
from titan_provenance.sbom.cache import cache_directory, cache_status, prune_cache

if TYPE_CHECKING:
    from titan_provenance.cli.console import Console
    from titan_provenance.sbom.cache import CacheStatus

_SIZES = {"B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_AGES = {"h": 3600, "d": 86400, "w": 7 * 86400}
_SIZE = re.compile(r"(\d{1,12})([KMGT]?)i?B?", re.IGNORECASE | re.ASCII)
_AGE = re.compile(r"(\d{1,6})([hdw])", re.ASCII)
_DAY = 86400


@click.group("cache", no_args_is_help=True)
def command() -> None:
    """Show and prune the cache of layers (TITAN_PROVENANCE_CACHE names another directory)."""


@make_command("status", formats=("text", "json"))
def status(console: Console) -> None:
    """Say where the cache is, how large, and how long its oldest file was not used."""
    _show(console, cache_status(cache_directory(os.environ)), "holds")


@make_command("prune", formats=("text", "json"))
@click.option("--max-size", default="1G", show_default=True, metavar="SIZE", help="As 500M or 2G.")
@click.option("--max-age", default="30d", show_default=True, metavar="AGE", help="As 12h or 30d.")
def prune(console: Console, max_size: str, max_age: str) -> None:
    """Remove what was not used for long, then what was used least until the rest is small."""
    removed = prune_cache(
        cache_directory(os.environ),
        max_size=_parse(max_size, _SIZE, _SIZES, "size"),
        max_age=_parse(max_age, _AGE, _AGES, "age"),
        now=time.time(),
    )
    _show(console, removed, "lost")


def _parse(text: str, pattern: re.Pattern[str], units: dict[str, int], what: str) -> int:
    match = pattern.fullmatch(text)
    if not match:
        known = ", ".join(units)
        raise UsageError(f'"{text[:100]}" is no {what}', hint=f"A number and one of {known}.")
    unit = match[2] if match[2] in units else match[2].upper() or "B"
    return int(match[1]) * units[unit]


def _show(console: Console, found: CacheStatus, verb: str) -> None:
    if console.format == "json":
        facts = {
            "directory": found.directory,
            "files": found.files,
            "size": found.size,
            "oldest": None if found.oldest is None else int(found.oldest),
        }
        console.result(dump_json({"kind": "Cache", "schemaVersion": 1, **facts}))
        return
    line = f"{found.directory} {verb} {found.files} layers, {found.size / _SIZES['M']:.1f} MiB"
    if found.oldest is not None:
        line += f", the oldest unused for {max(0.0, time.time() - found.oldest) / _DAY:.0f} days"
    console.result(f"{line}\n")


command.add_command(status)
command.add_command(prune)
