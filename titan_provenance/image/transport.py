"""HTTP as a client of registries needs it: bounded in time, bytes and redirects, and tight-lipped.

`requests.Session` is left out on purpose: it reads ~/.netrc, keeps cookies, and reads the whole
body of a redirect even where it is told not to follow one. Its adapter does the rest: pooling, TLS,
proxies. URLs are shown without user and query, since signed URLs carry their key there; for the
same reason only the innermost operating system error is kept as a cause.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import itertools
import os
import re
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit

import requests
from requests.utils import get_environ_proxies
from urllib3.exceptions import HTTPError

from titan_provenance.errors import RegistryError
from titan_provenance.image.deadline import Deadline, DeadlineAdapter, reading_until

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Mapping

MAX_REDIRECTS = 5
_REDIRECTS = {301, 302, 303, 307, 308}
_WRITING = {"POST", "PUT"}
_TOO_MANY_REQUESTS = 429
_SERVER_ERRORS = range(500, 600)
_CHUNK = 1 << 16
_DRAIN_LIMIT = 1 << 16
_LENGTH_DIGITS = 18
_POOL_SIZE = 32
_URL = re.compile(r"[!-\[\]-~]{1,8192}")  # printable ASCII without the backslash


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a registry may take, in seconds.

    `deadline` bounds one request with its retries, redirects and the reading of its body; a blob
    gets in addition what its size takes at `slowest` bytes per second. `longest_wait` caps what a
    Retry-After header may ask for.
    """

    deadline: float = 30.0
    connect: float = 5.0
    read: float = 10.0
    attempts: int = 4
    backoff: float = 0.5
    longest_wait: float = 10.0
    slowest: int = 64 << 10


class Message(NamedTuple):
    """What is sent, by which method: bytes of a media type, or the fields of a form."""

    method: Literal["GET", "HEAD", "POST", "PUT"] = "GET"
    data: bytes | Mapping[str, str] = b""
    media_type: str = ""

    @property
    def writes(self) -> bool:
        """Say whether this changes something at the other end."""
        return self.method in _WRITING


GET = Message()


class Answer:
    """What a server answered: the status and headers are there, the body is still to be read."""

    def __init__(
        self, response: requests.Response, deadline: Deadline, read_timeout: float
    ) -> None:
        self._response = response
        self._deadline = deadline
        self._read_timeout = read_timeout
        self.status = response.status_code
        self.url = response.url or ""

    def header(self, name: str) -> str:
        """Return a header's value, empty when there is none."""
        return str(self._response.headers.get(name, ""))

    def chunks(self, limit: int) -> Generator[bytes]:
        """Yield the body as it was sent, `limit` bytes at most; raises RegistryError."""
        try:
            if self.header("Content-Encoding").lower() not in {"", "identity"}:
                raise RegistryError(f"{self._where()}: the body is encoded, unasked")
            length = self._length()
            if length is not None and length > limit:
                raise RegistryError(
                    f"{self._where()}: the body has {length} bytes, more than the limit of {limit}"
                )
            received = 0
            while chunk := self._read():
                received += len(chunk)
                if received > limit:
                    raise RegistryError(f"{self._where()}: the body goes on after {limit} bytes")
                yield chunk
        finally:
            self.close()

    def read(self, limit: int) -> bytes:
        """Return the body, `limit` bytes at most; raises RegistryError."""
        return b"".join(self.chunks(limit))

    def discard(self) -> None:
        """Read a small body to its end, so that the connection can serve the next request."""
        length = self._length()
        if length is not None and length <= _DRAIN_LIMIT:
            # Nobody asked for these bytes: if they do not come, only the connection is lost.
            with suppress(RegistryError):
                self.read(_DRAIN_LIMIT)
        self.close()

    def close(self) -> None:
        """Let go of the connection; it is not used again unless the body was read to its end."""
        self._response.close()

    def _read(self) -> bytes:
        try:
            data: bytes = self._response.raw.read(_CHUNK, decode_content=False)
        except (HTTPError, OSError, http.client.HTTPException) as error:
            root = _innermost(error)
            if isinstance(root, TimeoutError):
                raise RegistryError(
                    f"{self._where()}: the body did not arrive within {self._allowed()} s"
                ) from root
            if isinstance(root, OSError) and root.strerror:
                problem = f"the connection broke: {root.strerror}"
            else:
                problem = "the body ends too early"
            raise RegistryError(f"{self._where()}: {problem}") from root
        return data

    def _length(self) -> int | None:
        text = self.header("Content-Length")
        return int(text[:_LENGTH_DIGITS]) if text.isdecimal() else None

    def _allowed(self) -> str:
        return f"{self._deadline.seconds if self._deadline.passed else self._read_timeout:g}"

    def _where(self) -> str:
        return show_url(self.url)


