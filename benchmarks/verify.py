"""verify-release for seven services with a managed key, as whole processes.

Prints the ratio of its wall time to a Python that only imports what it cannot do without, to the
same with click, yaml and dataclasses, and to seven runs of cosign (one a service) when cosign is
there. All are run in turn, so that a slow moment of the machine slows down each of them.

    python benchmarks/verify.py [--runs N]        TITAN_PROVENANCE_TEST_COSIGN=/path/of/cosign
"""

from __future__ import annotations

import argparse
import compileall
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from fakes.host import SERVICES, Host

import titan_provenance
from titan_provenance.model.release import PREDICATE_TYPE

IMPORTS = (
    "from cryptography.hazmat.primitives.asymmetric import ec; "
    "from cryptography.hazmat.primitives import serialization"
)
BOUNDS = {"imports": 2.0, "cosign": 0.5}
MEBIBYTE = 1024


def verify_command(host: Host) -> list[str]:
    """Return the command line of verify-release."""
    program = shutil.which("verify-release", path=str(Path(sys.executable).parent))
    return [program, host.manifest, "--keys", host.path("keys"), "--state", host.state]


def cosign_commands(host: Host) -> list[list[str]]:
    """Return a cosign command line for each service, or none when there is no cosign."""
    cosign = os.environ.get("TITAN_PROVENANCE_TEST_COSIGN") or shutil.which("cosign")
    if not cosign:
        return []
    release = titan_provenance.verify_release(
        host.read("release", "manifest.json"),
        [host.read("release", "manifest.json.ci.sigstore.json")],
        titan_provenance.load_trust(host.path("keys")),
        datetime.now(UTC),
    ).release
    common = [
        "--key",
        host.path("keys", "ci.pub"),
        "--insecure-ignore-tlog",
        "--digestAlg",
        "sha256",
    ]
    bundle = host.path("release", "manifest.json.ci.sigstore.json")
    return [
        [
            cosign,
            "verify-blob-attestation",
            "--bundle",
            bundle,
            *common,
            "--type",
            PREDICATE_TYPE,
            "--digest",
            service.image.digest.hex,
        ]
        for service in release.services
    ]


def seconds(commands: list[list[str]]) -> float:
    """Return the wall time of running `commands` one after the other."""
    start = time.perf_counter()
    for command in commands:
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode:
            sys.exit(f"{command[0]} failed: {done.stderr.decode()}")
    return time.perf_counter() - start


def peak(command: list[str]) -> float:
    """Return the peak memory of one run in MiB."""
    script = "import resource, subprocess\n"
    script += f"subprocess.run({command!r}, capture_output=True, check=True)\n"
    script += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    return int(done.stdout) / MEBIBYTE


def main() -> None:
    """Make a host with a release, time all candidates in turn, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=30)
    runs = parser.parse_args().runs
    compileall.compile_dir(Path(titan_provenance.__file__).parent, quiet=1)
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        host = Host(directory)
        lines = [
            f"  {s}: {{image: registry.example/titan/{s}, compose: titan-{s}}}" for s in SERVICES
        ]
        host.write(
            "version: 1\nfleet: titan\nservices:\n" + "\n".join(lines), "titan-provenance.yaml"
        )
        candidates = {
            "verify-release": [verify_command(host)],
            "imports": [[sys.executable, "-c", IMPORTS]],
            "imports+click+yaml": [
                [sys.executable, "-c", f"{IMPORTS}; import click, yaml, dataclasses"]
            ],
            "cosign": cosign_commands(host),
        }
        report(candidates, runs)
        print(f"peak memory of verify-release: {peak(verify_command(host)):.1f} MiB (bound 45)")


def report(candidates: dict[str, list[list[str]]], runs: int) -> None:
    """Time all candidates in turn and print medians and the ratios pair by pair."""
    present = {name: commands for name, commands in candidates.items() if commands}
    times = {name: [] for name in present}
    for number in range(runs + 1):
        for name, commands in present.items():
            taken = seconds(commands)
            if number:
                times[name].append(taken)
    ours = times.pop("verify-release")
    median = 1000 * statistics.median(ours)
    print(f"verify-release, seven services: median {median:.1f} ms, {runs} runs")
    for name, theirs in times.items():
        ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
        bound = f" (bound {BOUNDS[name]})" if name in BOUNDS else ""
        print(f"  {ratio:.2f} x {name}, median {1000 * statistics.median(theirs):.1f} ms{bound}")
    if "cosign" not in times:
        print("  no cosign on this machine: not compared")


if __name__ == "__main__":
    main()
