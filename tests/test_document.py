import contextlib
import json
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from titan_provenance.document import (
    dump_json,
    load_json,
    nearest,
    parse_compose_yaml,
    parse_json,
    parse_yaml,
)
from titan_provenance.errors import DocumentError


def refusal(parse, data, **options):
    with pytest.raises(DocumentError) as caught:
        parse(data, "f", **options)
    return caught.value


@pytest.mark.parametrize(
    "value",
    [
        None,
        0,
        -1.5,
        "é \U0001f600 \u2028",
        [],
        {"a": [1, {"b": None}], "": False},
        10**400,
    ],
)
def test_json_reads_as_the_standard_parser_does(value):
    assert load_json(json.dumps(value).encode(), "f") == value
    assert parse_json(json.dumps(value).encode(), "f").plain() == value


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "f:1:1: not JSON: Expecting value"),
        (b"{", "f:1:2: not JSON"),
        (b'{"a": 1}\n x', "f:2:2: not JSON: Extra data"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', 'f: duplicate key "c"'),
        (b'{"\\ud800": 1, "\\ud800": 2}', r'f: duplicate key "\ud800"'),
        (b'{"a": 1, "\\u0061": 2}', 'f: duplicate key "a"'),
        (b"[NaN]", "f: NaN is not JSON"),
        (b"[Infinity]", "f: Infinity is not JSON"),
        (b"[-Infinity]", "f: -Infinity is not JSON"),
        (b"[1e999]", "f: the number 1e999 is too large"),
        (b"9" * 5000, "f: not JSON: Exceeds the limit"),
        (b"\xef\xbb\xbf{}", "f: starts with a byte order mark"),
        ("{}".encode("utf-16"), "f: not UTF-8 text (byte 0)"),
        (b'"\xff"', "f: not UTF-8 text (byte 1)"),
        (b'"\xed\xa0\x80"', "f: not UTF-8 text (byte 1)"),
        (b'"\\ud800"', "f: holds half of a surrogate pair"),
        (b'{"\\uDC00": 1}', "f: holds half of a surrogate pair"),
        (b'["\\ud83d\\ude00", "\\ud83d"]', "f: holds half of a surrogate pair"),
        (b"\x00\x01\x02", "f:1:1: not JSON"),
        (b"'a'", "f:1:1: not JSON"),
        (b'"a\nb"', "f:1:3: not JSON: Invalid control character"),
        (b"[1,]", "f:1:"),
        (b"[" * 65 + b"]" * 65, "f: nested deeper than 64 levels"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "f: nested deeper than 64 levels"),
        (b"[" * 100_000, "f: nested deeper than 64 levels"),
        (b"[" + b"0," * 100_000 + b"0]", "f: more than 100000 values"),
    ],
)
def test_json_that_two_readers_could_read_in_two_ways_is_refused(data, message):
    assert refusal(parse_json, data).message.startswith(message)
    assert refusal(load_json, data).file == "f"


def test_json_brackets_in_text_do_not_nest():
    assert load_json(b'"' + b"[{" * 1000 + b'"', "f") == "[{" * 1000
    assert load_json(b"[" * 64 + b"]" * 64, "f")


def test_a_surrogate_pair_is_a_character():
    assert load_json(b'"\\ud83d\\ude00"', "f") == "\U0001f600"


def test_the_number_of_values_may_be_wider():
    assert len(load_json(b"[" + b"1," * 100_000 + b"1]", "f", max_values=200_000)) == 100_001
    assert "more than 2 values" in refusal(load_json, b"[1, 2]", max_values=2).message


def test_dumped_json_is_sorted_indented_utf8_with_one_final_newline():
    assert dump_json({"b": "é", "a": []}) == '{\n  "a": [],\n  "b": "é"\n}\n'.encode()
    with pytest.raises(ValueError, match="not JSON compliant"):
        dump_json(float("nan"))


