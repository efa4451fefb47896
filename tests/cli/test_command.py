"""What every command does with its options, its errors and its two streams."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from fakes.host import Host, capture

from titan_provenance.cli.main import program

VERIFY_RELEASE = Path(sys.executable).with_name("verify-release")


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Host(tmp_path)


def all_commands(group, context):
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            for path, inner in all_commands(command, context):
                yield (name, *path), inner
        else:
            yield (name,), command


COMMANDS = dict(all_commands(program(), click.Context(program())))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_option_has_the_variable_of_its_name(path):
    root = click.Context(program(), info_name="x", auto_envvar_prefix="TITAN_PROVENANCE")
    for name in path:
        root = click.Context(COMMANDS.get(path), parent=root, info_name=name)
    with pytest.raises(click.exceptions.Exit):
        COMMANDS[path].parse_args(root, ["--help"])
    options = [item for item in COMMANDS[path].params if isinstance(item, click.Option)]
    flags = {max(item.opts, key=len): item.envvar for item in options}
    prefix = "_".join(["TITAN_PROVENANCE", *path])
    assert flags == {
        flag: f"{prefix}_{flag.lstrip('-')}".replace("-", "_").upper() for flag in flags
    }


def verify(host, *options, redirect="", **environment):
    words = f'"$0" release/manifest.json --keys keys --state state.json "$@" {redirect}'
    return subprocess.run(
        ["bash", "-c", words, VERIFY_RELEASE, *options],
        cwd=host.directory,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("FLEET", "nowhere.yaml", "nowhere.yaml: does not exist"),
        ("BUNDLE", "nowhere.json", "nowhere.json: does not exist"),
        ("COMPOSE", "compose.yaml", "--compose is not available"),
        ("EVIDENCE", "evidence", "--evidence is not available"),
    ],
)
def test_what_the_environment_asks_for_is_not_dropped(host, option, value, message):
    done = verify(host, **{f"TITAN_PROVENANCE_VERIFY_{option}": value})
    assert done.returncode in {2, 3}
    assert message in done.stdout + done.stderr


def test_errors_have_the_form_that_the_environment_asks_for(host):
    variables = {"TITAN_PROVENANCE_VERIFY_FORMAT": "json", "TITAN_PROVENANCE_VERIFY_DEBUG": "1"}
    done = verify(host, "--fleet", "nowhere.yaml", **variables)
    assert json.loads(done.stdout)["error"]["code"] == "unreadable"
    assert "Traceback" in done.stderr


@pytest.mark.parametrize(
    "option", ["keys", "state", "override", "files", "fleet", "at", "bundle", "evidence", "vsa"]
)
def test_an_option_that_is_there_but_empty_is_an_error(host, option):
    done = verify(host, f"--{option}", "")
    assert (done.returncode, done.stderr) == (2, f"error: --{option} is empty\n")


@pytest.mark.parametrize(
    ("redirect", "code"),
    [
        (">&-", 3),
        ("2>&-", 0),
        (">&- 2>&-", 3),
        (">/dev/full", 3),
        ("--fleet nowhere.yaml 2>/dev/full", 3),
        ("--fleet nowhere.yaml --format json >/dev/full", 3),
        ("--fleet nowhere.yaml >&- 2>&-", 3),
    ],
)
def test_a_stream_that_cannot_be_written_never_changes_what_the_exit_code_says(
    host, redirect, code
):
    done = verify(host, redirect=redirect)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr


def test_numbers_that_yaml_would_shorten_are_refused_in_a_config(host):
    path = host.write("manifest:\n  build:\n    version: 1.10\n", "config.yaml")
    words = ["manifest", "build", "--config", path, "--format", "json"]
    code, out = capture(program(), "titan-provenance", words)
    assert code == 2
    assert "config.yaml:3:14: manifest.build.version: expected text" in out.decode()
