"""in-toto Statement v1: which artifacts (subjects) a predicate is about.

Source: in-toto Attestation Framework, spec v1, "Statement" and "ResourceDescriptor".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from titan_provenance.document import MAX_JSON_VALUES, Node, dump_json, parse_json
from titan_provenance.errors import DocumentError
from titan_provenance.model.digest import Digest
from titan_provenance.model.reference import DigestReference, Repository
from titan_provenance.model.release import PREDICATE_TYPE, Release, parse_predicate

if TYPE_CHECKING:
    from collections.abc import Sequence

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
MAX_SUBJECTS = 1024
MAX_DIGESTS = 32


class Statement(NamedTuple):
    """A parsed statement: its subjects, the type of its predicate and the predicate's node."""

    subjects: tuple[DigestReference, ...]
    predicate_type: str
    predicate: Node


def write_manifest(release: Release) -> bytes:
    """Return the release manifest: the statement about `release` in the project's JSON form."""
    subjects = [
        {"name": str(image.repository), "digest": {"sha256": image.digest.hex}}
        for image in release.images()
    ]
    return dump_json(
        {
            "_type": STATEMENT_TYPE,
            "subject": subjects,
            "predicateType": PREDICATE_TYPE,
            "predicate": release.predicate(),
        }
    )


def parse_statement(data: bytes, file: str, *, max_values: int = MAX_JSON_VALUES) -> Statement:
    """Parse a statement whose subjects are images.

    Raises DocumentError for another `_type`, subjects without a SHA-256 digest, a subject named
    twice, and more than 1024 subjects or 32 digests on one.
    """
    root = parse_json(data, file, max_values=max_values)
    keys = root.mapping(required=("_type", "subject", "predicateType", "predicate"))
    if keys["_type"].text() != STATEMENT_TYPE:
        keys["_type"].fail(f'"{keys["_type"].text()[:100]}" is not {STATEMENT_TYPE}')
    nodes = keys["subject"].items()
    if not nodes or len(nodes) > MAX_SUBJECTS:
        keys["subject"].fail(f"{len(nodes)} subjects, expected 1 to {MAX_SUBJECTS}")
    subjects = tuple(_parse_subject(node) for node in nodes)
    if len(set(subjects)) != len(subjects):
        keys["subject"].fail("names one subject twice")
    return Statement(subjects, keys["predicateType"].text(), keys["predicate"])


def parse_manifest(data: bytes, file: str) -> Release:
    """Parse a release manifest; raises DocumentError when it is no statement about a release.

    The subjects must be exactly the images of the services: what is signed is what is deployed.
    """
    statement = parse_statement(data, file)
    if statement.predicate_type != PREDICATE_TYPE:
        raise DocumentError(
            f'{file}: predicate type "{statement.predicate_type[:200]}" is no release manifest',
            hint=f"A release manifest has the predicate type {PREDICATE_TYPE}.",
            file=file,
        )
    release = parse_predicate(statement.predicate)
    images, subjects = set(release.images()), set(statement.subjects)
    if images != subjects:
        raise DocumentError(f"{file}: {_difference(images, subjects)}", file=file)
    return release


def _parse_subject(node: Node) -> DigestReference:
    keys = node.mapping(required=("name", "digest"))
    digests = keys["digest"].mapping(required=("sha256",))
    if len(digests) > MAX_DIGESTS:
        node.fail(f"{len(digests)} digests, more than {MAX_DIGESTS}")
    repository = keys["name"].parsed(Repository.parse)
    return DigestReference(repository, digests["sha256"].parsed(Digest.parse_hex))


def _difference(images: set[DigestReference], subjects: set[DigestReference]) -> str:
    def listed(references: Sequence[DigestReference]) -> str:
        return ", ".join(str(reference) for reference in references[:3])

    if missing := sorted(images - subjects):
        return f"the services name {listed(missing)}, which is no subject of the statement"
    extra = sorted(subjects - images)
    return f"the statement has the subject {listed(extra)}, which no service names"
