"""`titan-provenance sbom fleet`: one bill for all services of the fleet file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from titan_provenance.cli.epoch import source_date_epoch
from titan_provenance.errors import TitanProvenanceError
from titan_provenance.fleet_file import require_fleet
from titan_provenance.image.open import Sources
from titan_provenance.model.names import parse_version
from titan_provenance.model.reference import parse_tag
from titan_provenance.release.build import tag_of
from titan_provenance.release.collect import parse_source_option
from titan_provenance.sbom.cache import cache_directory
from titan_provenance.sbom.fleet import FleetBill, write_fleet
from titan_provenance.sbom.pipeline import Wanted, make_bills

if TYPE_CHECKING:
    from titan_provenance.cli.console import Console
    from titan_provenance.sbom.bill import Bill
    from titan_provenance.sbom.cyclonedx import SpecVersion


class FleetRequest(NamedTuple):
    """What `sbom fleet` was asked for."""

    version: str
    fleet_path: str | None
    source: str
    tag: str | None
    platform: str | None
    spec_version: SpecVersion
    insecure: tuple[str, ...]


def write_fleet_bill(console: Console, request: FleetRequest) -> int:
    """Write the bill of the fleet; return 3 when a service could not be read, and name it."""
    fleet = require_fleet(request.fleet_path)
    version = parse_version(request.version)
    option = parse_source_option(request.source)
    tag = parse_tag(request.tag) if request.tag else None
    with Sources(insecure=request.insecure) as sources:
        wanted = {
            service.name: Wanted(
                sources.open(option.image(service, tag or tag_of(service, version))),
                str(service.repository),
                tag or tag_of(service, version),
            )
            for service in fleet.services
        }
        outcomes = make_bills(
            wanted,
            platform=request.platform or "",
            cache_directory=cache_directory(os.environ),
            epoch=source_date_epoch(),
        )
    bills: dict[str, Bill] = {}
    for name, outcome in outcomes.items():
        if isinstance(outcome, TitanProvenanceError):
            console.note(f"{name}: {outcome.message}")
        else:
            bills[name] = outcome
    if len(bills) < len(outcomes):
        console.note("nothing written: a bill without all services is not that of the fleet")
        return 3
    console.result(write_fleet(FleetBill(fleet.name, version, bills), request.spec_version))
    return 0
