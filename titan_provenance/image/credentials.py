"""Credentials for registries, from where `docker login` keeps them.

`$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`: `credHelpers` for the registry, else
`credsStore`, else `auths`. Helpers speak the docker-credential-helpers protocol: the registry goes
to the standard input of `docker-credential-NAME get`, JSON comes back.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from dataclasses import dataclass, field
from typing import Any

from titan_provenance.document import load_json
from titan_provenance.errors import CouldNotCheckError, DocumentError
from titan_provenance.files import read_bounded
from titan_provenance.model.reference import DOCKER_HUB

HELPER_TIMEOUT = 30.0
_CONFIG_LIMIT = 1 << 20
_HELPER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_NOT_FOUND = b"credentials not found"
_IDENTITY_TOKEN_USER = "<token>"  # noqa: S105  a marker of the helper protocol
_HUB_SERVER = "https://index.docker.io/v1/"
_HUB_HOSTS = {DOCKER_HUB, "index.docker.io", "registry-1.docker.io"}


@dataclass(frozen=True, slots=True)
class Credential:
    """A user name and password, or an identity token (an OAuth2 refresh token) in their place."""

    username: str
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)

    def basic(self) -> str:
        """Return the value of an Authorization header that carries the user name and password."""
        pair = f"{self.username}:{self.password}".encode()
        return "Basic " + base64.b64encode(pair).decode()


def find_credential(registry: str) -> Credential | None:
    """Return the credential that this user has for a registry host, None to stay anonymous.

    Raises DocumentError for a config that cannot be understood, UnreadableError for one that cannot
    be read, CouldNotCheckError when a credential helper fails.
    """
    directory = os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")
    path = os.path.join(directory, "config.json")
    if not os.path.exists(path):
        return None
    config = load_json(read_bounded(path, _CONFIG_LIMIT), path)
    if not isinstance(config, dict):
        raise DocumentError(f"{path}: is no object", file=path)
    helper = _for_host(_section(config, "credHelpers", path), registry) or config.get("credsStore")
    found = _ask_helper(helper, registry) if helper else None
    return found or _from_auths(_section(config, "auths", path), registry, path)


def _section(config: dict[str, Any], key: str, path: str) -> dict[str, Any]:
    section = config.get(key, {})
    if not isinstance(section, dict):
        raise DocumentError(f"{path}: {key} is no object", file=path)
    return section


def _for_host(section: dict[str, Any], registry: str) -> Any:
    """Return the entry for a registry: its own name first, then what old clients wrote for it."""
    if registry in section:
        return section[registry]
    hosts = _HUB_HOSTS if registry == DOCKER_HUB else {registry}
    return next((section[key] for key in sorted(section) if _host_of(key) in hosts), None)


def _host_of(key: str) -> str:
    """Return the host that a key of `auths` is for: once written `https://HOST/v1/`."""
    bare = re.sub(r"^https?://", "", key)
    return re.sub(r"(/v[12])?/?$", "", bare)


def _from_auths(auths: dict[str, Any], registry: str, path: str) -> Credential | None:
    entry = _for_host(auths, registry)
    if not entry:
        return None
    if not isinstance(entry, dict):
        raise DocumentError(f"{path}: auths for {registry} is no object", file=path)
    texts = {key: value for key, value in entry.items() if isinstance(value, str)}
    username, password = texts.get("username", ""), texts.get("password", "")
    if encoded := texts.get("auth"):
        username, password = _decode_auth(encoded, registry, path)
    token = texts.get("identitytoken", "")
    return Credential(username, password, token) if token or password else None


def _decode_auth(encoded: str, registry: str, path: str) -> tuple[str, str]:
    try:
        decoded = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        # The cause would show the secret.
        decoded = ""
    username, colon, password = decoded.partition(":")
    if not colon:
        raise DocumentError(
            f"{path}: auth for {registry} is not base64 of user:password",
            hint=f"Run `docker login {registry}` again.",
            file=path,
        )
    return username, password.rstrip("\x00")


def _ask_helper(helper: Any, registry: str) -> Credential | None:
    import shutil
    import subprocess

    if not isinstance(helper, str) or not _HELPER_NAME.fullmatch(helper):
        raise DocumentError(f"{str(helper)[:60]!r} is no name of a credential helper")
    program = f"docker-credential-{helper}"
    server = _HUB_SERVER if registry == DOCKER_HUB else registry
    path = shutil.which(program)
    if path is None:
        raise CouldNotCheckError(
            f"the credential helper {program} is not on PATH",
            hint="Install it, or remove it from Docker's config.json.",
        )
    try:
        answer = subprocess.run(  # noqa: S603  the user's own config names the program
            [path, "get"],
            input=server.encode(),
            capture_output=True,
            timeout=HELPER_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        problem = "cannot be run"
        if isinstance(error, subprocess.TimeoutExpired):
            problem = f"did not answer within {HELPER_TIMEOUT:g} s"
        raise CouldNotCheckError(f"the credential helper {program} {problem}") from None
    if answer.returncode and _NOT_FOUND in answer.stdout + answer.stderr:
        return None
    if answer.returncode:
        raise CouldNotCheckError(
            f"the credential helper {program} failed for {registry} (exit {answer.returncode})",
            hint=f"Run `docker login {registry}` again.",
        )
    return _parse_helper_answer(answer.stdout, program)


def _parse_helper_answer(data: bytes, program: str) -> Credential:
    problem = f"the credential helper {program} answered no credential"
    try:
        answer = load_json(data, program)
    except DocumentError:
        # The cause could show the secret.
        raise CouldNotCheckError(problem) from None
    if not isinstance(answer, dict):
        raise CouldNotCheckError(problem)
    username, secret = answer.get("Username"), answer.get("Secret")
    if not isinstance(username, str) or not isinstance(secret, str):
        raise CouldNotCheckError(problem)
    if username == _IDENTITY_TOKEN_USER:
        return Credential(username, identity_token=secret)
    return Credential(username, secret)
