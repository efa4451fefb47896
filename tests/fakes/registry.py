"""A container registry in memory, on loopback, with faults to order.

::

    with FakeRegistry() as registry:
        registry.push("titan/brain", "1.4.0", build_image())
        registry.fault("/manifests/", answer(429, headers={"Retry-After": "1"}))

Faults apply to the next requests whose path contains a text, one each, in order; `requests` logs
what came in. With `auth="bearer"` the same server is its own token server at /token. It takes
pushes as well; without `referrers = True` it knows of no subjects, as docker-registry 2.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    import ssl

    from fakes.images import FakeImage

USER, PASSWORD, IDENTITY_TOKEN = "robot", "correct horse", "identity-token-0123"
MANIFESTS = "/manifests/"
BLOBS = "/blobs/"
REFERRERS = "/referrers/"

Fault = Callable[["Exchange"], None]


@dataclass(frozen=True)
class LoggedRequest:
    """One request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: tuple[str, int]

    @property
    def authorization(self) -> str:
        """The Authorization header, empty when there was none."""
        return self.headers.get("authorization", "")


@dataclass
class _Order:
    match: str
    faults: list[Fault]
    forever: bool = False


@dataclass
class _Repository:
    tags: dict[str, str] = field(default_factory=dict)
    contents: dict[str, tuple[str, bytes]] = field(default_factory=dict)


class FakeRegistry:
    """The registry; a context manager. `latency` is slept before each answer, in seconds.

    `most_at_once` counts the requests that were waiting together.
    """

    def __init__(
        self,
        *,
        auth: Literal["none", "basic", "bearer"] = "none",
        latency: float = 0.0,
        anonymous_tokens: bool = False,
        token_field: Literal["token", "access_token"] = "token",  # noqa: S107
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.referrers = False
        self.auth = auth
        self.latency = latency
        self.anonymous_tokens = anonymous_tokens
        self.token_field = token_field
        self.requests: list[LoggedRequest] = []
        self.most_at_once = 0
        self._at_once = 0
        self.tokens: dict[str, str] = {}
        self.stopping = threading.Event()
        self._repositories: dict[str, _Repository] = {}
        self._orders: list[_Order] = []
        self._guard = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), Exchange)
        self._server.registry = self
        self.port = int(self._server.server_address[1])
        self.scheme = "http"
        if tls:
            self.scheme = "https"
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def _wait(self) -> None:
        """Sleep the latency; keep how many requests did so at once."""
        with self._guard:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        self.stopping.wait(self.latency)
        with self._guard:
            self._at_once -= 1

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def host(self) -> str:
        """HOST:PORT, as it stands in image references."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Where the registry answers."""
        return f"{self.scheme}://{self.host}"

    def push(self, repository: str, tag: str, image: FakeImage) -> str:
        """Keep an image under a tag and return its reference by tag."""
        kept = self._repositories.setdefault(repository, _Repository())
        kept.contents |= image.contents
        kept.tags[tag] = str(image.digest)
        return f"{self.host}/{repository}:{tag}"

    def push_manifest(self, repository: str, tag: str, media_type: str, data: bytes) -> str:
        """Keep any bytes as a manifest under a tag and return the reference by tag."""
        from fakes.images import FakeImage

        image = FakeImage({})
        image.root = image.add(media_type, data)
        return self.push(repository, tag, image)

    def manifest(self, repository: str, name: str) -> Any:
        """Return the JSON of the manifest or index under a tag or digest, None if there is none."""
        found = self._find("manifests", repository, name)
        return json.loads(found[2]) if found else None

    def fault(self, match: str, *faults: Fault, forever: bool = False) -> None:
        """Order faults for requests whose path contains `match`; the last one may go on forever."""
        self._orders.append(_Order(match, list(faults), forever))

    def paths(self) -> list[str]:
        """Return the paths asked for, in order of arrival."""
        return [request.path for request in self.requests]

    def _next_fault(self, path: str) -> Fault | None:
        with self._guard:
            for order in self._orders:
                if order.match in path and order.faults:
                    last = order.forever and len(order.faults) == 1
                    return order.faults[0] if last else order.faults.pop(0)
        return None

    def _find(self, kind: str, repository: str, name: str) -> tuple[str, str, bytes] | None:
        kept = self._repositories.get(repository, _Repository())
        digest = kept.tags.get(name, name) if kind == "manifests" else name
        if digest not in kept.contents:
            return None
        media_type, data = kept.contents[digest]
        return digest, media_type if kind == "manifests" else "application/octet-stream", data

    def _keep(self, repository: str, media_type: str, data: bytes, tag: str = "") -> str:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        with self._guard:
            kept = self._repositories.setdefault(repository, _Repository())
            kept.contents[digest] = (media_type, data)
            if tag and tag != digest:
                kept.tags[tag] = digest
        return digest

    def _referrers(self, repository: str, digest: str) -> list[dict[str, Any]]:
        kept = self._repositories.get(repository, _Repository())
        found = []
        for name, (media_type, data) in kept.contents.items():
            document = json.loads(data) if "manifest" in media_type else {}
            if document.get("subject", {}).get("digest") == digest:
                shown = {"mediaType": media_type, "digest": name, "size": len(data)}
                more = {key: document[key] for key in ("artifactType", "annotations")}
                found.append({**shown, **more})
        return found

    def _issue(self, scope: str) -> dict[str, Any]:
        with self._guard:
            token = f"token-{len(self.tokens)}"
            self.tokens[token] = scope
        return {self.token_field: token, "expires_in": 300}