class Transport:
    """Sends requests; safe to use from several threads.

    Plain http goes to loopback hosts and to the hosts in `insecure` (`HOST` or `HOST:PORT`) only.
    """

    def __init__(self, patience: Patience, insecure: Collection[str] = ()) -> None:
        self._patience = patience
        self._insecure = frozenset(insecure)
        self._adapter = DeadlineAdapter(pool_connections=_POOL_SIZE, pool_maxsize=_POOL_SIZE)

    def close(self) -> None:
        """Close all idle connections."""
        self._adapter.close()

    def allows_plain(self, authority: str) -> bool:
        """Say whether `HOST[:PORT]` may be spoken to without TLS."""
        return authority in self._insecure or _is_loopback(f"//{authority}")

    def send(
        self,
        url: str,
        *,
        deadline: Deadline,
        headers: Mapping[str, str] | None = None,
        authorization: str = "",
        message: Message = GET,
    ) -> Answer:
        """Send `message` to `url` and return the answer, redirects followed.

        `authorization` goes to the origin of `url` only and is dropped for good once a redirect
        leaves it; what writes is not redirected. Raises RegistryError when there is no answer in
        time, and for redirects that are too many or lead to a place that may not be asked.
        """
        for _ in range(MAX_REDIRECTS + 1):
            request = self._prepare(url, dict(headers or {}), authorization, message)
            answer = self._send_patiently(request, deadline)
            if answer.status not in _REDIRECTS:
                return answer
            answer.discard()
            target = self._redirect_target(url, answer.header("Location"), message)
            if origin(target) != origin(url):
                authorization = ""
            url = target
        raise RegistryError(f"{show_url(url)}: redirected more than {MAX_REDIRECTS} times")

    def _redirect_target(self, url: str, location: str, message: Message) -> str:
        place = f"{show_url(url)}: redirects to"
        if message.writes:
            raise RegistryError(f"{place} another place what it should answer itself")
        target = resolve(url, location)
        if origin(url)[0] == "https" and origin(target)[0] != "https":
            raise RegistryError(f"{place} {show_url(target)}, which leaves https: not followed")
        return target

    def _prepare(
        self,
        url: str,
        headers: dict[str, str],
        authorization: str,
        message: Message,
    ) -> requests.PreparedRequest:
        scheme, *_ = origin(url)
        authority = urlsplit(url).netloc
        if scheme == "http" and not self.allows_plain(authority):
            raise RegistryError(
                f"{show_url(url)}: plain http is for loopback hosts only",
                hint="Use https, or name the host as insecure if that is what it is.",
            )
        headers |= {"User-Agent": "titan-provenance", "Accept-Encoding": "identity"}
        if authorization:
            headers["Authorization"] = authorization
        if message.media_type:
            headers["Content-Type"] = message.media_type
        try:
            return requests.Request(
                message.method, url, headers=headers, data=message.data
            ).prepare()
        except requests.RequestException as error:
            raise RegistryError(
                f"{show_url(url)}: cannot be asked ({type(error).__name__})"
            ) from None

    def _send_patiently(self, request: requests.PreparedRequest, deadline: Deadline) -> Answer:
        for attempt in itertools.count(1):
            outcome = self._send_once(request, deadline)
            wait = self._patience.backoff * 2 ** (attempt - 1)
            if isinstance(outcome, Answer):
                if outcome.status != _TOO_MANY_REQUESTS and outcome.status not in _SERVER_ERRORS:
                    break
                wait = _retry_after(outcome.header("Retry-After"), wait)
            wait = min(wait, self._patience.longest_wait)
            if attempt >= self._patience.attempts or wait >= deadline.remaining():
                break
            if isinstance(outcome, Answer):
                outcome.discard()
            time.sleep(wait)
        if isinstance(outcome, Answer):
            return outcome
        raise outcome

    def _send_once(
        self, request: requests.PreparedRequest, deadline: Deadline
    ) -> Answer | _UnreachableError:
        """Return the answer, or why there is none if that may pass; else raise RegistryError."""
        url = request.url or ""
        left = deadline.remaining()
        timeout = (min(self._patience.connect, left), min(self._patience.read, left))
        proxies = {} if _is_loopback(url) else get_environ_proxies(url)
        sent = request.copy()
        if isinstance(sent.body, bytes):
            sent.body = _Upload(sent.body, deadline)  # type: ignore[assignment]  # read in pieces
        try:
            with reading_until(deadline, self._patience.read):
                response = self._adapter.send(
                    sent,
                    stream=True,
                    timeout=timeout,
                    verify=_trusted_roots(),
                    proxies=proxies,
                )
        except (requests.RequestException, HTTPError, OSError) as error:
            failure = _explain(error, show_url(url), deadline)
            failure.__cause__ = _innermost(error)
            if isinstance(failure, _UnreachableError):
                return failure
            raise failure from failure.__cause__
        return Answer(response, deadline, self._patience.read)


