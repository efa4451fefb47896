"""How a registry is shown who asks: challenges, Basic, and the token dance.

Sources: RFC 9110 section 11.6.1 (challenges); distribution's token specification (GET with Basic
credentials) and its OAuth2 extension (POST with an identity token as refresh token).
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import urlencode, urlsplit

from titan_provenance.document import load_json
from titan_provenance.errors import DocumentError, RegistryError
from titan_provenance.image.transport import Message, origin

if TYPE_CHECKING:
    from collections.abc import Callable

    from titan_provenance.image.credentials import Credential
    from titan_provenance.image.deadline import Deadline
    from titan_provenance.image.transport import Answer, Transport
    from titan_provenance.model.reference import Repository

CLIENT_ID = "titan-provenance"
_ANSWER_LIMIT = 1 << 20
_HEADER_LIMIT = 1 << 13
_OK = 200
_REFUSED = {400, 401, 403}
_TOKEN = re.compile(r"[!-~]{1,65536}")
_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_SCHEME = re.compile(rf"[\s,]*({_NAME})(?:\s+|,|$)")
_PARAMETER = re.compile(rf'[\s,]*({_NAME})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))\s*(?=,|$)')


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way to authenticate that a WWW-Authenticate header offers; names are in lower case."""

    scheme: str
    parameters: dict[str, str]


def parse_challenges(header: str) -> list[Challenge]:
    """Return the challenges of a WWW-Authenticate header; raises RegistryError."""
    challenges: list[Challenge] = []
    position = 0
    header = header[:_HEADER_LIMIT]
    while header[position:].strip(" \t,"):
        if challenges and (match := _PARAMETER.match(header, position)):
            name, quoted, plain = match.groups()
            value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            challenges[-1].parameters.setdefault(name.lower(), value)
        elif match := _SCHEME.match(header, position):
            challenges.append(Challenge(match[1].lower(), {}))
        else:
            raise RegistryError("the registry asks for authentication in a form that is not HTTP's")
        position = match.end()
    return challenges


class Access(NamedTuple):
    """What is wanted of a repository: `pull`, or `pull,push` to write to it."""

    repository: Repository
    actions: Literal["pull", "pull,push"] = "pull"

    @property
    def purpose(self) -> str:
        """What is to be done, for messages."""
        return "read" if self.actions == "pull" else "write to"

    def scope(self, offered: str) -> str:
        """Return the scope to ask a token for: the one that a challenge offers, if it suffices.

        Some registries offer `pull` whatever was to be done.
        """
        actions = offered.rpartition(":")[2].split(",")
        if offered and (self.actions == "pull" or "push" in actions):
            return offered
        return f"repository:{self.repository.path}:{self.actions}"


class Authenticator:
    """Answers challenges, and keeps the answers per access; safe to use from threads."""

    def __init__(
        self, transport: Transport, find_credential: Callable[[str], Credential | None]
    ) -> None:
        self._transport = transport
        self._find_credential = find_credential
        self._answers: dict[Access, str] = {}
        self._locks: dict[Access, threading.Lock] = {}
        self._guard = threading.Lock()

    def known(self, access: Access) -> str:
        """Return the Authorization header that served this access last, empty at first."""
        return self._answers.get(access, "")

    def answer(self, access: Access, challenge: str, refused: str, deadline: Deadline) -> str:
        """Return the Authorization header that answers a WWW-Authenticate header.

        `refused` is the one that was sent and not accepted: while one thread gets a new one, the
        others wait for it. Raises RegistryError when there is none to be had.
        """
        with self._guard:
            lock = self._locks.setdefault(access, threading.Lock())
        with lock:
            if self.known(access) in {"", refused}:
                self._answers[access] = self._respond(access, challenge, deadline)
            return self._answers[access]

    def _respond(self, access: Access, header: str, deadline: Deadline) -> str:
        offered = {item.scheme: item for item in reversed(parse_challenges(header))}
        repository = access.repository
        credential = self._find_credential(repository.registry)
        if bearer := offered.get("bearer"):
            return "Bearer " + self._token(access, bearer, credential, deadline)
        if "basic" in offered and credential and credential.password:
            return credential.basic()
        raise RegistryError(
            f"{repository.registry} asks for a login to {access.purpose} {repository}",
            hint=f"Run `docker login {repository.registry}`.",
        )

    def _token(
        self,
        access: Access,
        challenge: Challenge,
        credential: Credential | None,
        deadline: Deadline,
    ) -> str:
        realm = self._realm(access.repository, challenge)
        query = {
            "service": challenge.parameters.get("service", ""),
            "scope": access.scope(challenge.parameters.get("scope", "")),
        }
        if credential and credential.identity_token:
            form = {
                **query,
                "grant_type": "refresh_token",
                "client_id": CLIENT_ID,
                "refresh_token": credential.identity_token,
            }
            message = Message("POST", form)
            answer = self._transport.send(realm, message=message, deadline=deadline)
        else:
            separator = "&" if urlsplit(realm).query else "?"
            basic = credential.basic() if credential else ""
            url = realm + separator + urlencode({key: text for key, text in query.items() if text})
            answer = self._transport.send(url, authorization=basic, deadline=deadline)
        return _parse_token(answer, access.repository)

    def _realm(self, repository: Repository, challenge: Challenge) -> str:
        """Return the token server's URL; credentials go there, so it must be as safe as ours."""
        realm = challenge.parameters.get("realm", "").partition("#")[0]
        origin(realm)
        parts = urlsplit(realm)
        plain = parts.scheme == "http" and all(
            self._transport.allows_plain(host) for host in (repository.registry, parts.netloc)
        )
        if parts.scheme != "https" and not plain:
            raise RegistryError(
                f"{repository.registry} sends logins to a token server without https: not followed"
            )
        return realm


def _parse_token(answer: Answer, repository: Repository) -> str:
    body = answer.read(_ANSWER_LIMIT)
    server = urlsplit(answer.url).netloc
    if answer.status != _OK:
        hint = f"Run `docker login {repository.registry}`." if answer.status in _REFUSED else ""
        raise RegistryError(
            f"the token server {server} answered {answer.status} for {repository}", hint=hint
        )
    try:
        document: Any = load_json(body, server)
    except DocumentError:
        document = None
    token = None
    if isinstance(document, dict):
        token = document.get("token") or document.get("access_token")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        # The body is not shown: it may hold the token in another place.
        raise RegistryError(f"the token server {server} answered without a token")
    return token