class Exchange(BaseHTTPRequestHandler):
    """One request and its answer; faults get it and answer as they please."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    @property
    def registry(self) -> FakeRegistry:
        """The registry that was asked."""
        return self.server.registry

    def log_message(self, *_: Any) -> None:
        """Say nothing: `FakeRegistry.requests` is the log."""

    def do_GET(self) -> None:
        """Answer as a registry, or as the next fault wants it."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.registry.requests.append(
            LoggedRequest(self.command, self.path, headers, body, self.client_address)
        )
        self.registry._wait()
        if fault := self.registry._next_fault(self.path):
            fault(self)
        elif urlsplit(self.path).path == "/token":
            self._answer_token(body.decode())
        elif not self._is_authorized():
            self._challenge()
        elif self.command in {"POST", "PUT"}:
            self._take(body)
        elif REFERRERS in self.path:
            self._answer_referrers()
        else:
            self.answer_content()

    do_HEAD = do_GET  # noqa: N815  http.server names them so
    do_POST = do_GET  # noqa: N815
    do_PUT = do_GET  # noqa: N815

    def answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        """Send a whole answer."""
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer_content(self, change: Callable[[bytes], bytes] = bytes, **headers: str) -> None:
        """Send the manifest or blob asked for, changed, or 404."""
        repository, _, rest = urlsplit(self.path).path.removeprefix("/v2/").rpartition("/")
        repository, _, kind = repository.rpartition("/")
        found = self.registry._find(kind, repository, rest)
        if found is None:
            self.answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')
            return
        digest, media_type, data = found
        fields = {"Content-Type": media_type, "Docker-Content-Digest": digest}
        renamed = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answer(200, change(data), fields | renamed)

    def _take(self, body: bytes) -> None:
        """Begin an upload, or keep the blob or manifest that is put."""
        path, _, query = self.path.removeprefix("/v2/").partition("?")
        if self.command == "POST":
            place = f"/v2/{path}0123?_state=begun"
            self.answer(202, b"", {"Location": place})
            return
        if MANIFESTS in f"/{path}":
            repository, _, name = path.partition(MANIFESTS)
            media_type = self.headers["Content-Type"]
            digest = self.registry._keep(repository, media_type, body, name)
            headers = {}
            if self.registry.referrers and "subject" in json.loads(body):
                headers["OCI-Subject"] = json.loads(body)["subject"]["digest"]
        else:
            repository, _, name = path.partition(BLOBS)
            digest = self.registry._keep(repository, "application/octet-stream", body)
            name, headers = parse_qs(query)["digest"][0], {}
        if name.startswith("sha256:") and name != digest:
            self.answer(400, b'{"errors":[{"code":"DIGEST_INVALID"}]}')
        else:
            self.answer(201, b"", {"Docker-Content-Digest": digest, **headers})

    def _answer_referrers(self) -> None:
        if not self.registry.referrers:
            self.answer(404, b"404 page not found\n")
            return
        repository, _, digest = urlsplit(self.path).path.removeprefix("/v2/").partition(REFERRERS)
        found = self.registry._referrers(repository, digest)
        media_type = "application/vnd.oci.image.index.v1+json"
        index = {"schemaVersion": 2, "mediaType": media_type, "manifests": found}
        self.answer(200, json.dumps(index).encode(), {"Content-Type": media_type})

    def send(self, data: bytes) -> bool:
        """Send raw bytes of a body; False once the client is gone or the server stops."""
        try:
            self.wfile.write(data)
        except OSError:
            return False
        return not self.registry.stopping.is_set()

    def _is_authorized(self) -> bool:
        sent = self.headers.get("Authorization", "")
        if self.registry.auth == "basic":
            return sent == _basic()
        if self.registry.auth == "bearer":
            scope = self.registry.tokens.get(sent.removeprefix("Bearer "), "")
            return scope == self._scope()
        return True

    def _scope(self) -> str:
        name = self.path.removeprefix("/v2/")
        for part in (MANIFESTS, BLOBS, REFERRERS):
            name = name.partition(part)[0]
        return f"repository:{name}:{'pull,push' if self.command in {'POST', 'PUT'} else 'pull'}"

    def _challenge(self) -> None:
        if self.registry.auth == "basic":
            value = 'Basic realm="fake"'
        else:
            realm = f"{self.registry.url}/token"
            value = f'Bearer realm="{realm}",service="fake",scope="{self._scope()}"'
        self.answer(401, b"{}", {"WWW-Authenticate": value})

    def _answer_token(self, form: str) -> None:
        query = parse_qs(form or urlsplit(self.path).query)
        sent = self.headers.get("Authorization", "")
        if self.command == "POST":
            allowed = query.get("refresh_token") == [IDENTITY_TOKEN]
        else:
            allowed = sent == _basic() or (not sent and self.registry.anonymous_tokens)
        if allowed:
            document = self.registry._issue(query["scope"][0])
            self.answer(200, json.dumps(document).encode())
        else:
            self.answer(401, b'{"details":"incorrect username or password"}')


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    registry: FakeRegistry

    def handle_error(self, *_: Any) -> None:
        """Clients that hang up are what the tests are about."""


