"""The trust policy: who may sign what, from when to when, and how many of them it takes.

`keys/trust.yaml` names signers (a public key beside it, bound by its hint) and roles (a threshold
over signers). An empty policy, a threshold below 1 or above the number of signers, one key under
two names: all are errors when the policy is read, so that no verification ever starts from one.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from titan_provenance.attest.public_key import MAX_KEY_FILE, PublicKey
from titan_provenance.document import Node, nearest, parse_yaml
from titan_provenance.errors import DocumentError
from titan_provenance.files import read_bounded
from titan_provenance.model.instant import format_instant, parse_instant
from titan_provenance.model.names import parse_line, parse_name, parse_relative_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

TRUST_FILE = "trust.yaml"
ROLES = ("release", "trust", "sbom", "vsa", "database")
MAX_SIGNERS = 256
_MAX_TRUST_FILE = 256 << 10
_SCHEMA_VERSION = 1


class Revocation(NamedTuple):
    """From `date` on nothing by this signer counts, whenever it says it was signed."""

    date: datetime
    reason: str


class Signer(NamedTuple):
    """A managed key with a name and, where set, a validity window and a revocation.

    `key_file` is the key's path below the trust directory.
    """

    name: str
    key_file: str
    key: PublicKey
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    revoked: Revocation | None = None

    def problem_at(self, moment: datetime) -> str | None:
        """Say why signatures of this signer do not count at `moment`, or None if they do."""
        if self.revoked and moment >= self.revoked.date:
            when = format_instant(self.revoked.date)
            return f"{self.name} was revoked on {when}: {self.revoked.reason}"
        if self.valid_from and moment < self.valid_from:
            return f"{self.name} is valid only from {format_instant(self.valid_from)}"
        if self.valid_until and moment >= self.valid_until:
            return f"{self.name} was valid until {format_instant(self.valid_until)}"
        return None


class Role(NamedTuple):
    """Signers that may sign for one purpose, and how many distinct ones are needed."""

    name: str
    threshold: int
    signers: tuple[str, ...]


class TrustPolicy(NamedTuple):
    """All signers and roles by name; `version` rises with every change."""

    version: int
    signers: Mapping[str, Signer]
    roles: Mapping[str, Role]

    def role(self, name: str) -> Role:
        """Return a role; raises DocumentError when the policy does not have it."""
        if name not in self.roles:
            raise DocumentError(
                f'the trust policy has no role "{name}"',
                hint=f"titan-provenance trust add NAME KEY --role {name}",
            )
        return self.roles[name]

    def changed(
        self, signers: Mapping[str, Signer] | None = None, roles: Mapping[str, Role] | None = None
    ) -> TrustPolicy:
        """Return the next version of this policy with other signers or roles."""
        return self._replace(
            version=self.version + 1,
            signers=self.signers if signers is None else signers,
            roles=self.roles if roles is None else roles,
        )


def load_trust(directory: str) -> TrustPolicy:
    """Read `trust.yaml` and the public keys that it names from `directory`.

    Raises DocumentError for a policy that must not be used and UnreadableError for missing files.
    """
    path = os.path.join(directory, TRUST_FILE)

    def read_key(name: str) -> bytes:
        return read_bounded(os.path.join(directory, name), MAX_KEY_FILE)

    return parse_trust(read_bounded(path, _MAX_TRUST_FILE), path, read_key)


def parse_trust(data: bytes, file: str, read_key: Callable[[str], bytes]) -> TrustPolicy:
    """Parse the bytes of a trust policy; `read_key` gives the bytes of a key file it names."""
    root = parse_yaml(data, file)
    keys = root.mapping(
        ("schema-version", "version", "signers", "roles"),
        required=("schema-version", "version", "signers", "roles"),
    )
    if keys["schema-version"].integer() != _SCHEMA_VERSION:
        keys["schema-version"].fail(f"only schema version {_SCHEMA_VERSION} is known")
    nodes = keys["signers"].mapping()
    if not 1 <= len(nodes) <= MAX_SIGNERS:
        keys["signers"].fail(f"{len(nodes)} signers, expected 1 to {MAX_SIGNERS}")
    signers = {name: _parse_signer(name, nodes[name], read_key) for name in nodes}
    _refuse_shared_keys(signers, nodes)
    role_nodes = keys["roles"].mapping(ROLES)
    if not role_nodes:
        keys["roles"].fail("no role: nobody may sign anything")
    roles = {name: _parse_role(name, role_nodes[name], signers) for name in role_nodes}
    return TrustPolicy(keys["version"].integer(minimum=1), signers, roles)


def _parse_signer(name: str, node: Node, read_key: Callable[[str], bytes]) -> Signer:
    keys = node.mapping(
        ("key", "hint", "valid-from", "valid-until", "revoked"), required=("key", "hint")
    )
    key_file = keys["key"].parsed(parse_relative_path)
    key = PublicKey.parse(read_key(key_file), key_file)
    if key.hint != keys["hint"].text():
        keys["hint"].fail(f"{key_file} holds another key, with the hint {key.hint}")
    signer = Signer(
        name=node.at_key().parsed_as(name, parse_name),
        key_file=key_file,
        key=key,
        valid_from=_instant(keys.get("valid-from")),
        valid_until=_instant(keys.get("valid-until")),
        revoked=_parse_revocation(keys["revoked"]) if "revoked" in keys else None,
    )
    if signer.valid_from and signer.valid_until and signer.valid_until <= signer.valid_from:
        keys["valid-until"].fail("is not after valid-from")
    return signer


def _parse_revocation(node: Node) -> Revocation:
    keys = node.mapping(("date", "reason"), required=("date", "reason"))
    return Revocation(keys["date"].parsed(parse_instant), keys["reason"].parsed(parse_line))


def _parse_role(name: str, node: Node, signers: Mapping[str, Signer]) -> Role:
    keys = node.mapping(("threshold", "signers"), required=("threshold", "signers"))
    members = keys["signers"].items()
    names = [member.text() for member in members]
    for member, signer in zip(members, names, strict=True):
        if signer not in signers:
            member.fail(f'no signer "{signer}"', nearest(signer, signers))
        if names.count(signer) > 1:
            member.fail(f'names the signer "{signer}" twice')
    threshold = keys["threshold"].integer(minimum=1)
    if threshold > len(names):
        keys["threshold"].fail(f"{threshold} of {len(names)} signers can never be met")
    return Role(name, threshold, tuple(names))


def _refuse_shared_keys(signers: Mapping[str, Signer], nodes: Mapping[str, Node]) -> None:
    owners: dict[PublicKey, str] = {}
    for name, signer in signers.items():
        if signer.key in owners:
            nodes[name].at_key().fail(
                f'"{name}" has the same key as "{owners[signer.key]}"',
                "One key is one signer: under two names it would count twice.",
            )
        owners[signer.key] = name


def _instant(node: Node | None) -> datetime | None:
    return node.parsed(parse_instant) if node else None
