"""Changes to a trust policy: each gives the next version, written whole beside its public keys."""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from titan_provenance.attest.public_key import MAX_KEY_FILE, PublicKey
from titan_provenance.attest.trust import (
    TRUST_FILE,
    Revocation,
    Role,
    Signer,
    TrustPolicy,
    load_trust,
    parse_trust,
)
from titan_provenance.errors import TitanProvenanceError, UnreadableError, UsageError
from titan_provenance.files import read_bounded, write_atomic
from titan_provenance.model.instant import format_instant
from titan_provenance.model.names import parse_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

_HEADER = """\
# Who may sign for this fleet, and how many of them it takes. Public keys only.
# `titan-provenance trust` rewrites this file; `titan-provenance trust check` examines it.
"""
_EXPIRY_WARNING_DAYS = 30


@contextmanager
def editing(directory: str) -> Iterator[None]:
    """Hold the policy in `directory` from reading to writing, so that of two edits none is lost.

    The lock is on the directory itself: nothing is left in what gets committed. Raises
    UnreadableError when there is no such directory.
    """
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise UnreadableError(f"{directory}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def new_signer(
    name: str, key_path: str, valid_from: datetime | None, valid_until: datetime | None
) -> Signer:
    """Return the signer `name` with the public key in the file `key_path`."""
    key = PublicKey.parse(read_bounded(key_path, MAX_KEY_FILE), key_path)
    return Signer(parse_name(name), f"{name}.pub", key, valid_from, valid_until)


def init_policy(signer: Signer, role: str) -> TrustPolicy:
    """Return the first version of a policy: one signer, one role, threshold 1."""
    return TrustPolicy(1, {signer.name: signer}, {role: Role(role, 1, (signer.name,))})


def add_signer(
    policy: TrustPolicy, signer: Signer, role_name: str, threshold: int | None
) -> TrustPolicy:
    """Return the policy with `signer` in a role; a signer already there joins one more role.

    Raises UsageError when the name stands for another key or window, or the threshold cannot be
    met.
    """
    known = policy.signers.get(signer.name)
    if known and known.key != signer.key:
        raise UsageError(
            f'the signer "{signer.name}" has another key',
            hint="A new key is a new signer: give it a name of its own and revoke the old one.",
        )
    if known and _window(signer) not in {(None, None), _window(known)}:
        raise UsageError(
            f'the signer "{signer.name}" is there already, with another window',
            hint=f"Change valid-from and valid-until in {TRUST_FILE}, and raise its version.",
        )
    owner = next((s.name for s in policy.signers.values() if s.key == signer.key), signer.name)
    if owner != signer.name:
        raise UsageError(f'this is the key of "{owner}"; one key is one signer')
    role = policy.roles.get(role_name, Role(role_name, 1, ()))
    members = role.signers if signer.name in role.signers else (*role.signers, signer.name)
    wanted = role.threshold if threshold is None else threshold
    if not 1 <= wanted <= len(members):
        raise UsageError(f"a threshold of {wanted} cannot be met by {len(members)} signers")
    return policy.changed(
        signers={**policy.signers, signer.name: known or signer},
        roles={**policy.roles, role_name: Role(role_name, wanted, members)},
    )


def revoke_signer(policy: TrustPolicy, name: str, date: datetime, reason: str) -> TrustPolicy:
    """Return the policy in which nothing by `name` counts from `date` on."""
    if name not in policy.signers:
        raise UsageError(f'no signer "{name}"', hint=f"There are: {', '.join(policy.signers)}.")
    signer = policy.signers[name]
    if signer.revoked:
        raise UsageError(f'"{name}" is revoked since {format_instant(signer.revoked.date)}')
    revoked = signer._replace(revoked=Revocation(date, reason))
    return policy.changed(signers={**policy.signers, name: revoked})


