"""JSON and YAML from outside, read strictly: bounded size and depth, no duplicate keys, no NaN.

Both formats come out as one `Node` tree that knows its file, line, column and path, so that
whoever reads a fleet file, a trust policy, a bundle or a manifest says *where* a thing is wrong.
JSON has no line numbers here (the standard parser keeps none); its errors name the path.

Sources: RFC 8259 (names should be unique, no NaN), RFC 7493 I-JSON (no lone surrogates),
YAML 1.1 as PyYAML reads it, without object tags, aliases limited.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from titan_provenance.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")

MAX_DEPTH = 64
MAX_JSON_VALUES = 100_000
MAX_YAML_NODES = 50_000
MAX_YAML_ALIASES = 1_000
MAX_SAFE_INTEGER = 2**53 - 1

_YAML_TAG = "tag:yaml.org,2002:"
_YAML_TYPES = {
    "mapping": {"map"},
    "sequence": {"seq"},
    "scalar": {"str", "int", "float", "bool", "null", "timestamp", "merge"},
}
_MAX_QUOTE = 100
_MAX_SCALAR = 400

# The way from the root to a value, the last step first: keys and indexes. Written out only in a
# message, since a long key over many values would otherwise be copied for each of them.
Path = tuple["Path", str | int] | str


class Node:
    """One value of a document, with the place it came from.

    `value` is None, a bool, int, float or str, a list of Nodes or a dict from str to Node.
    """

    __slots__ = ("column", "file", "key_column", "key_line", "line", "steps", "value")

    def __init__(
        self, value: Any, *, file: str, path: Path, line: int = 0, column: int = 0
    ) -> None:
        self.value = value
        self.file = file
        self.steps = path
        self.line = self.key_line = line
        self.column = self.key_column = column

    @property
    def path(self) -> str:
        """The keys and indexes that lead to this value: `services.brain.ports[0]`."""
        steps, path = self.steps, ""
        while isinstance(steps, tuple):
            steps, step = steps
            part = f"[{step}]" if isinstance(step, int) else f".{step[:_MAX_QUOTE]}"
            path = part + path
        return path.removeprefix(".")

    def fail(self, problem: str, hint: str = "") -> NoReturn:
        """Raise DocumentError about this node."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        subject = f"{place}: {self.path}" if self.path else place
        raise DocumentError(
            f"{subject}: {problem}", hint=hint, file=self.file, line=self.line, column=self.column
        )

    def at_key(self) -> Node:
        """Return this node as standing where its key stands, for an error about the key."""
        return Node(
            self.value, file=self.file, path=self.steps, line=self.key_line, column=self.key_column
        )

    def mapping(
        self,
        known: Iterable[str] | None = None,
        *,
        required: Iterable[str] = (),
        ignore_unknown: bool = False,
    ) -> dict[str, Node]:
        """Return the keys and values; `known` keys are checked unless unknown ones are ignored."""
        if not isinstance(self.value, dict):
            self.fail(f"expected a mapping, found {self._kind()}")
        if known is not None and not ignore_unknown:
            names = list(known)
            for key, node in self.value.items():
                if key not in names:
                    node.at_key().fail(
                        f'unknown key "{key[:_MAX_QUOTE]}"', nearest(key[:_MAX_QUOTE], names)
                    )
        for key in required:
            if key not in self.value:
                self.fail(f'the key "{key}" is missing')
        return self.value

    def items(self) -> list[Node]:
        """Return the elements of a list."""
        if not isinstance(self.value, list):
            self.fail(f"expected a list, found {self._kind()}")
        return self.value

    def text(self) -> str:
        """Return a non-empty string."""
        if not isinstance(self.value, str):
            quote = " (write it in quotes)" if self._is_scalar() else ""
            self.fail(f"expected text, found {self._kind()}{quote}")
        if not self.value:
            self.fail("is empty")
        return self.value

    def integer(self, minimum: int = 0) -> int:
        """Return an integer from `minimum` to 2^53-1 (what every JSON reader holds exactly)."""
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            self.fail(f"expected a whole number, found {self._kind()}")
        if not minimum <= self.value <= MAX_SAFE_INTEGER:
            self.fail(f"{self.value} is not between {minimum} and {MAX_SAFE_INTEGER}")
        return self.value

    def boolean(self) -> bool:
        """Return true or false."""
        if not isinstance(self.value, bool):
            self.fail(f"expected true or false, found {self._kind()}")
        return self.value

    def parsed(self, parse: Callable[[str], T]) -> T:
        """Return the text as `parse` makes of it; its error gets this node's place."""
        return self.parsed_as(self.text(), parse)

    def parsed_as(self, text: str, parse: Callable[[str], T]) -> T:
        """Return `text`, say the key that this node stands under, as `parse` makes of it."""
        try:
            return parse(text)
        except DocumentError as error:
            if error.file:
                raise
            self.fail(error.message, error.hint)

    def plain(self) -> Any:
        """Return the value without places: what json.loads would have given."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def _is_scalar(self) -> bool:
        return isinstance(self.value, int | float)

    def _kind(self) -> str:
        if self.value is None:
            return "nothing"
        kinds = {bool: "a boolean", int: "a number", float: "a number", str: "text", list: "a list"}
        return kinds.get(type(self.value), "a mapping")


def nearest(word: str, known: Iterable[str]) -> str:
    """Return "Did you mean …?" for the known word closest to `word`, else all known ones."""
    from difflib import get_close_matches

    names = sorted(known)
    close = get_close_matches(word, names, n=1)
    if close:
        return f'Did you mean "{close[0]}"?'
    return "Known here: " + ", ".join(names) + "."


def parse_json(data: bytes, file: str, *, max_values: int = MAX_JSON_VALUES) -> Node:
    """Parse strict JSON bytes of a file named `file` (for messages).

    The caller bounds the size when it reads. Raises DocumentError for anything that is not UTF-8
    JSON without byte order mark, duplicate keys, NaN, infinities, lone surrogates, that nests
    deeper than 64 levels, or holds more than `max_values` values.
    """
    return _located(load_json(data, file, max_values=max_values), file, "")


def load_json(data: bytes, file: str, *, max_values: int = MAX_JSON_VALUES) -> Any:
    """Parse as `parse_json` does, and return plain values."""
    text = _decode(data, file)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique_keys,
            parse_constant=_refuse_constant,
            parse_float=_finite_float,
        )
    except DocumentError as error:
        raise DocumentError(f"{file}: {error.message}", file=file) from None
    except json.JSONDecodeError as error:
        raise DocumentError(
            f"{file}:{error.lineno}:{error.colno}: not JSON: {error.msg}",
            file=file,
            line=error.lineno,
            column=error.colno,
        ) from error
    except ValueError as error:
        raise DocumentError(f"{file}: not JSON: {error}", file=file) from error
    except RecursionError as error:
        raise DocumentError(f"{file}: nested deeper than {MAX_DEPTH} levels", file=file) from error
    _limit_json(value, file, max_values)
    if "\\ud" in text or "\\uD" in text:
        _refuse_lone_surrogates(value, file)
    return value


def dump_json(value: Any) -> bytes:
    """Return the project's one JSON form: sorted keys, two-space indent, UTF-8, final newline."""
    text = json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True, allow_nan=False)
    return text.encode() + b"\n"


