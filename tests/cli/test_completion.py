import shutil
import subprocess

import pytest

from titan_provenance.cli.command import run
from titan_provenance.cli.main import program


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_is_printed(shell, capsys, tmp_path):
    assert run(program(), "titan-provenance", ["completion", shell]) == 0
    script = capsys.readouterr().out
    assert f"_TITAN_PROVENANCE_COMPLETE={shell}_complete" in script
    if shutil.which(shell):
        (tmp_path / "script").write_text(script)
        subprocess.run([shell, "-n", tmp_path / "script"], check=True)


def test_another_shell_is_a_usage_error(capsys):
    assert run(program(), "titan-provenance", ["completion", "tcsh"]) == 2
    assert "'tcsh' is not one of" in capsys.readouterr().err


def test_a_word_is_completed(monkeypatch, capsys):
    monkeypatch.setenv("_TITAN_PROVENANCE_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "titan-provenance init --com")
    monkeypatch.setenv("COMP_CWORD", "2")
    with pytest.raises(SystemExit) as caught:
        run(program(), "titan-provenance", [])
    assert caught.value.code == 0
    assert capsys.readouterr().out == "plain,--compose\n"