def write_policy(policy: TrustPolicy, directory: str) -> None:
    """Write the keys of `policy`, then `trust.yaml`; the policy is read back before it counts.

    Raises UsageError, with nothing written, when a key's file is there with something else in it.
    """
    text = format_policy(policy).encode()
    keys = {signer.key_file: signer.key for signer in policy.signers.values()}
    parse_trust(text, TRUST_FILE, lambda name: keys[name].pem())
    paths = {os.path.join(directory, name): key for name, key in keys.items()}
    missing = [path for path in paths if not os.path.lexists(path)]
    for path in paths.keys() - missing:
        if PublicKey.parse(read_bounded(path, MAX_KEY_FILE), path) != paths[path]:
            raise UsageError(
                f"{path} is there already and holds another key",
                hint="Remove it if nobody needs it, or give the signer another name.",
            )
    for path in missing:
        write_atomic(path, paths[path].pem())
    write_atomic(os.path.join(directory, TRUST_FILE), text)


def format_policy(policy: TrustPolicy) -> str:
    """Return the text of `trust.yaml`; strings are written as JSON, which is YAML."""
    lines = [_HEADER + "schema-version: 1", f"version: {policy.version}", "signers:"]
    for signer in policy.signers.values():
        lines += [f"  {json.dumps(signer.name)}:", f"    key: {json.dumps(signer.key_file)}"]
        lines.append(f"    hint: {json.dumps(signer.key.hint)}")
        if signer.valid_from:
            lines.append(f"    valid-from: {format_instant(signer.valid_from)}")
        if signer.valid_until:
            lines.append(f"    valid-until: {format_instant(signer.valid_until)}")
        if signer.revoked:
            date, reason = format_instant(signer.revoked.date), json.dumps(signer.revoked.reason)
            lines.append(f"    revoked: {{date: {date}, reason: {reason}}}")
    lines.append("roles:")
    for role in policy.roles.values():
        members = ", ".join(json.dumps(name) for name in role.signers)
        lines += [
            f"  {role.name}:",
            f"    threshold: {role.threshold}",
            f"    signers: [{members}]",
        ]
    return "\n".join(lines) + "\n"


def examine(directory: str, now: datetime) -> tuple[TrustPolicy, list[str], list[str]]:
    """Return the policy in `directory`, what is wrong with it, and what soon will be.

    Wrong are private keys beside it, files that others may write, and roles that their valid
    signers cannot fill; soon wrong are signers whose window ends within 30 days.
    """
    policy = load_trust(directory)
    problems = _private_keys(directory) + _writable(directory, policy)
    for role in policy.roles.values():
        reasons = [policy.signers[name].problem_at(now) for name in role.signers]
        able = reasons.count(None)
        if able < role.threshold:
            why = "; ".join(reason for reason in reasons if reason)
            problems.append(
                f"role {role.name}: {able} of {role.threshold} needed signers are valid ({why})"
            )
    warnings = [
        f"{signer.name} is valid until {format_instant(signer.valid_until)}"
        for signer in policy.signers.values()
        if signer.valid_until
        and not signer.problem_at(now)
        and (signer.valid_until - now).days < _EXPIRY_WARNING_DAYS
    ]
    return policy, problems, warnings


def _window(signer: Signer) -> tuple[datetime | None, datetime | None]:
    return signer.valid_from, signer.valid_until


def _private_keys(directory: str) -> list[str]:
    found = []
    for name in sorted(os.listdir(directory)):
        path = os.path.join(directory, name)
        try:
            data = read_bounded(path, MAX_KEY_FILE) if os.path.isfile(path) else b""
        except TitanProvenanceError:
            data = b""  # too large or unreadable: no key that this directory could leak
        if b"PRIVATE KEY-----" in data:
            found.append(f"{path} is a private key: remove it and treat it as leaked")
    return found


def _writable(directory: str, policy: TrustPolicy) -> list[str]:
    names = ["", TRUST_FILE, *(signer.key_file for signer in policy.signers.values())]
    paths = [os.path.join(directory, name) for name in names]
    return [f"{path} can be written by everyone" for path in paths if os.stat(path).st_mode & 0o002]