class _Upload(io.BytesIO):
    """A body that is sent in pieces: each has the socket's own timeout, all of them the deadline.

    Bytes would go to the socket at once, and have to be gone within the time for connecting.
    """

    def __init__(self, data: bytes, deadline: Deadline) -> None:
        super().__init__(data)
        self._deadline = deadline

    def read(self, size: int | None = -1) -> bytes:
        if self._deadline.passed:
            raise TimeoutError
        return super().read(size)


class _UnreachableError(RegistryError):
    """No answer, for a reason that may pass."""


def show_url(url: str | None) -> str:
    """Return a URL fit for messages: without user, query and fragment, which may hold secrets."""
    try:
        parts = urlsplit(url or "")
    except ValueError:
        return "(not a URL)"
    host = parts.netloc.rpartition("@")[2]
    shown = SplitResult(parts.scheme, host, parts.path, "", "").geturl()[:300]
    return shown if shown.isprintable() else ascii(shown)


def resolve(url: str, place: str) -> str:
    """Return the URL of a place that the answer of `url` names; raises RegistryError for none."""
    try:
        return urljoin(url, place)
    except ValueError:
        raise RegistryError(f"{show_url(url)}: leads to what is no URL") from None


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port; raises RegistryError for a URL that may not be asked."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    except ValueError:
        parts, port = urlsplit(""), 0
    if not _URL.fullmatch(url) or not port or not parts.hostname or "@" in parts.netloc:
        raise RegistryError(f"{show_url(url)}: is no URL that may be asked")
    return parts.scheme, parts.hostname, port


def _is_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _trusted_roots() -> str | bool:
    """Return the CA bundle that the user names, in the variables that requests reads."""
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True


def _retry_after(value: str, otherwise: float) -> float:
    """Return the seconds that a Retry-After header asks for, in either form (RFC 9110, 10.2.3)."""
    if value.isdecimal():
        return float(value[:9])
    from email.utils import parsedate_to_datetime

    try:
        return max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except (TypeError, ValueError, OverflowError):
        return otherwise


def _explain(error: Exception, where: str, deadline: Deadline) -> RegistryError:
    root = _innermost(error)
    if isinstance(root, ssl.SSLCertVerificationError):
        return RegistryError(
            f"{where}: its TLS certificate is not trusted: {root.verify_message}",
            hint="If the registry has its own CA, name its bundle in REQUESTS_CA_BUNDLE.",
        )
    if isinstance(root, ssl.SSLError):
        return RegistryError(f"{where}: no TLS connection ({root.reason})")
    if isinstance(root, TimeoutError) or deadline.passed:
        return _UnreachableError(f"{where}: no answer in time (limit {deadline.seconds:g} s)")
    if isinstance(root, http.client.RemoteDisconnected):
        return _UnreachableError(f"{where}: the connection was closed without an answer")
    if isinstance(root, OSError) and root.strerror:
        return _UnreachableError(
            f"{where}: cannot be reached: {root.strerror}",
            hint="Check the name of the registry, the network and the proxy settings.",
        )
    return RegistryError(f"{where}: gave no HTTP answer ({type(root).__name__})")


def _innermost(error: BaseException) -> BaseException:
    """Return the error below those of the HTTP libraries: it names no URL, those do."""
    while isinstance(error, requests.RequestException | HTTPError):
        inner = error.__cause__ or error.__context__
        if inner is None:
            break
        error = inner
    return error
