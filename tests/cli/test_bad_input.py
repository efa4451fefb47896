"""Whatever lies where a document should be: a clear error, exit 2 or 3, little memory."""

import json
import os
import subprocess
import sys

import pytest
from fakes.host import Host

from titan_provenance.attest.signer import generate_key, write_private_key

MEMORY = 64 << 20
PASSPHRASE = "correct horse"


def empty(path):
    path.write_bytes(b"")


def binary(path):
    path.write_bytes(bytes(range(256)) * 64)


def one_gigabyte(path):
    path.touch()
    os.truncate(path, 1 << 30)


def endless(path):
    path.symlink_to("/dev/zero")


def nested(path):
    path.write_bytes(b'{"a":' * 100_000)


def nested_lists(path):
    path.write_bytes(b"[" * 200_000)


def nested_yaml(path):
    path.write_bytes(b"{a: " * 50_000)


def duplicate_keys(path):
    path.write_bytes(b'{"version": 1, "version": 1}')


def not_a_number(path):
    path.write_bytes(b'{"version": NaN}')


def byte_order_mark(path):
    path.write_bytes(b'\xef\xbb\xbf{"version": 1}')


def carriage_returns(path):
    path.write_bytes(b'{"version":\r\n 1}\r\n')


def symbolic_link(path):
    path.symlink_to(path.parent / "elsewhere")


def directory(path):
    path.mkdir()


def fifo(path):
    os.mkfifo(path)


def aliases(path):
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}]"
        for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    path.write_text("\n".join(lines))


INPUTS = [
    empty,
    binary,
    one_gigabyte,
    endless,
    nested,
    nested_lists,
    nested_yaml,
    duplicate_keys,
    not_a_number,
    byte_order_mark,
    carriage_returns,
    symbolic_link,
    directory,
    fifo,
    aliases,
]

COMMANDS = {
    "verify": ["verify", "BAD", "--keys", "keys", "--no-state"],
    "verify --bundle": [
        "verify",
        "release/manifest.json",
        "--keys",
        "keys",
        "--no-state",
        "--bundle",
        "BAD",
    ],
    "verify --fleet": [
        "verify",
        "release/manifest.json",
        "--keys",
        "keys",
        "--no-state",
        "--fleet",
        "BAD",
    ],
    "verify --state": ["verify", "release/manifest.json", "--keys", "keys", "--state", "BAD"],
    "verify --legacy": ["verify", "BAD", "--legacy", "--public-key", "keys/auditor.pub"],
    "verify --public-key": ["verify", "release/manifest.json", "--legacy", "--public-key", "BAD"],
    "show": ["manifest", "show", "BAD"],
    "build": ["manifest", "build", "--version", "1", "--no-source", "--fleet", "BAD"],
    "sign": ["sign", "BAD", "--key", "ci.key"],
    "sign --key": ["sign", "release/manifest.json", "--key", "BAD"],
    "trust add": ["trust", "add", "x", "BAD", "--keys", "keys"],
    "config": ["manifest", "show", "release/manifest.json", "--config", "BAD"],
}

# One interpreter for all inputs of a command, one child for each: what one input leaves behind in
# memory is not counted to the next.
SCRIPT = """
import json, os, re, sys
from titan_provenance.cli.command import run
from titan_provenance.cli.main import program

for number, words in enumerate(json.load(sys.stdin)):
    child = os.fork()
    if child == 0:
        out = os.open(f"seen-{number}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(out, 1)
        os.dup2(out, 2)
        code = run(program(), "titan-provenance", words)
        # Not ru_maxrss: a new process inherits that from the one that started it.
        peak = re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]
        sys.stdout.flush()
        os.write(2, f"\\npeak {peak}".encode())
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(json.dumps([code, open(f"seen-{number}").read()]), flush=True)
"""


@pytest.fixture
def host(tmp_path):
    host = Host(tmp_path)
    pem, _ = generate_key("ed25519", PASSPHRASE)
    write_private_key(host.path("ci.key"), pem)
    return host


def run_all(host, lines):
    """Run commands; return (exit code, what was printed, peak memory in bytes) of each."""
    environment = {"PATH": os.environ["PATH"], "TITAN_PROVENANCE_KEY_PASSPHRASE": PASSPHRASE}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=host.directory,
        env=environment,
        input=json.dumps(lines),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    outcomes = []
    for line in done.stdout.splitlines():
        code, seen = json.loads(line)
        printed, _, peak = seen.rpartition("\npeak ")
        outcomes.append((code, printed, int(peak) * 1024))
    return outcomes


def run(host, words):
    return run_all(host, [words])[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_bad_input(host, tmp_path, command):
    lines = []
    for make in INPUTS:
        bad = tmp_path / "bad" / make.__name__
        bad.parent.mkdir(exist_ok=True)
        make(bad)
        if bad.is_file():
            bad.chmod(0o600)
        lines.append([str(bad) if word == "BAD" else word for word in COMMANDS[command]])
    for make, (code, seen, peak) in zip(INPUTS, run_all(host, lines), strict=True):
        what = f"{command} {make.__name__}: {seen}"
        # Text that nobody signed is refused as such, before it is parsed: that is exit code 1.
        unsigned = "nobody signed" in seen or "PASSED" in seen
        assert code in {2, 3} or (unsigned and code in {0, 1}), what
        assert "Traceback" not in seen, what
        assert "internal error" not in seen, what
        assert peak < MEMORY, what


def test_file_without_permission(host):
    if os.geteuid() == 0:
        pytest.skip("root can read every file")
    os.chmod(host.manifest, 0)
    code, seen, _ = run(host, ["manifest", "show", host.manifest])
    assert (code, "Permission denied" in seen) == (3, True)


def test_errors_are_json_when_json_is_asked_for(host):
    code, seen, _ = run(host, ["manifest", "show", "nowhere.json", "--format", "json"])
    assert code == 3
    assert json.loads(seen)["error"]["message"] == "nowhere.json: does not exist"
