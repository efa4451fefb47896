import os
import subprocess

import pytest

from titan_provenance.errors import CouldNotCheckError, UsageError
from titan_provenance.release.git import read_source, without_credentials


def git(tree, *words):
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.test"]
    done = subprocess.run(
        ["git", "-C", str(tree), *identity, *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def tree(tmp_path):
    git(tmp_path, "init", "-q")
    git(tmp_path, "remote", "add", "origin", "https://ci:token@git.example/titan.git")
    (tmp_path / "a").write_text("a")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-qm", "a")
    return tmp_path


def test_commit_and_origin_without_its_token(tree):
    source = read_source(str(tree), uri=None, allow_dirty=False)
    assert source.uri == "https://git.example/titan.git"
    assert source.commit == git(tree, "rev-parse", "HEAD")
    assert source.dirty is False


def test_dirty_tree_is_refused_unless_allowed(tree):
    (tree / "a").write_text("b")
    with pytest.raises(UsageError, match="not committed: a"):
        read_source(str(tree), uri=None, allow_dirty=False)
    assert read_source(str(tree), uri=None, allow_dirty=True).dirty is True


def test_untracked_files_do_not_make_it_dirty(tree):
    (tree / "manifest.json").write_text("{}")
    assert read_source(str(tree), uri=None, allow_dirty=False).dirty is False


def test_no_work_tree_no_commit_no_origin(tmp_path, tree):
    outside = tmp_path / "outside"
    with pytest.raises(UsageError, match="no git work tree"):
        read_source(str(outside), uri=None, allow_dirty=False)
    git(tree, "remote", "remove", "origin")
    with pytest.raises(UsageError, match="no remote called origin"):
        read_source(str(tree), uri=None, allow_dirty=False)
    assert read_source(str(tree), uri="git@x:y", allow_dirty=False).uri == "git@x:y"
    empty = tmp_path / "empty"
    empty.mkdir()
    git(empty, "init", "-q")
    with pytest.raises(UsageError, match="no commit"):
        read_source(str(empty), uri="x", allow_dirty=False)


def test_tree_of_another_user(tree):
    if os.geteuid() != 0:
        pytest.skip("only root can give a tree away")
    os.chown(tree, 12345, 12345)
    os.chown(tree / ".git", 12345, 12345)
    with pytest.raises(UsageError, match="belongs to another user"):
        read_source(str(tree), uri=None, allow_dirty=False)


def test_submodule_that_hides_its_changes(tree):
    git(tree, "init", "-q", "part")
    git(tree / "part", "commit", "-q", "--allow-empty", "-m", "a")
    (tree / ".gitmodules").write_text('[submodule "part"]\npath = part\nurl = x\nignore = all\n')
    git(tree, "add", "-f", ".gitmodules", "part")
    git(tree, "commit", "-qm", "b")
    git(tree / "part", "commit", "-q", "--allow-empty", "-m", "c")
    with pytest.raises(UsageError, match="not committed: part"):
        read_source(str(tree), uri=None, allow_dirty=False)


def test_git_that_is_not_installed(tree, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CouldNotCheckError, match="git is not installed"):
        read_source(str(tree), uri=None, allow_dirty=False)


def test_hooks_of_the_tree_are_not_run(tree):
    git(tree, "config", "core.fsmonitor", f"touch {tree}/ran")
    read_source(str(tree), uri=None, allow_dirty=False)
    assert not (tree / "ran").exists()


@pytest.mark.parametrize(
    ("uri", "clean"),
    [
        ("https://user:secret@h/x", "https://h/x"),
        ("https://h:8443/x", "https://h:8443/x"),
        ("http://t@h/x", "http://h/x"),
        ("git@github.com:org/x.git", "git@github.com:org/x.git"),
        ("ssh://git@h/x", "ssh://git@h/x"),
        ("ssh://git:secret@h/x", "ssh://git@h/x"),
        ("git+ssh://git:secret@h/x", "git+ssh://git@h/x"),
        ("user:secret@h:org/x.git", "user@h:org/x.git"),
        ("HTTPS://x-access-token:secret@h/x", "HTTPS://h/x"),
        ("git+https://user:secret@h/x", "git+https://h/x"),
        ("https://h/x?private_token=secret", "https://h/x"),
        ("https://h/x#secret", "https://h/x"),
        ("https://us:er@secret@h/x", "https://h/x"),
        ("https://[bad", "https://[bad"),
        ("/srv/git/x.git", "/srv/git/x.git"),
    ],
)
def test_credentials_leave_the_uri(uri, clean):
    assert without_credentials(uri) == clean
