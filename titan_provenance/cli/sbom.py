"""`titan-provenance sbom generate|fleet|check|diff|convert|attach|verify`: bills of materials."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from titan_provenance.cli.command import INSECURE_REGISTRY
from titan_provenance.cli.command import command as make_command
from titan_provenance.document import dump_json
from titan_provenance.errors import UsageError
from titan_provenance.files import read_bounded
from titan_provenance.sbom.diff import compare, is_newer
from titan_provenance.sbom.quality import PROFILES, check_quality
from titan_provenance.sbom.reader import MAX_DOCUMENT, read_bill

if TYPE_CHECKING:
    from typing import Any

    from titan_provenance.cli.console import Console
    from titan_provenance.sbom.bill import Bill
    from titan_provenance.sbom.cyclonedx import SpecVersion

FORMATS = ("cyclonedx-json", "cyclonedx-xml", "spdx-json", "table")

_SPEC_VERSION = click.option(
    "--spec-version", type=click.Choice(("1.6", "1.7")), default="1.6", show_default=True
)


@click.group("sbom", no_args_is_help=True)
def command() -> None:
    """Make, check, compare, convert and sign bills of materials."""


@make_command("generate", formats=FORMATS)
@click.argument("images", nargs=-1, required=True)
@_SPEC_VERSION
@click.option("--platform", metavar="P", help="Picks from an index: linux/amd64.")
@click.option("--name", metavar="NAME[:TAG]", help="What the bill calls the image.")
@click.option(
    "--output-dir", metavar="DIR", help="For several images: one file each, NAME.cdx.json."
)
@click.option("--no-cache", is_flag=True, help="Read every layer, keep nothing.")
@INSECURE_REGISTRY
def generate(console: Console, images: tuple[str, ...], **asked: Any) -> int:
    """Write the bill of materials of IMAGES: packages, licences, layers, dependencies.

    An image is docker:REPO:TAG, registry:REPO:TAG, oci-dir:PATH, oci-archive:FILE,
    docker-archive:FILE, or a plain reference (engine, then registry). Exit code 3 when an image
    cannot be read; the others are written.
    """
    from titan_provenance.cli.sbom_generate import Request, generate_bills

    if len(images) > 1 and not asked["output_dir"]:
        raise UsageError("several images need --output-dir DIR")
    if asked["name"] and len(images) > 1:
        raise UsageError("--name goes with one image")
    return generate_bills(console, Request(images=images, **asked))


@make_command("fleet", formats=("cyclonedx-json",))
@click.option("--version", required=True, metavar="V", help="Version of the release.")
@click.option("--fleet", "fleet_path", metavar="F", help="Fleet file.")
@click.option("--source", default="registry", show_default=True, metavar="S", help="As for build.")
@click.option("--tag", metavar="TAG", help="Tag of the images; default: the version.")
@click.option("--platform", metavar="P", help="Picks from an index: linux/amd64.")
@_SPEC_VERSION
@INSECURE_REGISTRY
def fleet(console: Console, **asked: Any) -> int:
    """Write one bill for the whole fleet: release → service → packages, shared ones once."""
    from titan_provenance.cli.sbom_fleet import FleetRequest, write_fleet_bill

    return write_fleet_bill(console, FleetRequest(**asked))


@make_command("check", formats=("text", "json"))
@click.argument("bill")
@click.option(
    "--profile", "profiles", multiple=True, type=click.Choice(tuple(PROFILES)), help="Default: all."
)
@click.option("--fail-under", type=click.FloatRange(0, 100), help="Exit 1 below this score.")
def check(console: Console, bill: str, profiles: tuple[str, ...], fail_under: float | None) -> int:
    """Hold BILL against NTIA, CISA 2025 and BSI TR-03183-2: a score, and the missing fields."""
    content = _read(bill)
    reports = [check_quality(content, profile) for profile in profiles or PROFILES]
    if console.format == "json":
        rows = [
            {
                "profile": report.profile,
                "score": report.score,
                "missing": [item._asdict() for item in report.missing],
            }
            for report in reports
        ]
        console.result(dump_json({"kind": "SbomQuality", "schemaVersion": 1, "profiles": rows}))
    else:
        from titan_provenance.report.sbom_text import quality_text

        console.result(quality_text(reports))
    low = fail_under is not None and any(report.score < fail_under for report in reports)
    return 1 if low else 0


@make_command("diff", formats=("markdown", "json"))
@click.argument("before")
@click.argument("after")
def diff(console: Console, before: str, after: str) -> None:
    """Print which packages were added, removed, upgraded or downgraded, and by which layer."""
    old, new = _read(before), _read(after)
    changes = compare(old, new, is_newer)
    if console.format == "json":
        rows = [
            {**change._asdict(), "layer": change.layer.number if change.layer else None}
            for change in changes
        ]
        console.result(dump_json({"kind": "SbomDiff", "schemaVersion": 1, "changes": rows}))
        return
    from titan_provenance.report.sbom_text import diff_markdown

    console.result(diff_markdown(old, new, changes))


@make_command("convert", formats=FORMATS)
@click.argument("bill")
@_SPEC_VERSION
def convert(console: Console, bill: str, spec_version: SpecVersion) -> None:
    """Write BILL, of whichever tool and format, in another format."""
    console.result(render(_read(bill), console.format, spec_version))


@make_command("attach")
@click.argument("image")
@click.argument("bill")
@click.option(
    "--key",
    required=True,
    metavar="REF",
    help="Key file, env:NAME, or awskms: gcpkms: azurekms: hv: hsm: address.",
)
@click.option("--signer", metavar="NAME", help="Name in the bundle's file name.")
@click.option("--push", is_flag=True, help="Push the bundle to the image's registry, as referrer.")
@INSECURE_REGISTRY
def attach(console: Console, **asked: Any) -> None:
    """Sign that BILL, in JSON, is of IMAGE; write the bundle beside BILL, or push it.

    The bundle is BILL.sigstore.json, or BILL.NAME.sigstore.json with --signer NAME.
    """
    from titan_provenance.cli.sbom_attach import AttachRequest, attach_bill

    attach_bill(console, AttachRequest(**asked))


@make_command("verify")
@click.argument("image")
@click.argument("bundles", nargs=-1, required=True)
@click.option("--keys", metavar="DIR", help="Directory of the trust policy (trust.yaml).")
@INSECURE_REGISTRY
def verify(console: Console, **asked: Any) -> None:
    """Verify the BUNDLES of one bill of IMAGE by the role sbom, and write the bill.

    IMAGE is a digest, or an image reference. One with a digest is not looked up.
    """
    from titan_provenance.cli.sbom_attach import VerifyRequest, write_verified_bill

    write_verified_bill(console, VerifyRequest(**asked))


def render(bill: Bill, form: str, spec_version: SpecVersion) -> bytes | str:
    """Return `bill` in one of `FORMATS`."""
    if form == "table":
        from titan_provenance.report.sbom_text import bill_text

        return bill_text(bill)
    if form == "spdx-json":
        from titan_provenance.sbom.spdx import write_spdx

        return write_spdx(bill)
    if form == "cyclonedx-xml":
        from titan_provenance.sbom.xml import write_xml

        return write_xml(bill, spec_version)
    from titan_provenance.sbom.cyclonedx import write_cyclonedx

    return write_cyclonedx(bill, spec_version)


def _read(path: str) -> Bill:
    return read_bill(read_bounded(path, MAX_DOCUMENT), path)


for _command in (generate, fleet, check, diff, convert, attach, verify):
    command.add_command(_command)
