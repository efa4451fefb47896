"""What is ready on this machine, and how to fix what is not. Changes nothing."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Literal, NamedTuple

from titan_provenance.attest.trust import load_trust
from titan_provenance.errors import TitanProvenanceError
from titan_provenance.image.credentials import find_credential
from titan_provenance.image.engine import Engine
from titan_provenance.image.registry import RegistryClient
from titan_provenance.image.transport import Patience
from titan_provenance.release.gate import find_trust
from titan_provenance.release.state import read_state

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime

    from titan_provenance.model.fleet import Fleet

_FREE_BYTES = 1 << 30
_PATIENCE = Patience(deadline=10, attempts=1)


class Finding(NamedTuple):
    """One row: `not ok` has a `fix`; `absent` is what this fleet or version does without."""

    subject: str
    status: Literal["ok", "not ok", "absent"]
    detail: str
    fix: str = ""


def examine(
    fleet: Fleet | None,
    state: str,
    environment: Mapping[str, str],
    now: datetime,
    *,
    insecure: Collection[str],
) -> list[Finding]:
    """Return what is ready: fleet file, trust, record, disk, engine, registries, credentials."""
    findings = [_fleet(fleet)]
    findings.append(_attempt("trust", lambda: _trust(fleet, environment, now)))
    findings.append(_attempt("state", lambda: _state(fleet, state)))
    findings += [_disk(state), _attempt("engine", _engine)]
    hosts = sorted({s.repository.registry for s in fleet.services}) if fleet else []
    with RegistryClient(insecure=insecure, patience=_PATIENCE) as client:
        findings += _each("registry", hosts, lambda host: _registry(client, host))
    findings += _each("credentials", hosts, _credentials)
    reason = "this version does not scan yet"
    findings.append(Finding("advisories", "absent", reason))
    findings.append(Finding("history", "absent", reason))
    return findings


def _attempt(subject: str, examine_one: Callable[[], Finding]) -> Finding:
    try:
        return examine_one()
    except TitanProvenanceError as error:
        return Finding(subject, "not ok", error.message, error.hint)


def _each(subject: str, hosts: list[str], examine_one: Callable[[str], Finding]) -> list[Finding]:
    """Examine all hosts at the same time; one that does not answer holds up no other."""

    def attempt(host: str) -> Finding:
        return _attempt(f"{subject} {host}", lambda: examine_one(host))

    with ThreadPoolExecutor(max(1, min(len(hosts), 16))) as pool:
        return list(pool.map(attempt, hosts))


def _fleet(fleet: Fleet | None) -> Finding:
    if fleet is None:
        return Finding("fleet file", "not ok", "none found", "titan-provenance init")
    detail = f"{fleet.path}: {fleet.name}, {len(fleet.services)} services"
    if fleet.unused_sections:
        detail += f"; not used by this version: {', '.join(fleet.unused_sections)}"
    return Finding("fleet file", "ok", detail)


def _trust(fleet: Fleet | None, environment: Mapping[str, str], now: datetime) -> Finding:
    directory = find_trust(None, environment, fleet)
    policy = load_trust(directory)
    role = policy.role("release")
    able = [name for name in role.signers if not policy.signers[name].problem_at(now)]
    detail = (
        f"{directory}: version {policy.version}, {len(able)} valid signers, {role.threshold} needed"
    )
    if len(able) < role.threshold:
        return Finding("trust", "not ok", detail, "titan-provenance trust check")
    return Finding("trust", "ok", detail)


def _state(fleet: Fleet | None, path: str) -> Finding:
    known = read_state(path, fleet.name) if fleet else ()
    if not known:
        return Finding("state", "ok", f"{path}: no release accepted yet")
    latest = max(known, key=lambda release: release.sequence)
    return Finding("state", "ok", f"{path}: {latest.version} (sequence {latest.sequence})")


def _disk(state: str) -> Finding:
    directory = os.path.dirname(os.path.abspath(state))
    while not os.path.isdir(directory):
        directory = os.path.dirname(directory)
    free = shutil.disk_usage(directory).free
    detail = f"{directory}: {free / (1 << 30):.1f} GiB free"
    if free < _FREE_BYTES:
        return Finding("disk", "not ok", detail, "Free at least 1 GiB.")
    return Finding("disk", "ok", detail)


def _engine() -> Finding:
    with Engine(timeout=10) as engine:
        return Finding("engine", "ok", f"Docker engine {engine.version()}")


def _registry(client: RegistryClient, host: str) -> Finding:
    client.ping(host)
    return Finding(f"registry {host}", "ok", "answers")


def _credentials(host: str) -> Finding:
    subject = f"credentials {host}"
    if find_credential(host) is None:
        return Finding(subject, "absent", "anonymous", f"docker login {host}, if it needs one")
    return Finding(subject, "ok", "found")