def parse_yaml(data: bytes, file: str) -> Node:
    """Parse one YAML document of a file named `file` (for messages).

    The caller bounds the size when it reads. Raises DocumentError with line and column for bytes
    that are no YAML, several documents, duplicate keys, keys that are not text, unknown tags,
    too many aliases or nodes, and nesting deeper than 64.
    """
    return _read_yaml(data, file, keep_tags=False)


def parse_compose_yaml(data: bytes, file: str) -> Node:
    """Parse as `parse_yaml` does, and accept Compose's own tags `!reset` and `!override`.

    A `!reset` value reads as nothing and an `!override` value as itself: that is what they mean in
    the file where they stand (Compose specification, "Merge").
    """
    return _read_yaml(data, file, keep_tags=True)


def _decode(data: bytes, file: str) -> str:
    if data.startswith(b"\xef\xbb\xbf"):
        raise DocumentError(f"{file}: starts with a byte order mark", file=file)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise DocumentError(f"{file}: not UTF-8 text (byte {error.start})", file=file) from error


def _limit_json(value: Any, file: str, max_values: int) -> None:
    """Walk the levels of `value`; the parser itself stops at the interpreter's recursion limit."""
    level = [value]
    count = 1
    for _ in range(MAX_DEPTH + 1):
        containers = [item for item in level if isinstance(item, dict | list)]
        if not containers:
            return
        count += sum(map(len, containers))
        if count > max_values:
            raise DocumentError(f"{file}: more than {max_values} values", file=file)
        level = [
            child
            for item in containers
            for child in (item.values() if isinstance(item, dict) else item)
        ]
    raise DocumentError(f"{file}: nested deeper than {MAX_DEPTH} levels", file=file)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise DocumentError(f"duplicate key {json.dumps(key[:_MAX_QUOTE])}")
            seen.add(key)
    return mapping


def _refuse_constant(name: str) -> NoReturn:
    raise DocumentError(f"{name} is not JSON")


def _finite_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise DocumentError(f"the number {text[:40]} is too large")
    return number


def _refuse_lone_surrogates(value: Any, file: str) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise DocumentError(f"{file}: holds half of a surrogate pair", file=file) from error


def _located(value: Any, file: str, path: Path) -> Node:
    if isinstance(value, dict):
        children = {key: _located(item, file, (path, key)) for key, item in value.items()}
        return Node(children, file=file, path=path)
    if isinstance(value, list):
        elements = [_located(item, file, (path, index)) for index, item in enumerate(value)]
        return Node(elements, file=file, path=path)
    return Node(value, file=file, path=path)