def test_yaml_reads_scalars_lists_mappings_anchors_and_merge_keys():
    data = b"""\
a: &a {x: 1, y: [true, null, 1.5, "s"]}
b: *a
c: {<<: *a, x: 2}
d: {x: 3, <<: [{x: 4, z: 5}, {z: 6, w: 7}]}
2026-01-01: 2026-11-23
1: one
e: '1'
"""
    first = {"x": 1, "y": [True, None, 1.5, "s"]}
    assert parse_yaml(data, "f").plain() == {
        "a": first,
        "b": first,
        "c": {**first, "x": 2},
        "d": {"x": 3, "z": 5, "w": 7},
        "2026-01-01": "2026-11-23",
        "1": "one",
        "e": "1",
    }


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "f: is empty"),
        (b"# only a comment\n", "f: is empty"),
        (b"a: 1\nb: 2\na: 3\n", 'f:3:1: duplicate key "a"'),
        (b"a: {1: x, '1': y}\n", 'f:1:11: a: duplicate key "1"'),
        (b"a: [1\n", "f:2:1: not YAML"),
        (b"a: b: c\n", "f:1:5: not YAML: mapping values are not allowed"),
        (b"a: 1\n--- \nb: 2\n", "f: holds more than one YAML document"),
        (b"\xef\xbb\xbfa: 1\n", "f: starts with a byte order mark"),
        (b"a: \xff\n", "f: not UTF-8 text (byte 3)"),
        (b"a: \x00\n", "f: not YAML: "),
        (b"\x7fELF\x02\x01\x01\x00\x00", "f: not YAML: "),
        (b"a: !x 1\n", "f:1:4: a: the tag !x is not allowed here"),
        (b"a: !reset null\n", "f:1:4: a: the tag !reset is not allowed here"),
        (b"a: !!python/name:os.system x\n", "f:1:4: a: the tag tag:yaml.org,2002:python/name:os."),
        (b"a: !!set {x}\n", "f:1:4: a: the tag tag:yaml.org,2002:set is not allowed here"),
        (b"a: !!binary aGk=\n", "f:1:4: a: the tag tag:yaml.org,2002:binary is not allowed"),
        (b"a: !!map x\n", "f:1:4: a: the tag tag:yaml.org,2002:map is not allowed here"),
        (b"a: !!int [1]\n", "f:1:4: a: the tag tag:yaml.org,2002:int is not allowed here"),
        (b"a: !!int ''\n", 'f:1:4: a: "" cannot be read as int'),
        (b"a: !!bool maybe\n", 'f:1:4: a: "maybe" cannot be read as bool'),
        (b"a: !!float x\n", 'f:1:4: a: "x" cannot be read as float'),
        (b"a: .inf\n", "f:1:4: a: expected a finite number"),
        (b"a: .nan\n", "f:1:4: a: expected a finite number"),
        (b"a: " + b"9" * 5000 + b"\n", "f:1:4: a: 5000 characters cannot be read as int"),
        (b"? [a]\n: 1\n", "f:1:3: a key is text"),
        (b"? {a: b}\n: 1\n", "f:1:3: a key is text"),
        (b"a: &a [*a]\n", "f:1:4: a[0]: an anchor that contains itself"),
        (b"a: &a {b: {c: *a}}\n", "f:1:4: a.b.c: an anchor that contains itself"),
        (b"a: *b\n", "f:1:4: not YAML: found undefined alias"),
        (b"a: {<<: 5}\n", "f:1:9: a: expected a mapping, found a number"),
        (b"[" * 65 + b"]" * 65, "f: nested deeper than 64 levels"),
        (b"- " * 100_000, "f: nested deeper than 64 levels"),
        (b"[" + b"a," * 50_000 + b"]", "f: more than 50000 values"),
        (b"a: &a x\nb: [" + b"*a," * 1001 + b"]", "f: more than 1000 aliases"),
        (b"%YAML 3.0\n---\na: 1\n", "f:1:1: not YAML: found incompatible YAML document"),
    ],
)
def test_yaml_that_is_not_plain_data_is_refused_with_its_place(data, message):
    error = refusal(parse_yaml, data)
    assert error.message.startswith(message)
    assert "\n" not in error.message
    assert error.file == "f"


