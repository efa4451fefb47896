"""What the tests with real parts share: asking for a part, running commands, a registry, a host."""

import contextlib
import json
import os
import socket
import subprocess
import sysconfig
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest

from titan_provenance.model.release import PREDICATE_TYPE

SERVICES = ("brain", "execution", "hunter", "nats", "scavenger", "sentinel", "strategies")
VERSION = "1.4.0"
PASSPHRASE = "only for these tests"
LOGIN = ("robot", "pw")
HTPASSWD = b"robot:$2b$12$4LRtczs1Evnug7QwmAO6me1W8fueiwO3rDlCkeRg21nNjUo4xQWJG\n"
SCRIPTS = sysconfig.get_path("scripts")


def require(found, part, *, in_ci=True):
    """Return `found`. Without it the test is skipped, or fails where CI=true; `part` says why.

    `in_ci` is false for a part that CI need not have either.
    """
    if found:
        return found
    if in_ci and os.environ.get("CI") == "true":
        pytest.fail(f"{part} is missing, and with CI=true it must be there")
    pytest.skip(f"{part} is missing")


class Outcome(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self):
        """The JSON on standard output."""
        return json.loads(self.out)


def run(*words, cwd=None, **environment):
    """Run a command to its end; of our own settings it sees only those given here."""
    own = ("GITHUB_", "SOURCE_DATE_EPOCH", "TITAN_PROVENANCE_", "XDG_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    done = subprocess.run(
        words,
        cwd=cwd,
        env=inherited | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def run_well(*words, **options):
    """Run a command that must succeed; return its standard output."""
    outcome = run(*words, **options)
    assert outcome.code == 0, (words, outcome)
    return outcome.out


def for_each(function, items):
    """Call `function` with each item, all at the same time; raise what any of them raised."""
    with ThreadPoolExecutor(len(SERVICES)) as pool:
        return list(pool.map(function, items))


@contextlib.contextmanager
def pulled_images(names):
    """Pull images into the engine, and take those names from it again afterwards."""
    try:
        for_each(lambda name: run_well("docker", "pull", "--quiet", name), names)
        yield
    finally:
        for_each(lambda name: run("docker", "image", "rm", name), names)


@contextlib.contextmanager
def changed_byte(path, before):
    """Change the byte that follows the text `before` in a file, and put it back afterwards."""
    with open(path, "rb") as file:
        data = file.read()
    at = data.index(before.encode()) + len(before)
    other = b"1" if data[at : at + 1] == b"0" else b"0"
    _write(path, data[:at] + other + data[at + 1 :])
    try:
        yield
    finally:
        _write(path, data)


def _write(path, data):
    with open(path, "wb") as file:
        file.write(data)


class Registry:
    """A running docker-registry on a free port of this machine; it keeps its blobs in files.

    With `login` it asks everyone for LOGIN.
    """

    def __init__(self, command, directory, *, login=False):
        self._directory = directory
        self._login = login
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.host = f"127.0.0.1:{free.getsockname()[1]}"
        settings = {
            "version": "0.1",
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": self._path("storage")}},
            "http": {"addr": self.host},
        }
        if login:
            _write(self._path("htpasswd"), HTPASSWD)
            settings["auth"] = {"htpasswd": {"realm": "test", "path": self._path("htpasswd")}}
        _write(self._path("config.yml"), json.dumps(settings).encode())
        with open(self._path("log"), "wb") as log:
            self._process = subprocess.Popen(
                [command, "serve", self._path("config.yml")], stdout=log, stderr=log
            )
        self._wait_for_answer()

    def stop(self):
        self._process.terminate()
        self._process.wait(30)

    def repository(self, service):
        return f"{self.host}/titan/{service}"

    def push(self, layout, repository, tag=VERSION):
        """Copy an image from `LAYOUT:TAG` to a tag of a repository, as it is."""
        target = f"docker://{repository}:{tag}"
        options = ["--quiet", "--dest-tls-verify=false"]
        options += ["--dest-creds", ":".join(LOGIN)] if self._login else []
        run_well("skopeo", "copy", *options, f"oci:{layout}", target)

    def blob(self, digest):
        """Return the file that holds a manifest, config or layer."""
        name = digest.removeprefix("sha256:")
        return self._path("storage/docker/registry/v2/blobs/sha256", name[:2], name, "data")

    def _path(self, *parts):
        return os.path.join(self._directory, *parts)

    def _wait_for_answer(self):
        for _ in range(200):
            try:
                urllib.request.urlopen(f"http://{self.host}/v2/", timeout=5).close()
            except urllib.error.HTTPError as asks_for_login:
                asks_for_login.close()
                return
            except (urllib.error.URLError, ConnectionError):
                pass
            else:
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        self.stop()
        with open(self._path("log"), encoding="utf-8") as log:
            pytest.fail(f"docker-registry does not answer: {log.read()[-2000:]}")


class Workplace:
    """A directory with a fleet file, in which the installed commands make and verify a release.

    `manifest` is the release, `keys` the trust policy, `private` where private keys lie.
    """

    def __init__(self, directory, host="registry.example"):
        self.directory = str(directory)
        self.private = self.path("private")
        self.tree = self.path("tree")
        self.keys = self.path("tree", "keys")
        self.manifest = self.path("tree", "release", "manifest.json")
        self.override = self.path("tree", "override.yml")
        for path in (self.private, self.path("tree", "release")):
            os.makedirs(path)
        services = {
            name: {"image": f"{host}/titan/{name}", "compose": f"titan-{name}"} for name in SERVICES
        }
        fleet = {"version": 1, "fleet": "titan", "services": services}
        _write(self.path("tree", "titan-provenance.yaml"), json.dumps(fleet).encode())

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def titan(self, *words, program="titan-provenance", wrapper=(), **environment):
        """Run one of the installed commands in the tree."""
        settings = {
            "HOME": self.directory,
            "TITAN_PROVENANCE_KEY_PASSPHRASE": PASSPHRASE,
            **environment,
        }
        command = os.path.join(SCRIPTS, program)
        return run(*wrapper, command, *words, cwd=self.tree, **settings)

    def titan_well(self, *words, **options):
        outcome = self.titan(*words, **options)
        assert outcome.code == 0, (words, outcome)
        return outcome.out

    def build(self, *sources, output=None):
        """Run `manifest build` with these sources."""
        options = [word for source in sources for word in ("--source", source)]
        words = ["manifest", "build", "--version", VERSION, "--no-source", *options]
        return self.titan(*words, "--output", output or self.manifest)

    def new_key(self, kind="ecdsa-p256"):
        """Make a key pair; return the path of the private key, the public one is beside it."""
        path = os.path.join(self.private, kind)
        self.titan_well("keys", "generate", "--type", kind, "--out", path)
        return path

    def sign(self, key, **environment):
        """Sign the manifest, start the trust policy with this key; return the bundle's path."""
        self.titan_well("sign", self.manifest, "--key", key, **environment)
        public = self.titan_well("keys", "public", "--key", key, "--quiet", **environment)
        _write(self.path("ci.pub"), public.encode())
        self.titan_well("trust", "init", "ci", self.path("ci.pub"), "--keys", self.keys)
        return self.manifest + ".sigstore.json"

    def verify(self, *options, **more):
        """Run verify-release and return its outcome, a Verdict or Error document in it."""
        words = [self.manifest, "--keys", self.keys, "--no-state", "--format", "json", *options]
        return self.titan(*words, program="verify-release", **more)

    def digests(self, manifest=None):
        """Return the digest of each service as a manifest states it."""
        with open(manifest or self.manifest, encoding="utf-8") as file:
            services = json.load(file)["predicate"]["services"]
        return {name: entry["image"].partition("@")[2] for name, entry in services.items()}


class Cosign:
    """cosign with managed keys and no service: an empty signing config, an empty trusted root."""

    def __init__(self, command, directory):
        self._command = command
        self._directory = str(directory)
        kinds = {
            "signing-config": "signingconfig.v0.2+json",
            "trusted-root": "trustedroot+json;version=0.1",
        }
        for name, kind in kinds.items():
            content = f'{{"mediaType": "application/vnd.dev.sigstore.{kind}"}}'
            (directory / name).write_text(content, encoding="utf-8")

    def run(self, *words):
        settings = {"HOME": self._directory, "COSIGN_PASSWORD": PASSPHRASE}
        return run(self._command, *words, cwd=self._directory, **settings)

    def accepts(self, bundle, public_key, digest, kind=PREDICATE_TYPE):
        """Say whether cosign accepts a bundle, and what it prints."""
        asked = ["--bundle", bundle, "--key", public_key, "--type", kind]
        digest = ["--digest", digest.removeprefix("sha256:"), "--digestAlg", "sha256"]
        command = ["verify-blob-attestation", "--insecure-ignore-tlog", *asked, *digest]
        outcome = self.run(*command)
        assert (outcome.code == 0) == ("Verified OK" in outcome.out + outcome.err), outcome
        return outcome.code == 0, outcome.err

    def accepts_referrer(self, image, public_key, kind):
        """Say whether cosign finds and accepts an attestation in the registry of the image."""
        asked = ["--key", public_key, "--type", kind, "--trusted-root", "trusted-root"]
        options = ["--insecure-ignore-tlog", "--allow-insecure-registry", "--new-bundle-format"]
        return self.run("verify-attestation", *options, *asked, image).code == 0

    def new_key(self, private_key=None):
        """Make a key pair of cosign's own kind, or import one; return the paths of both halves."""
        words = ["import-key-pair", "--key", private_key] if private_key else ["generate-key-pair"]
        assert self.run(*words, "--output-key-prefix", "cosign").code == 0
        return [os.path.join(self._directory, f"cosign.{suffix}") for suffix in ("key", "pub")]

    def attest(self, statement, key, bundle):
        """Sign a statement as it is."""
        settings = ["--signing-config", "signing-config", "--trusted-root", "trusted-root"]
        files = ["--key", key, "--statement", statement, "--bundle", bundle]
        return self.run("attest-blob", "--yes", *settings, *files)
