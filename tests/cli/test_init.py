import os
import subprocess
import sys

import pytest

from titan_provenance.cli.command import run
from titan_provenance.cli.main import program
from titan_provenance.fleet_file import load_fleet


def init(*arguments):
    return run(program(), "titan-provenance", ["init", *arguments])


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "compose.prod.yaml").write_text(
        "services:\n  titan-brain: {image: ghcr.io/t/brain}\n  titan-nats: {build: .}\n"
    )
    (tmp_path / "compose.dev.yaml").write_text("services: {titan-brain: {image: dev}}")
    return tmp_path


@pytest.mark.usefixtures("tree")
def test_init_writes_the_file_and_says_what_comes_next(capsys):
    assert init() == 0
    out, err = capsys.readouterr()
    assert out == "titan-provenance.yaml\n"
    assert err == (
        "fleet titan from compose.prod.yaml:\n"
        "  brain  ghcr.io/t/brain\n"
        "  nats   registry.example/titan/nats  (FILL IN)\n"
        "not used: compose.dev.yaml\n"
        "next: fill in the 1 marked place of titan-provenance.yaml, then: titan-provenance doctor\n"
    )
    fleet = load_fleet("titan-provenance.yaml")
    assert [(s.name, s.compose) for s in fleet.services] == [
        ("brain", "titan-brain"),
        ("nats", "titan-nats"),
    ]


def test_init_takes_a_tree_and_a_choice_of_files(tree, capsys):
    assert init(str(tree), "--compose", "compose.dev.yaml", "--quiet") == 0
    assert capsys.readouterr() == (f"{tree}/titan-provenance.yaml\n", "")
    assert load_fleet(str(tree / "titan-provenance.yaml")).compose == ("compose.dev.yaml",)


@pytest.mark.parametrize("kind", ["file", "broken link"])
def test_init_never_overwrites(tree, capsys, kind):
    path = tree / "titan-provenance.yaml"
    if kind == "file":
        path.write_text("mine")
    else:
        path.symlink_to("nowhere")
    assert init() == 2
    assert capsys.readouterr().err.startswith("error: titan-provenance.yaml: exists already\n  →")
    assert kind != "file" or path.read_text() == "mine"
    assert not (tree / "nowhere").exists()


def test_init_without_a_compose_file_says_where_to_run_it(tmp_path, capsys):
    assert init(str(tmp_path)) == 2
    assert "no compose file here\n  → Run init where" in capsys.readouterr().err
    assert os.listdir(tmp_path) == []


def test_init_in_a_tree_that_is_none_could_not_check(tmp_path, capsys):
    assert init(str(tmp_path / "gone")) == 3
    assert "No such file" in capsys.readouterr().err


def test_init_leaves_nothing_when_it_cannot_write(tree, capsys, monkeypatch):
    def no_space(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", no_space)
    assert init() == 3
    assert "cannot be written: No space left on device" in capsys.readouterr().err
    assert sorted(os.listdir(tree)) == ["compose.dev.yaml", "compose.prod.yaml"]


def test_an_error_names_file_line_and_column(tree, capsys):
    (tree / "compose.prod.yaml").write_text("services:\n  a: {image: [x]}\n")
    assert init() == 2
    err = capsys.readouterr().err
    assert "compose.prod.yaml:2:14: services.a.image: expected text, found a list" in err


def test_init_loads_no_client_of_engine_or_registry(tree):
    code = (
        "import sys; from titan_provenance.cli.command import run;"
        "from titan_provenance.cli.main import program;"
        "run(program(), 'titan-provenance', ['init', '--quiet']);"
        "sys.exit(bool({'docker', 'requests', 'rich', 'sigstore'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tree, check=True, stdout=subprocess.DEVNULL)
