"""`titan-provenance demo`: from seven images to a verified release, then four refusals.

It runs the very commands that it prints, in this process, on a fleet that it makes itself.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys
import tempfile
from typing import TYPE_CHECKING

import click

from titan_provenance.attest.signer import PASSPHRASE_VARIABLE
from titan_provenance.cli.command import ENVIRONMENT_PREFIX, run
from titan_provenance.cli.command import command as make_command
from titan_provenance.cli.demo_images import SERVICES, write_image
from titan_provenance.cli.main import program
from titan_provenance.cli.verify import command as verify_command
from titan_provenance.errors import UsageError, VerificationError
from titan_provenance.files import read_bounded, write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from titan_provenance.cli.console import Console

_PRIVATE = "$PRIVATE"
_FIRST, _SECOND = "1.4.0", "1.5.0"
_LIMIT = 1 << 20


@make_command("demo", output=False)
@click.option("--out", metavar="DIR", help="Keep the demo in DIR, which must not exist yet.")
def command(console: Console, out: str | None) -> None:
    """Show the whole path on a small embedded fleet, offline, without an engine.

    Seven images → release manifest → two signatures → verified with digest override; then a
    tampered manifest, a forged bundle, a replayed older release and a revoked key are refused.
    """
    if out and os.path.lexists(out):
        raise UsageError(f"{out} exists", hint="Name a directory that the demo can create.")
    base = out or tempfile.mkdtemp(prefix="titan-provenance-demo-")
    private = tempfile.mkdtemp(prefix="titan-provenance-private-")
    try:
        os.makedirs(base, exist_ok=True)
        with contextlib.chdir(base), _environment(private):
            _Tour(private).walk()
    finally:
        shutil.rmtree(private)
        if not out:
            shutil.rmtree(base)
    console.note(f"\nKept in {out}." if out else "\nTo keep what was made: --out DIR")


@contextlib.contextmanager
def _environment(private: str) -> Iterator[None]:
    """Give the commands a passphrase and the variable that their lines are printed with.

    What the user's environment sets for real releases is taken away: options, the time, GitHub.
    """
    before = dict(os.environ)
    for name in before:
        if name.startswith(("GITHUB_", f"{ENVIRONMENT_PREFIX}_")) or name == "SOURCE_DATE_EPOCH":
            del os.environ[name]
    os.environ[PASSPHRASE_VARIABLE] = "only for this demo"
    os.environ["PRIVATE"] = private
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class _Tour:
    """Prints each command, runs it, and stops when it does not end as it must."""

    def __init__(self, private: str) -> None:
        self._private = private

    def walk(self) -> None:
        """Show everything, in order."""
        self._set_up()
        self._release(_FIRST)
        self._say("Deploy: verified offline, and the override pins each service to its digest.")
        self._verify(_FIRST, " --override compose.override.digest.yml")
        self._show("compose.override.digest.yml", lines=4)
        self._say("Next release: one service changed, chained to the one before.")
        write_image("oci/hunter", "hunter", _SECOND)
        self._release(_SECOND, f" --previous releases/{_FIRST}/manifest.json")
        self._run(f"manifest diff releases/{_FIRST}/manifest.json releases/{_SECOND}/manifest.json")
        self._verify(_SECOND)
        self._refusals()

    def _set_up(self) -> None:
        self._say("A fleet: seven images as OCI layouts, a compose file, a fleet file.")
        for service in SERVICES:
            write_image(f"oci/{service}", service, _FIRST)
        write_atomic("docker-compose.prod.yml", _compose_file().encode())
        self._run("init .")
        self._say("Two signers. Private keys stay outside; keys/ holds public trust only.")
        self._run(f"keys generate --out {_PRIVATE}/release-ci.key")
        self._run(f"keys generate --out {_PRIVATE}/auditor.key --type ed25519")
        self._run(f"trust init release-ci {_PRIVATE}/release-ci.key.pub")
        self._run(f"trust add auditor {_PRIVATE}/auditor.key.pub --keys keys --threshold 2")

    def _release(self, version: str, options: str = "") -> None:
        self._say(f"Release {version}: seven digests → one manifest → two signatures.")
        manifest = f"releases/{version}/manifest.json"
        os.makedirs(os.path.dirname(manifest))
        build = f"manifest build --version {version} --source oci-dir:oci --no-source"
        self._run(f"{build}{options} -o {manifest}")
        self._run(f"sign {manifest} --key {_PRIVATE}/release-ci.key --signer release-ci")
        self._run(f"sign {manifest} --key {_PRIVATE}/auditor.key --signer auditor")

    def _refusals(self) -> None:
        manifest = f"releases/{_SECOND}/manifest.json"
        bundle = f"{manifest}.auditor.sigstore.json"
        self._say("Refused: somebody changed one digest in the manifest.")
        with self._changed(manifest, "titan/brain@sha256:"):
            self._verify(_SECOND, exit_code=1)
        self._say("Refused: the second bundle is a copy of the first, one signer is not two.")
        with self._replaced(bundle, f"{manifest}.release-ci.sigstore.json"):
            self._verify(_SECOND, exit_code=1)
        self._say("Refused: an older release, properly signed, is played back.")
        self._verify(_FIRST, exit_code=1)
        self._say("Refused: a key that was revoked.")
        self._run('trust revoke auditor --keys keys --reason "laptop stolen"')
        self._verify(_SECOND, exit_code=1)

    def _verify(self, version: str, options: str = "", exit_code: int = 0) -> None:
        words = f"releases/{version}/manifest.json --keys keys --state state.json{options}"
        self._run(words, program_name="verify-release", exit_code=exit_code)

    def _run(
        self, line: str, *, program_name: str = "titan-provenance", exit_code: int = 0
    ) -> None:
        click.secho(f"\n$ {program_name} {line}", bold=True)
        sys.stdout.flush()
        words = shlex.split(line.replace(_PRIVATE, self._private))
        entry = verify_command if program_name == "verify-release" else program()
        code = run(entry, program_name, words)
        sys.stdout.flush()
        if code != exit_code:
            raise VerificationError(f"the demo expected exit code {exit_code} and got {code}")
        if exit_code:
            click.echo(f"(exit code {code})")

    @contextlib.contextmanager
    def _changed(self, path: str, before: str) -> Iterator[None]:
        """Change the two characters that follow `before`, and put them back afterwards."""
        data = read_bounded(path, _LIMIT)
        start = data.index(before.encode()) + len(before)
        old = data[start : start + 2].decode()
        new = "00" if old != "00" else "11"
        click.secho(f"\n$ sed -i 's|{before}{old}|{before}{new}|' {path}", bold=True)
        write_atomic(path, data[:start] + new.encode() + data[start + 2 :])
        yield
        write_atomic(path, data)

    @contextlib.contextmanager
    def _replaced(self, path: str, other: str) -> Iterator[None]:
        data = read_bounded(path, _LIMIT)
        click.secho(f"\n$ cp {other} {path}", bold=True)
        write_atomic(path, read_bounded(other, _LIMIT))
        yield
        write_atomic(path, data)

    def _show(self, path: str, lines: int) -> None:
        click.secho(f"\n$ head -{lines} {path}", bold=True)
        text = read_bounded(path, _LIMIT).decode()
        click.echo("\n".join(text.splitlines()[:lines]))

    def _say(self, text: str) -> None:
        click.secho(f"\n# {text}", fg="cyan")


def _compose_file() -> str:
    lines = ["name: titan", "services:"]
    for service in SERVICES:
        lines.append(f"  titan-{service}:")
        lines.append(f"    image: registry.example/titan/{service}:${{VERSION:-{_FIRST}}}")
    return "\n".join(lines) + "\n"
