"""`titan-provenance sbom generate`: images → scan → bills → documents."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, NamedTuple

from titan_provenance.cli.epoch import source_date_epoch
from titan_provenance.errors import TitanProvenanceError, UsageError
from titan_provenance.files import write_atomic
from titan_provenance.image.open import NamedImage, Sources, parse_image_reference
from titan_provenance.model.reference import TagReference
from titan_provenance.sbom.cache import cache_directory
from titan_provenance.sbom.pipeline import Wanted, make_bills

if TYPE_CHECKING:
    from titan_provenance.cli.console import Console
    from titan_provenance.image.open import ImageReference
    from titan_provenance.sbom.bill import Bill
    from titan_provenance.sbom.cyclonedx import SpecVersion

_SUFFIXES = {
    "cyclonedx-json": ".cdx.json",
    "cyclonedx-xml": ".cdx.xml",
    "spdx-json": ".spdx.json",
    "table": ".txt",
}


class Request(NamedTuple):
    """What `sbom generate` was asked for."""

    images: tuple[str, ...]
    spec_version: SpecVersion
    platform: str | None
    name: str | None
    output_dir: str | None
    no_cache: bool
    insecure: tuple[str, ...]


def generate_bills(console: Console, request: Request) -> int:
    """Write the bill of each image; return 3 when one could not be made, else 0."""
    references = {text: parse_image_reference(text) for text in dict.fromkeys(request.images)}
    started = time.monotonic()
    outcomes = _make_bills(references, request)
    failed = 0
    for text, outcome in outcomes.items():
        if isinstance(outcome, TitanProvenanceError):
            if len(outcomes) == 1:
                raise outcome
            console.note(f"{text}: {outcome.message}")
            failed += 1
            continue
        _write(console, request, references[text], outcome)
    console.detail(f"{len(outcomes)} images in {time.monotonic() - started:.2f} s")
    return 3 if failed else 0


def _make_bills(
    references: dict[str, ImageReference], request: Request
) -> dict[str, Bill | TitanProvenanceError]:
    with Sources(insecure=request.insecure) as sources:
        wanted = {
            text: Wanted(sources.open(reference), *_title(reference, request.name))
            for text, reference in references.items()
        }
        return make_bills(
            wanted,
            platform=request.platform or "",
            cache_directory=None if request.no_cache else cache_directory(os.environ),
            epoch=source_date_epoch(),
        )


def _title(reference: ImageReference, named: str | None) -> tuple[str, str]:
    """Return name and version: as asked, repository and tag, or the name of the file."""
    if named:
        name, colon, tag = named.rpartition(":")
        return (name, tag) if colon and "/" not in tag else (named, "")
    if isinstance(reference, NamedImage):
        tag = reference.reference.tag if isinstance(reference.reference, TagReference) else ""
        return str(reference.reference.repository), tag
    file = os.path.basename(os.path.normpath(reference.path))
    return file.removesuffix(".tar"), reference.tag or ""


def _write(console: Console, request: Request, reference: ImageReference, bill: Bill) -> None:
    from titan_provenance.cli.sbom import render

    document = render(bill, console.format, request.spec_version)
    if request.output_dir is None:
        console.result(document)
        return
    if not os.path.isdir(request.output_dir):
        raise UsageError(f"{request.output_dir} is no directory")
    file = bill.name.rpartition("/")[2] + _SUFFIXES[console.format]
    path = os.path.join(request.output_dir, file)
    write_atomic(path, document.encode() if isinstance(document, str) else document)
    console.note(f"wrote {path}: {len(bill.components)} packages ({reference})")