def _basic() -> str:
    return "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


def answer(status: int, body: bytes = b"{}", headers: dict[str, str] | None = None) -> Fault:
    """Answer with a status."""
    return lambda exchange: exchange.answer(status, body, headers)


def redirect(location: str, status: int = 307) -> Fault:
    """Send the client elsewhere."""
    return answer(status, b"", {"Location": location})


def html_page(exchange: Exchange) -> None:
    """Answer as a proxy's login page does."""
    exchange.answer(200, b"<html>please log in</html>", {"Content-Type": "text/html"})


def other_bytes(exchange: Exchange) -> None:
    """Send bytes of the right length that are not those asked for, with the right headers."""
    exchange.answer_content(lambda data: data[:-1] + b" ")


def other_digest_header(exchange: Exchange) -> None:
    """Send the right bytes with a wrong Docker-Content-Digest."""
    exchange.answer_content(Docker_Content_Digest="sha256:" + "0" * 64)


def truncated_body(exchange: Exchange) -> None:
    """Announce more bytes than come."""
    exchange.answer_content(Content_Length="100000")
    exchange.close_connection = True


def endless_body(exchange: Exchange) -> None:
    """Send a body without length and without end."""
    _start_endless(exchange)
    while exchange.send(b" " * 65536):
        pass


def dripping_body(exchange: Exchange) -> None:
    """Send one byte at a time, each in good time."""
    _start_endless(exchange)
    while exchange.send(b" "):
        time.sleep(0.02)


def dripping_headers(exchange: Exchange) -> None:
    """Send a header line that goes on and on."""
    exchange.send(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while exchange.send(b"x"):
        time.sleep(0.02)


def hang(exchange: Exchange) -> None:
    """Answer nothing until the registry stops."""
    exchange.registry.stopping.wait()
    exchange.close_connection = True


def hang_up(exchange: Exchange) -> None:
    """Close the connection without an answer."""
    exchange.close_connection = True


def _start_endless(exchange: Exchange) -> None:
    exchange.close_connection = True
    exchange.send_response(200)
    exchange.send_header("Content-Type", "application/vnd.oci.image.manifest.v1+json")
    exchange.send_header("Connection", "close")
    exchange.end_headers()
