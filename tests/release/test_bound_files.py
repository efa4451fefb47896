import pytest

from titan_provenance.errors import UnreadableError, UsageError, VerificationError
from titan_provenance.model.digest import Digest
from titan_provenance.model.release import BoundFiles
from titan_provenance.release.bound_files import bind_files, check_files


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "migrations").mkdir()
    (tmp_path / "docker-compose.prod.yml").write_text("services: {}\n")
    (tmp_path / "migrations" / "001.sql").write_text("create table a ();\n")
    (tmp_path / "migrations" / "002.sql").write_text("create table b ();\n")
    (tmp_path / "README").write_text("not bound\n")
    return tmp_path


PATTERNS = ["docker-compose.prod.yml", "migrations/*.sql"]


def test_binds_what_matches(tree):
    files = bind_files(str(tree), PATTERNS)
    assert [path for path, _ in files.digests] == [
        "docker-compose.prod.yml",
        "migrations/001.sql",
        "migrations/002.sql",
    ]
    assert dict(files.digests)["docker-compose.prod.yml"] == Digest.of(b"services: {}\n")
    assert check_files(files, str(tree))[0]


def test_pattern_that_matches_nothing_is_an_error(tree):
    with pytest.raises(UsageError, match=r'"config/\*" matches nothing'):
        bind_files(str(tree), ["config/*"])


def test_bracket_in_a_name_stands_for_itself(tree):
    (tree / "a[1].yml").write_text("a")
    (tree / "a1.yml").write_text("b")
    assert [path for path, _ in bind_files(str(tree), ["a[1].yml"]).digests] == ["a[1].yml"]


def test_changed_missing_and_extra_files_are_all_named(tree):
    files = bind_files(str(tree), PATTERNS)
    (tree / "docker-compose.prod.yml").write_text("services: {evil: {}}\n")
    (tree / "migrations" / "001.sql").unlink()
    (tree / "migrations" / "003.sql").write_text("drop table a;\n")
    with pytest.raises(VerificationError) as caught:
        check_files(files, str(tree))
    assert caught.value.message == (
        "docker-compose.prod.yml is changed; migrations/001.sql is missing; "
        "migrations/003.sql is not part of the release"
    )


def test_file_that_leads_out_of_the_directory(tree):
    files = bind_files(str(tree), PATTERNS)
    outside = tree.parent / "outside.sql"
    outside.write_text("create table a ();\n")
    (tree / "migrations" / "001.sql").unlink()
    (tree / "migrations" / "001.sql").symlink_to(outside)
    with pytest.raises(UnreadableError, match="leads out of"):
        check_files(files, str(tree))


def test_directory_in_place_of_a_file(tree):
    files = BoundFiles((), (("migrations", Digest.of(b"")),))
    with pytest.raises(UnreadableError, match="is a directory"):
        check_files(files, str(tree))


def test_two_stars_reach_into_folders(tree):
    assert len(bind_files(str(tree), ["**/*.sql"]).digests) == 2
