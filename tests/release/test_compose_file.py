import pytest
from hypothesis import given
from hypothesis import strategies as st

from titan_provenance.errors import DocumentError, UnreadableError
from titan_provenance.release.compose_file import UNKNOWN, expand, read_compose


@pytest.mark.parametrize(
    ("written", "text", "origin"),
    [
        ("redis:7", "redis:7", "lllllll"),
        ("$A/b", f"{UNKNOWN}/b", "?ll"),
        ("${A}/b", f"{UNKNOWN}/b", "?ll"),
        ("${A:?say it}b", f"{UNKNOWN}b", "?l"),
        ("${A?say it}b", f"{UNKNOWN}b", "?l"),
        ("${A:-x}b", "xb", "dl"),
        ("${A-x}b", "xb", "dl"),
        ("${A:-}b", "b", "l"),
        ("${A:+x}b", "b", "l"),
        ("${A+x}b", "b", "l"),
        ("${A:-${B:-x}y}b", "xyb", "ddl"),
        ("${A:-${B}y}b", f"{UNKNOWN}yb", "?dl"),
        ("${A:-${B:?}}}", f"{UNKNOWN}}}", "?l"),
        ("a$$b", "a$b", "lll"),
        ("${A:-a$$b}", "a$b", "ddd"),
        ("", "", ""),
    ],
)
def test_variables_become_their_defaults(written, text, origin):
    expansion = expand(written)
    assert (expansion.text, expansion.origin) == (text, origin)
    assert expansion.is_known() == (UNKNOWN not in text)
    assert expansion.is_literal() == (not set(origin) - {"l"})


@pytest.mark.parametrize(
    "written", ["$", "a$-", "${", "${A", "${A:-${B}", "${1}", "${A!x}", "a\nb"]
)
def test_what_compose_does_not_interpolate_is_an_error(written):
    with pytest.raises(DocumentError):
        expand(written)


@given(st.text(alphabet="${}:-?+AB/x", max_size=60))
def test_any_text_expands_or_is_refused(text):
    try:
        expansion = expand(text)
    except DocumentError:
        return
    assert len(expansion.text) == len(expansion.origin)


def tree(tmp_path, **files):
    for name, text in files.items():
        path = tmp_path / name.replace("__", "/").replace("_yml", ".yml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(tmp_path)


def images(model):
    return {service.name: service.image for service in model.services}


def test_later_files_stand_over_earlier_ones(tmp_path):
    model = read_compose(
        tree(
            tmp_path,
            a_yml="name: one\nservices: {x: {image: x:1, build: .}, y: {image: y}, z: {image: z}}",
            b_yml="name: two\nservices: {x: {build: !reset null, image: !override 'x:2'}, "
            "y: !reset null, z: {image: !reset null, build: .}, n: {image: n}}",
        ),
        ["a.yml", "b.yml"],
    )
    assert images(model) == {"n": "n", "x": "x:2", "z": None}
    assert [service.built for service in model.services] == [False, False, True]
    assert [service.place for service in model.services] == ["b.yml:2"] * 3
    assert model.name == "two"
    assert model.files == ("a.yml", "b.yml")


def test_anchors_and_merge_keys_are_followed(tmp_path):
    text = (
        "x-a: &a {image: base, build: .}\nservices:\n  x: {<<: *a}\n  y: {<<: [*a], image: own}\n"
    )
    model = read_compose(tree(tmp_path, a_yml=text), ["a.yml"])
    assert images(model) == {"x": "base", "y": "own"}
    assert all(service.built for service in model.services)


def test_extends_is_followed_in_the_file_and_below_the_tree(tmp_path):
    model = read_compose(
        tree(
            tmp_path,
            a_yml="services:\n  x: {extends: y}\n  y: {extends: {service: c, file: ./lib/c.yml}}\n"
            "  z: {extends: {service: gone, file: ../no.yml}, image: z}\n",
            lib__c_yml="services: {c: {extends: {service: d, file: d.yml}, build: .}}",
            lib__d_yml="services: {d: {image: deep}}",
        ),
        ["a.yml"],
    )
    assert images(model) == {"x": "deep", "y": "deep", "z": "z"}
    assert [service.built for service in model.services] == [True, True, False]
    assert model.files == ("a.yml", "lib/c.yml", "lib/d.yml")


def test_included_files_bring_their_services(tmp_path):
    model = read_compose(
        tree(
            tmp_path,
            a_yml="include: [b.yml, {path: [sub/c.yml]}]\nservices: {x: {image: own}}",
            b_yml="services: {x: {image: other}, y: {image: y}}",
            sub__c_yml="include: [d.yml]\nservices: {z: {image: z}}",
            sub__d_yml="services:",
        ),
        ["a.yml"],
    )
    assert images(model) == {"x": "own", "y": "y", "z": "z"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("services: {x: {extends: x}}", "a.yml:1:25: services.x.extends: extends itself: x → x"),
        ("services: {x: {extends: y}, y: {extends: x}}", "extends itself: x → y → x"),
        ("services: {x: {extends: {service: x, file: a.yml}}}", "extends itself"),
        ("services: {x: {extends: y}}", 'extends "y", which is no service of a.yml'),
        ("services: {x: {extends: {file: a.yml}}}", 'the key "service" is missing'),
        ("services: {x: {extends: {service: y, file: ../b.yml}}}", "lies outside"),
        ("services: {x: {extends: {service: y, file: /etc/passwd}}}", "lies outside"),
        ("services: {x: {extends: {service: y, file: link.yml}}}", "lies outside"),
        ("include: [a.yml]", "a.yml:1:11: include[0]: includes itself: a.yml → a.yml"),
        ("services: {x: {image: 5}}", "a.yml:1:23: services.x.image: expected text"),
        ("services: {x: {image: 'a:${A'}}", 'a.yml:1:23: services.x.image: "a:${A" has a "${"'),
        ("services: {x y: {image: a}}", "a.yml:1:12: services.x y: 'x y' is no name"),
        ("services: [x]", "a.yml:1:11: services: expected a mapping"),
        ("services: {x: image}", "a.yml:1:15: services.x: expected a mapping"),
        ("services: {x: {build: !secret .}}", "the tag !secret is not allowed"),
        ("", "is empty"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path, text, message):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/link.yml").symlink_to("../outside.yml")
    (tmp_path / "outside.yml").write_text("services: {y: {image: y}}")
    with pytest.raises(DocumentError) as caught:
        read_compose(tree(tmp_path / "tree", a_yml=text), ["a.yml"])
    assert message in caught.value.message


def test_chains_and_numbers_of_files_are_limited(tmp_path):
    chain = "".join(f"  s{i}: {{extends: s{i + 1}}}\n" for i in range(100))
    text = f"services:\n{chain}  s100: {{image: x}}\n"
    with pytest.raises(DocumentError, match="extends more than 64 services in a row"):
        read_compose(tree(tmp_path, a_yml=text), ["a.yml"])
    for i in range(70):
        (tmp_path / f"f{i}.yml").write_text(f"include: [f{i + 1}.yml]")
    with pytest.raises(DocumentError, match="more than 64 compose files"):
        read_compose(str(tmp_path), ["f0.yml"])


def test_a_missing_file_cannot_be_checked(tmp_path):
    text = "services: {x: {extends: {service: y, file: gone.yml}}}"
    with pytest.raises(UnreadableError, match=r"gone\.yml: does not exist"):
        read_compose(tree(tmp_path, a_yml=text), ["a.yml"])
