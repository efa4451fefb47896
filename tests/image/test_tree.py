import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from titan_provenance.errors import CouldNotCheckError, DocumentError
from titan_provenance.image.contents import read_contents
from titan_provenance.image.names import NameList
from titan_provenance.image.tar import TarReader
from titan_provenance.image.tree import ImageTree

DIR, LINK, HARD, DEVICE = "dir", "symlink", "hard", "device"
TYPES = {
    DIR: tarfile.DIRTYPE,
    LINK: tarfile.SYMTYPE,
    HARD: tarfile.LNKTYPE,
    DEVICE: tarfile.CHRTYPE,
}


def layer(*entries):
    """Return the contents of a layer: names of files, or (name, kind[, target])."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", errors="surrogateescape") as tar:
        for entry in entries:
            name, kind, target = (*entry, "")[:3] if isinstance(entry, tuple) else (entry, "", "")
            member = tarfile.TarInfo(name)
            member.type = TYPES.get(kind, tarfile.REGTYPE)
            member.linkname = target
            content = b"" if kind else name.encode("utf-8", "surrogateescape")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    reader = TarReader([buffer.getvalue()], "layer")
    return read_contents(reader, lambda reader: reader.read(), "layer")


def tree_of(*layers):
    tree = ImageTree()
    for index, contents in enumerate(layers):
        tree.apply(contents, index)
    return tree


def files(*layers):
    return {path.decode(): kept.layer for path, kept in tree_of(*layers).files.items()}


def test_layers_add_up_and_the_last_one_of_a_name_counts():
    assert files(layer("a", "d/b"), layer("d/b", "d/c")) == {"a": 0, "d/b": 1, "d/c": 1}


def test_whiteouts_take_away_files_and_directories():
    base = layer(("d", DIR), "d/a", "d/b", "e/a", "f", "de")
    assert files(base, layer("d/.wh.a", ".wh.e", ".wh.f")) == {"d/b": 0, "de": 0}


def test_whiteouts_speak_of_lower_layers_only_wherever_they_stand():
    assert files(layer("a", "d/b"), layer("a", ".wh.a", "d/c", ".wh.d")) == {"a": 1, "d/c": 1}


def test_opaque_directories_lose_what_lower_layers_have_in_them():
    base = layer(("d", DIR), "d/a", "d/e/b", "f")
    assert files(base, layer("d/c", "d/.wh..wh..opq")) == {"d/c": 1, "f": 0}
    assert files(base, layer(".wh..wh..opq", "c")) == {"c": 1}


@pytest.mark.parametrize("name", [".wh.", ".wh...", ".wh..", "d/.wh...", "x.wh.a", ".wh.a/b"])
def test_names_that_only_look_like_whiteouts(name):
    assert "d/a" in files(layer("d/a"), layer(name))


def test_records_of_aufs_are_no_files():
    assert files(layer(".wh..wh.plnk/1.2", ".wh..wh.aufs", "a")) == {"a": 0}


def test_a_removed_file_is_remembered():
    tree = tree_of(layer("x"), layer("a"), layer(".wh.a"))
    assert [(item.path, item.kept.layer, item.layer) for item in tree.removed] == [(b"a", 1, 2)]


@pytest.mark.parametrize("kind", ["", LINK, DEVICE])
def test_a_directory_is_replaced_by_a_file_and_comes_back(kind):
    base = layer(("d", DIR), "d/a", "d/e/b", "dd")
    gone = files(base, layer(("d", kind, "nowhere")))
    assert gone == ({"d": 1, "dd": 0} if not kind else {"dd": 0})
    back = files(base, layer(("d", kind, "nowhere")), layer(("d", DIR), "d/c"))
    assert back == {"dd": 0, "d/c": 2}


def test_within_a_layer_the_last_entry_of_a_name_counts():
    assert files(layer("a", ("a", DIR))) == {}
    assert files(layer("a", ("a", DEVICE))) == {}
    assert files(layer("d/a", "d")) == {"d": 0}
    assert files(layer("d", ("d", DIR), "d/a")) == {"d/a": 0}
    contents = layer("a", "a")
    assert list(contents.files) == [b"a"]


def test_a_directory_joins_the_one_that_is_there():
    assert files(layer(("d", DIR), "d/a"), layer(("d", DIR), "d/b")) == {"d/a": 0, "d/b": 1}


def test_device_nodes_are_names_without_content():
    contents = layer(("dev/null", DEVICE))
    assert contents.files == {}
    assert list(contents.names) == [b"dev/null"]


def test_names_are_kept_inside_the_root():
    assert files(layer("/abs", "../../up", "./dot", "a/../b")) == {
        "abs": 0,
        "up": 0,
        "dot": 0,
        "b": 0,
    }


def test_names_that_are_no_utf_8():
    tree = tree_of(layer("caf\udce9", "\udcff/x"), layer(".wh.caf\udce9"))
    assert list(tree.files) == [b"\xff/x"]


def test_hard_links_have_the_content_of_their_target():
    tree = tree_of(layer("a", ("b", HARD, "./a")), layer(("c", HARD, "/b"), ".wh.a"))
    assert {path: kept.name for path, kept in tree.files.items()} == {b"b": b"a", b"c": b"a"}
    assert tree.files[b"c"].layer == 0


def test_hard_links_to_what_is_not_there():
    assert files(layer(("b", HARD, "nowhere"), ("c", HARD, "../../c"))) == {}


LINKS = layer(
    ("lib", LINK, "usr/lib"),
    ("usr/lib64", LINK, "lib"),
    ("abs", LINK, "/usr/lib"),
    ("out", LINK, "../../../etc"),
    ("etc/alternatives/x", LINK, "../x.d/./x"),
    ("loop", LINK, "loop/a"),
    ("one", LINK, "other"),
    ("other", LINK, "one"),
    ("self", LINK, "."),
    ("empty", LINK, ""),
)


@pytest.mark.parametrize(
    ("path", "resolved"),
    [
        (b"lib/x.so", b"usr/lib/x.so"),
        (b"usr/lib64/x.so", b"usr/lib/x.so"),
        (b"abs/x.so", b"usr/lib/x.so"),
        (b"out/passwd", b"etc/passwd"),
        (b"etc/alternatives/x", b"etc/x.d/x"),
        (b"lib/../bin", b"usr/bin"),
        (b"self/self/lib", b"usr/lib"),
        (b"../../a/./b//c", b"a/b/c"),
        (b"no/link", b"no/link"),
        (b"", b""),
    ],
)
def test_links_are_followed_inside_the_root(path, resolved):
    assert tree_of(LINKS).resolve(path) == resolved


@pytest.mark.parametrize("path", [b"loop", b"one/a", b"other/b/c"])
def test_circles_of_links_end(path):
    assert len(tree_of(LINKS).resolve(path)) < 1000


def test_files_behind_linked_directories_stand_where_they_are():
    assert files(LINKS, layer("lib/a", "abs/b")) == {"usr/lib/a": 1, "usr/lib/b": 1}
    assert files(layer("usr/lib/a"), LINKS, layer("lib/.wh.a")) == {}
    assert files(layer("usr/lib/a"), LINKS, layer("lib/.wh..wh..opq")) == {}


def test_a_directory_replaces_a_link():
    layers = [layer("usr/lib/a"), LINKS, layer(("lib", DIR), "lib/b")]
    assert files(*layers) == {"usr/lib/a": 0, "lib/b": 2}


def test_a_removed_link_leads_nowhere():
    tree = tree_of(LINKS, layer(".wh.lib"))
    assert tree.resolve(b"lib/a") == b"lib/a"


def test_names_longer_than_any_system_takes_are_refused():
    with pytest.raises(CouldNotCheckError, match="a name of 5000 bytes"):
        layer("d/" + "n" * 4998)
    with pytest.raises(CouldNotCheckError, match="a link to a name of 5000 bytes"):
        layer(("a", LINK, "n" * 5000))


@given(st.lists(st.binary(max_size=30).map(lambda name: name.replace(b"\0", b"")), max_size=50))
def test_name_lists_give_back_what_was_added(names):
    listed = NameList()
    for name in names:
        listed.add(name)
    assert list(listed) == names
    assert len(listed) == len(names)
    again = NameList.of_packed(listed.packed(), len(listed))
    assert list(again) == names


def test_many_names_take_little_memory():
    names = NameList()
    for number in range(100_000):
        names.add(b"some/directory/of/many/files/%d" % number)
    assert sum(map(len, names.packed())) < 700_000
    assert sum(1 for _ in names) == len(names) == 100_000


@pytest.mark.parametrize("block", [b"", b"x", b"\x78\x01"])
def test_damaged_names(block):
    with pytest.raises(DocumentError, match="names are"):
        list(NameList.of_packed([block], 1))


# The same rules, said in another way: a model that has every file.
STEPS = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(STEPS, min_size=1, max_size=3).map("/".join)
ENTRIES = st.one_of(
    PATHS,
    st.tuples(PATHS, st.just(DIR)),
    PATHS.map(lambda path: "/".join([*path.split("/")[:-1], ".wh." + path.split("/")[-1]])),
    PATHS.map(lambda path: path + "/.wh..wh..opq"),
)


def below(path, directory):
    return path.startswith(directory + "/")


def apply_plainly(state, entries, index):
    """Apply a layer to a dictionary of all files as an engine would, whiteouts first."""
    for entry in entries:
        if isinstance(entry, str):
            directory, _, last = entry.rpartition("/")
            if last == ".wh..wh..opq":
                state = {path: at for path, at in state.items() if not below(path, directory)}
            elif last.startswith(".wh."):
                gone = f"{directory}/{last[4:]}" if directory else last[4:]
                state = {
                    path: at for path, at in state.items() if path != gone and not below(path, gone)
                }
    for entry in entries:
        name = entry if isinstance(entry, str) else entry[0]
        if ".wh." in name:
            continue
        if isinstance(entry, str):
            state = {path: at for path, at in state.items() if not below(path, name)}
            state[name] = index
        else:
            state.pop(name, None)
    return state


def parents_come_first(entries):
    """Add the directories that a real layer has before each entry."""
    complete = []
    for entry in entries:
        name = entry if isinstance(entry, str) else entry[0]
        steps = name.split("/")[:-1]
        complete += [("/".join(steps[: end + 1]), DIR) for end in range(len(steps))]
        complete.append(entry)
    return complete


@given(st.lists(st.lists(ENTRIES, max_size=6), min_size=1, max_size=4))
def test_layers_are_applied_as_by_a_model_that_has_every_file(layers):
    layers = [parents_come_first(entries) for entries in layers]
    state = {}
    for index, entries in enumerate(layers):
        state = apply_plainly(state, entries, index)
    assert files(*(layer(*entries) for entries in layers)) == state
