"""What the fast commands import is part of their design: see docs/adr/0003."""

import os
import subprocess
import sys

import pytest
from fakes.host import SERVICES, Host

HEAVY = {
    "concurrent.futures",
    "cyclonedx",
    "docker",
    "hashlib",
    "http.client",
    "jsonschema_rs",
    "pathlib",
    "requests",
    "rich",
    "securesystemslib",
    "sigstore",
    "socket",
    "ssl",
    "subprocess",
    "tempfile",
    "urllib3",
    "zipfile",
}

OWN = {
    "titan_provenance",
    "titan_provenance.about",
    "titan_provenance.attest",
    "titan_provenance.attest.bundle",
    "titan_provenance.attest.envelope",
    "titan_provenance.attest.public_key",
    "titan_provenance.attest.statement",
    "titan_provenance.attest.trust",
    "titan_provenance.attest.verify",
    "titan_provenance.cli",
    "titan_provenance.cli.command",
    "titan_provenance.cli.console",
    "titan_provenance.cli.verify",
    "titan_provenance.document",
    "titan_provenance.errors",
    "titan_provenance.files",
    "titan_provenance.fleet_file",
    "titan_provenance.model",
    "titan_provenance.model.digest",
    "titan_provenance.model.fleet",
    "titan_provenance.model.instant",
    "titan_provenance.model.names",
    "titan_provenance.model.reference",
    "titan_provenance.model.release",
    "titan_provenance.model.verdict",
    "titan_provenance.release",
    "titan_provenance.release.bound_files",
    "titan_provenance.release.compose",
    "titan_provenance.release.gate",
    "titan_provenance.release.state",
    "titan_provenance.report",
    "titan_provenance.report.text",
}

THIRD_PARTY = {"click", "cryptography", "titan_provenance", "yaml"}


def imported(code, cwd):
    """Return the modules that are loaded after `code` ran in an interpreter without site hooks."""
    script = "import sys\nbefore = set(sys.modules)\n"
    script += f"{code}\nprint(*set(sys.modules) - before, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=cwd,
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": ""},
    )
    return set(done.stderr.splitlines()[-1].split())


@pytest.fixture
def host(tmp_path):
    host = Host(tmp_path)
    lines = [
        f"  {s}: {{image: registry.example/titan/{s}, compose: titan-{s}}}\n" for s in SERVICES
    ]
    host.write("version: 1\nfleet: titan\nservices:\n" + "".join(lines), "titan-provenance.yaml")
    return host


def test_verify_release_imports_exactly_what_it_needs(host):
    words = [host.manifest, "--keys", host.path("keys"), "--state", host.state]
    modules = imported(
        "from titan_provenance.cli.verify import command\n"
        "from titan_provenance.cli.command import run\n"
        f"assert run(command, 'verify-release', {words!r}) == 0",
        host.directory,
    )
    assert not modules & HEAVY
    assert {name for name in modules if name.startswith("titan_provenance")} == OWN
    roots = {name.partition(".")[0] for name in modules} - sys.stdlib_module_names
    # Compiled parts of cryptography and PyYAML register helpers of their own.
    assert {name for name in roots if not name.startswith(("_", "cython"))} == THIRD_PARTY


def test_importing_the_package_imports_nothing_of_it(tmp_path):
    modules = imported("import titan_provenance", tmp_path)
    assert {name for name in modules if name.startswith("titan")} <= {
        "titan_provenance",
        "titan_provenance.about",
    }


def test_library_use_loads_neither_click_nor_a_client(tmp_path):
    modules = imported("from titan_provenance import load_trust, verify_release", tmp_path)
    assert not modules & (HEAVY | {"click"})


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["manifest", "--help"]])
def test_help_loads_no_client(tmp_path, words):
    modules = imported(
        "from titan_provenance.cli.main import program\n"
        "from titan_provenance.cli.command import run\n"
        f"run(program(), 'titan-provenance', {words!r})",
        tmp_path,
    )
    assert not modules & {"docker", "requests", "sigstore", "urllib3"}
