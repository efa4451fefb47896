"""`titan-provenance manifest build|show|diff|override|export-legacy`."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from titan_provenance.attest.statement import parse_manifest, write_manifest
from titan_provenance.attest.verify import MAX_MANIFEST
from titan_provenance.cli.command import INSECURE_REGISTRY
from titan_provenance.cli.command import command as make_command
from titan_provenance.cli.epoch import source_date_epoch
from titan_provenance.document import dump_json
from titan_provenance.errors import DocumentError, UsageError
from titan_provenance.files import read_bounded, write_atomic
from titan_provenance.fleet_file import require_fleet
from titan_provenance.model.digest import Digest
from titan_provenance.model.instant import from_epoch
from titan_provenance.model.names import parse_line, parse_version
from titan_provenance.model.reference import parse_tag
from titan_provenance.model.release import Builder
from titan_provenance.model.release_diff import compare
from titan_provenance.release.bound_files import bind_files
from titan_provenance.release.build import (
    ReleaseFacts,
    build_release,
    fragment_claims,
    pinned_claims,
    tag_of,
)
from titan_provenance.release.compose import compose_images, digest_override
from titan_provenance.release.legacy import export_legacy
from titan_provenance.report.json_v1 import diff_json
from titan_provenance.report.text import diff_text, release_text

if TYPE_CHECKING:
    from typing import Any

    from titan_provenance.cli.console import Console
    from titan_provenance.model.fleet import Fleet
    from titan_provenance.model.release import Release, Source
    from titan_provenance.release.build import Claim

_FLEET = click.option("--fleet", "fleet_path", metavar="F", help="Fleet file.")


@click.group("manifest", no_args_is_help=True)
def command() -> None:
    """Build, show and compare release manifests."""


@make_command("build")
@click.option("--version", required=True, metavar="V", help="Version of the release.")
@_FLEET
@click.option(
    "--source",
    "sources",
    multiple=True,
    metavar="S",
    help="registry (default), docker, oci-dir:ROOT, oci-archive:ROOT, docker-archive:ROOT; "
    "several are held against each other.",
)
@click.option("--from-digests", metavar="DIR", help="Digests that the jobs of a matrix left.")
@click.option("--tag", metavar="TAG", help="Tag of the images; default: the version.")
@click.option("--previous", metavar="F", help="Manifest of the release before: starts the chain.")
@click.option("--sequence", type=click.IntRange(min=1), help="Default: one more than before.")
@click.option("--valid-days", type=click.IntRange(1, 3650), default=90, show_default=True)
@click.option("--source-tree", default=".", metavar="DIR", help="Git work tree of the source.")
@click.option("--source-uri", metavar="URI", help="Default: the remote called origin.")
@click.option("--allow-dirty", is_flag=True, help="Release a tree with uncommitted changes.")
@click.option("--no-source", is_flag=True, help="State no source.")
@click.option("--builder-id", metavar="URI", help="Default: the workflow, in GitHub Actions.")
@INSECURE_REGISTRY
@click.option("--sbom", is_flag=True, help="Make and bind the bill of materials of each image.")
@click.option("--platform", metavar="P", help="With --sbom: picks from an index.")
@click.option("--scan", is_flag=True, hidden=True)
def build(console: Console, **asked: Any) -> None:
    """Make the release manifest from the digests of all services.

    The time of the release is SOURCE_DATE_EPOCH where that is set, else now.
    """
    if asked["scan"]:
        raise UsageError("--scan is not available in this version")
    if asked["sbom"] and not console.output:
        raise UsageError("--sbom needs -o FILE: the bills go to the folder sbom/ beside it")
    version = parse_version(asked["version"])
    fleet = require_fleet(asked["fleet_path"])
    previous = _read(asked["previous"]) if asked["previous"] else None
    facts = ReleaseFacts(
        version=version,
        created_at=_release_time(),
        lifetime=timedelta(days=asked["valid_days"]),
        sequence=asked["sequence"],
        previous=previous,
        source=_source(asked),
        builder=_builder(asked["builder_id"]),
    )
    files = bind_files(fleet.directory, fleet.files)
    release = build_release(fleet, _claims(fleet, version, asked), files, facts)
    if asked["sbom"]:
        release = _write_sboms(console, fleet, release, asked)
    manifest = write_manifest(release)
    if len(manifest) > MAX_MANIFEST:
        raise UsageError(f"the manifest has {len(manifest)} bytes, more than {MAX_MANIFEST}")
    console.result(manifest)
    console.note(
        f"{release.name} {release.version}: {len(release.services)} services, "
        f"sequence {release.sequence}, {Digest.of(manifest)}"
    )
    if os.environ.get("GITHUB_ACTIONS") == "true":
        from titan_provenance.cli.github import publish_outputs

        publish_outputs({"manifest-digest": str(Digest.of(manifest)), "version": version})


def _write_sboms(
    console: Console, fleet: Fleet, release: Release, asked: dict[str, Any]
) -> Release:
    """Write the bill of each service to sbom/SERVICE.cdx.json and return the release with them."""
    from titan_provenance.release.collect import parse_source_option
    from titan_provenance.release.sboms import bind_sboms
    from titan_provenance.sbom.cache import cache_directory

    images = None
    if asked["sources"]:
        option = parse_source_option(asked["sources"][0])
        images = {
            service.name: option.image(service, asked["tag"] or tag_of(service, release.version))
            for service in fleet.services
        }
    bound = bind_sboms(
        release,
        images,
        platform=asked["platform"] or "",
        cache_directory=cache_directory(os.environ),
        insecure=asked["insecure"],
    )
    directory = os.path.join(os.path.dirname(str(console.output)), "sbom")
    os.makedirs(directory, exist_ok=True)
    for name, document in bound.documents.items():
        write_atomic(os.path.join(directory, f"{name}.cdx.json"), document)
    console.note(f"wrote {len(bound.documents)} bills of materials to {directory}")
    return bound.release


@make_command("show", formats=("text", "json"))
@click.argument("manifest")
def show(console: Console, manifest: str) -> None:
    """Print what the release MANIFEST states; nothing is verified."""
    data = read_bounded(manifest, MAX_MANIFEST)
    release = parse_manifest(data, manifest)
    if console.format == "json":
        console.result(dump_json(release.predicate()))
    else:
        console.result(release_text(release, Digest.of(data)))
    console.note("not verified: this is what the file says (verify-release MANIFEST)")


@make_command("diff", formats=("text", "json"))
@click.argument("before")
@click.argument("after")
def diff(console: Console, before: str, after: str) -> None:
    """Print which services and files differ between two release manifests."""
    (old, _), (new, _) = _read(before), _read(after)
    changes = compare(old, new)
    if console.format == "json":
        console.result(dump_json(diff_json(old, new, changes)))
    else:
        console.result(diff_text(old, new, changes))


@make_command("override")
@click.argument("manifest")
def override(console: Console, manifest: str) -> None:
    """Print the compose override that pins each service of MANIFEST to its digest.

    Nothing is verified; on the host use verify-release --override.
    """
    release, digest = _read(manifest)
    origin = f"{release.name} {release.version}, manifest {digest}, not verified"
    console.result(digest_override(compose_images(release), origin))


@make_command("export-legacy")
@click.argument("manifest")
def export(console: Console, manifest: str) -> None:
    """Print the old digests.json of MANIFEST, for hosts that still read that form."""
    release, _ = _read(manifest)
    console.result(export_legacy(release))


def _read(path: str) -> tuple[Release, Digest]:
    data = read_bounded(path, MAX_MANIFEST)
    return parse_manifest(data, path), Digest.of(data)


def _release_time() -> datetime:
    epoch = source_date_epoch()
    if epoch is None:
        return datetime.now(UTC).replace(microsecond=0)
    try:
        return from_epoch(epoch)
    except DocumentError as error:
        raise UsageError(f"SOURCE_DATE_EPOCH: {error.message}") from error


def _claims(fleet: Fleet, version: str, asked: dict[str, Any]) -> dict[str, list[Claim]]:
    """Return all claims: the fleet file's own digests, fragments, and every source asked for."""
    claims: dict[str, list[Claim]] = {service.name: [] for service in fleet.services}
    for name, claim in pinned_claims(fleet).items():
        claims[name].append(claim)
    if asked["from_digests"]:
        from titan_provenance.release.fragments import read_fragments

        fragments = read_fragments(asked["from_digests"], fleet)
        for name, claim in fragment_claims(fragments).items():
            claims[name].append(claim)
    names = asked["sources"] or (() if asked["from_digests"] else ("registry",))
    if names:
        from titan_provenance.release.collect import collect_claims, parse_source_option

        options = [parse_source_option(name) for name in names]
        tag = parse_tag(asked["tag"]) if asked["tag"] else None
        found = collect_claims(fleet, options, version, tag=tag, insecure=asked["insecure"])
        for name, more in found.items():
            claims[name] += more
    return claims


def _source(asked: dict[str, Any]) -> Source | None:
    if asked["no_source"]:
        return None
    from titan_provenance.release.git import read_source

    return read_source(
        asked["source_tree"], uri=asked["source_uri"], allow_dirty=asked["allow_dirty"]
    )


def _builder(explicit: str | None) -> Builder | None:
    """Return who builds: as given, else the workflow and run that GitHub Actions tells."""
    environment = os.environ
    if explicit:
        return Builder(parse_line(explicit), None)
    if environment.get("GITHUB_ACTIONS") != "true" or "GITHUB_WORKFLOW_REF" not in environment:
        return None
    server, repository = environment["GITHUB_SERVER_URL"], environment["GITHUB_REPOSITORY"]
    run = f"{server}/{repository}/actions/runs/{environment['GITHUB_RUN_ID']}"
    run += f"/attempts/{environment.get('GITHUB_RUN_ATTEMPT', '1')}"
    return Builder(parse_line(f"{server}/{environment['GITHUB_WORKFLOW_REF']}"), parse_line(run))


for _command in (build, show, diff, override, export):
    command.add_command(_command)