def test_an_alias_bomb_is_counted_as_what_it_unfolds_to():
    lines = [b"a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [b"a%d: &a%d [%s]" % (i, i, b", ".join([b"*a%d" % (i - 1)] * 10)) for i in range(1, 9)]
    start = time.monotonic()
    assert "more than 50000 values" in refusal(parse_yaml, b"\n".join(lines)).message
    assert time.monotonic() - start < 10


def test_compose_tags_are_read_only_where_asked_for():
    data = b"a: !reset {x: 1}\nb: !override [1]\nc: !override {d: !reset null}\ne: !override f\n"
    assert parse_compose_yaml(data, "f").plain() == {
        "a": None,
        "b": [1],
        "c": {"d": None},
        "e": "f",
    }
    assert "!secret is not allowed" in refusal(parse_compose_yaml, b"a: !secret x").message


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_positions_count_lines_and_columns_from_one(newline):
    data = newline.join([b"services:", b"  brain:", b"    image: [1, x]", b""])
    image = parse_yaml(data, "f").mapping()["services"].mapping()["brain"].mapping()["image"]
    assert (image.line, image.column, image.path) == (3, 12, "services.brain.image")
    assert (image.at_key().line, image.at_key().column) == (3, 5)
    assert (image.items()[1].line, image.items()[1].column) == (3, 16)
    assert image.items()[1].path == "services.brain.image[1]"


def test_json_errors_name_the_path():
    node = parse_json(b'{"a": [{"b": 1}]}', "f").mapping()["a"].items()[0].mapping()["b"]
    with pytest.raises(DocumentError, match=r"^f: a\[0\]\.b: expected text, found a number"):
        node.text()


@pytest.mark.parametrize(
    ("data", "ask", "message"),
    [
        (b"a: 1", lambda n: n.text(), "expected text, found a number (write it in quotes)"),
        (b"a: no", lambda n: n.text(), "expected text, found a boolean (write it in quotes)"),
        (b"a: ''", lambda n: n.text(), "is empty"),
        (b"a:", lambda n: n.text(), "expected text, found nothing"),
        (b"a: x", lambda n: n.integer(), "expected a whole number, found text"),
        (b"a: true", lambda n: n.integer(), "expected a whole number, found a boolean"),
        (b"a: 1.0", lambda n: n.integer(), "expected a whole number, found a number"),
        (b"a: 0", lambda n: n.integer(1), "0 is not between 1 and 9007199254740991"),
        (b"a: 9007199254740992", lambda n: n.integer(), "is not between 0 and"),
        (b"a: 1", lambda n: n.boolean(), "expected true or false, found a number"),
        (b"a: {}", lambda n: n.items(), "expected a list, found a mapping"),
        (b"a: []", lambda n: n.mapping(), "expected a mapping, found a list"),
        (b"a: {b: 1}", lambda n: n.mapping(("c",)), 'unknown key "b"'),
        (b"a: {b: 1}", lambda n: n.mapping(required=("c",)), 'the key "c" is missing'),
    ],
)
def test_a_value_of_another_kind_is_refused(data, ask, message):
    with pytest.raises(DocumentError) as caught:
        ask(parse_yaml(data, "f").mapping()["a"])
    assert message in caught.value.message


def test_a_value_of_the_kind_asked_for_is_given():
    keys = parse_yaml(b"a: 5\nb: true\nc: x\nd: [1]\n", "f").mapping(("a", "b", "c", "d"))
    assert (keys["a"].integer(5), keys["b"].boolean(), keys["c"].text()) == (5, True, "x")
    assert keys["c"].parsed(str.upper) == "X"
    assert [item.plain() for item in keys["d"].items()] == [1]


def test_unknown_keys_may_be_ignored():
    node = parse_json(b'{"a": 1, "b": 2}', "f")
    assert set(node.mapping(("a",), ignore_unknown=True)) == {"a", "b"}


def test_an_error_of_a_parser_gets_the_place_once():
    def inner(text):
        raise DocumentError(f"{text} is bad", hint="h")

    def outer(_text):
        raise DocumentError("there: bad", file="there")

    node = parse_yaml(b"a: x", "f").mapping()["a"]
    with pytest.raises(DocumentError, match=r"^f:1:4: a: x is bad$"):
        node.parsed(inner)
    with pytest.raises(DocumentError, match=r"^there: bad$"):
        node.parsed(outer)


def test_the_nearest_word_is_named_or_all():
    assert nearest("servces", ["services", "trust"]) == 'Did you mean "services"?'
    assert nearest("xyz", ["services", "trust"]) == "Known here: services, trust."


def test_a_long_key_is_quoted_in_part_and_not_copied_for_each_value_below_it():
    key = b"k" * 500_000
    data = b'{"' + key + b'": [' + b"0," * 50_000 + b"0]}"
    tracemalloc.start()
    node = parse_json(data, "f")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 << 20
    with pytest.raises(DocumentError) as caught:
        node.mapping(("x",))
    assert len(caught.value.message) < 400


HOSTILE = {
    "quotes": b'"' * 1_000_000,
    "escaped quotes": b'"' + b'\\"' * 500_000,
    "backslashes": b'"' + b"\\" * 999_999,
    "openings": b"[" * 1_000_000,
    "open texts": b'["' * 500_000,
    "spaces": b" " * 1_000_000,
    "digits": b"1" * 1_000_000,
    "base 60": b"1" + b":59" * 300_000,
    "underscores": b"1" + b"_" * 999_999,
    "keys": b"{" + b'"a":1,' * 160_000 + b'"a":1}',
    "yaml keys": b"{" + b"a: 1," * 200_000 + b"}",
    "lines": b"a\n" * 500_000,
    "block keys": b"? " * 500_000,
    "anchors": b"[" + b"&a a," * 200_000 + b"]",
    "comments": b"#\n" * 500_000,
    "tags": b"!" * 1_000_000,
    "percent": b"!<" + b"%41" * 300_000 + b"> a",
    "folded": b">\n" + b" a\n\n" * 200_000,
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("parse", [parse_json, parse_yaml])
def test_a_hostile_megabyte_takes_seconds_at_most(parse, name):
    start = time.process_time()
    message = ""
    try:
        parse(HOSTILE[name], "f")
    except DocumentError as error:
        message = error.message
    assert time.process_time() - start < 3
    assert len(message) < 1000


@given(st.binary(max_size=200))
def test_any_bytes_parse_or_are_refused(data):
    for parse in (parse_json, parse_yaml, parse_compose_yaml):
        with contextlib.suppress(DocumentError):
            parse(data, "f").plain()


@given(st.text(alphabet="[]{}:,-?&*!|>'\"%@`#\\ \n\t<ab10._~e+", max_size=60))
def test_any_text_of_yaml_syntax_parses_or_is_refused(text):
    for parse in (parse_json, parse_yaml, parse_compose_yaml):
        with contextlib.suppress(DocumentError):
            parse(text.encode(), "f").plain()


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON_VALUES)
def test_what_is_dumped_reads_back(value):
    assert load_json(dump_json(value), "f") == value