def _read_yaml(data: bytes, file: str, *, keep_tags: bool) -> Node:
    import yaml

    text = _decode(data, file)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _limit_yaml(yaml, loader, text, file)
        root = yaml.compose(text, Loader=loader)
        if root is None:
            raise DocumentError(f"{file}: is empty", file=file)
        return _YamlReader(file, keep_tags=keep_tags).read(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problem = error.problem or error.context or "not YAML"
        raise DocumentError(
            f"{file}:{line}:{column}: not YAML: {problem}", file=file, line=line, column=column
        ) from error
    except (yaml.YAMLError, ValueError) as error:
        problem = " ".join(str(error).split())
        raise DocumentError(f"{file}: not YAML: {problem}", file=file) from error


def _limit_yaml(yaml: Any, loader: Any, text: str, file: str) -> None:
    """Bound what the composer will build: libyaml's events come without recursion, nodes do not."""
    depth = aliases = documents = nodes = 0
    for event in yaml.parse(text, Loader=loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
        elif isinstance(event, yaml.DocumentStartEvent):
            documents += 1
        nodes += isinstance(event, yaml.NodeEvent)
        if depth > MAX_DEPTH:
            raise DocumentError(f"{file}: nested deeper than {MAX_DEPTH} levels", file=file)
        if aliases > MAX_YAML_ALIASES:
            raise DocumentError(f"{file}: more than {MAX_YAML_ALIASES} aliases", file=file)
        if nodes > MAX_YAML_NODES:
            raise DocumentError(f"{file}: more than {MAX_YAML_NODES} values", file=file)
        if documents > 1:
            raise DocumentError(f"{file}: holds more than one YAML document", file=file)


class _YamlReader:
    """Turns PyYAML's node graph into a Node tree, counting every node that an alias repeats."""

    def __init__(self, file: str, *, keep_tags: bool) -> None:
        import yaml

        self._yaml = yaml
        self._constructor = yaml.constructor.SafeConstructor()
        self._file = file
        self._keep_tags = keep_tags
        self._count = 0
        self._open: set[int] = set()

    def read(self, node: Any, path: Path = "") -> Node:
        self._count += 1
        if self._count > MAX_YAML_NODES:
            self._node(None, node, path).fail(f"more than {MAX_YAML_NODES} values")
        if id(node) in self._open:
            self._node(None, node, path).fail("an anchor that contains itself")
        self._open.add(id(node))
        try:
            return self._value(node, path)
        finally:
            self._open.discard(id(node))

    def _value(self, node: Any, path: Path) -> Node:
        tag = self._tag(node, path)
        if tag == "!reset":
            return self._node(None, node, path)
        if isinstance(node, self._yaml.MappingNode):
            return self._node(self._mapping(node, path), node, path)
        if isinstance(node, self._yaml.SequenceNode):
            elements = [self.read(item, (path, index)) for index, item in enumerate(node.value)]
            return self._node(elements, node, path)
        return self._node(self._scalar(node, tag, path), node, path)

    def _tag(self, node: Any, path: Path) -> str:
        tag = str(node.tag)
        if tag.startswith(_YAML_TAG):
            name = tag[len(_YAML_TAG) :]
            if name in _YAML_TYPES[node.id]:
                return name
        if not self._keep_tags or tag not in {"!reset", "!override"}:
            self._node(None, node, path).fail(f"the tag {tag[:_MAX_QUOTE]} is not allowed here")
        return tag

    def _mapping(self, node: Any, path: Path) -> dict[str, Node]:
        own: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for key_node, value_node in node.value:
            key = self.read(key_node, path)
            if key_node.tag == _YAML_TAG + "merge":
                for base in self._merge_bases(value_node, path):
                    merged = {**base, **merged}
                continue
            if not isinstance(key_node, self._yaml.ScalarNode):
                key.fail("a key is text")
            if not isinstance(key.value, str):
                key.value = str(key_node.value)
            if key.value in own:
                key.fail(f'duplicate key "{key.value[:_MAX_QUOTE]}"')
            child = self.read(value_node, (path, key.value))
            child.key_line, child.key_column = key.line, key.column
            own[key.value] = child
        return {**merged, **own}

    def _merge_bases(self, node: Any, path: Path) -> list[dict[str, Node]]:
        bases = node.value if isinstance(node, self._yaml.SequenceNode) else [node]
        return [self.read(base, path).mapping() for base in bases]

    def _scalar(self, node: Any, tag: str, path: Path) -> Any:
        if tag in {"str", "timestamp", "merge", "!override"}:
            return node.value
        if len(node.value) > _MAX_SCALAR:
            # PyYAML's numbers in base 60 (1:59:59…) take quadratic time.
            self._node(None, node, path).fail(
                f"{len(node.value)} characters cannot be read as {tag}"
            )
        construct = self._constructor.yaml_constructors[node.tag]
        try:
            value = construct(self._constructor, node)
        except (ValueError, LookupError):
            self._node(None, node, path).fail(f'"{node.value}" cannot be read as {tag}')
        if isinstance(value, float) and not math.isfinite(value):
            self._node(None, node, path).fail("expected a finite number")
        return value

    def _node(self, value: Any, node: Any, path: Path) -> Node:
        mark = node.start_mark
        return Node(value, file=self._file, path=path, line=mark.line + 1, column=mark.column + 1)
