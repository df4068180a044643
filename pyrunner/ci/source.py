"""One YAML file to a tree with positions: GitLab's loader rules, on PyYAML (gitlab-ci-yml.md 1.2, 1.3)."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Any, Final

import yaml

from pyrunner.ci.scalars import UnspecifiedClass, plain_scalar
from pyrunner.ci.tree import Map, Position, Reference, Seq
from pyrunner.errors import PipelineError

#: The limits of one parsed file: bytes, depth, and nodes once aliases are counted as often as used.
MAX_BYTES: Final = 2 * 1024 * 1024
MAX_DEPTH: Final = 100
MAX_NODES: Final = 500_000

_PLAIN: Final = "plain"
_TOO_BIG: Final = "The parsed YAML is too big"
_DIVIDER: Final = re.compile(r"^---\s", re.MULTILINE)


class _Resolver:
    """Leaves the typing of scalars to :func:`plain_scalar`."""

    def resolve(self, kind: type, value: Any, implicit: Any) -> str:
        if kind is yaml.ScalarNode:
            return _PLAIN if implicit[0] else "tag:yaml.org,2002:str"
        return ""

    def descend_resolver(self, parent: Any, index: Any) -> None:
        """Nothing: typing does not depend on the path."""

    def ascend_resolver(self) -> None:
        """Nothing, likewise."""


def _composer(text: str) -> Any:
    """Return a parser that composes nodes: libyaml's where PyYAML was built with it, ten times faster."""
    if hasattr(yaml, "CLoader"):
        from yaml.cyaml import CParser  # type: ignore[attr-defined]

        class Fast(CParser, _Resolver):
            def __init__(self) -> None:
                CParser.__init__(self, text)

        return Fast()

    class Slow(
        yaml.reader.Reader, yaml.scanner.Scanner, yaml.parser.Parser, yaml.composer.Composer, _Resolver
    ):
        def __init__(self) -> None:
            yaml.reader.Reader.__init__(self, text)
            yaml.scanner.Scanner.__init__(self)
            yaml.parser.Parser.__init__(self)
            yaml.composer.Composer.__init__(self)

        resolve = _Resolver.resolve
        descend_resolver = _Resolver.descend_resolver
        ascend_resolver = _Resolver.ascend_resolver

    return Slow()


@dataclass(frozen=True, slots=True)
class Source:
    """A parsed file. ``header`` is the document with ``spec``, None without one."""

    file: str
    header: Map | None
    content: Map


def load_source(text: str, file: str) -> Source:
    """Parse one file.

    :param file: its name, as it shall stand in findings.
    :raises PipelineError: when it does not parse, is no mapping, or is too big.
    """
    if len(text) > MAX_BYTES:
        raise PipelineError(_TOO_BIG, file)
    documents = _split(text)
    first = _load(*documents[0], file)
    if len(documents) > 1 and isinstance(first, Map) and "spec" in first:
        return Source(file, first, _mapping(_load(*documents[1], file), file))
    return Source(file, None, _mapping(first, file))


def _mapping(value: object, file: str) -> Map:
    if value is None:
        return Map(Position(file, 1, 1))
    if not isinstance(value, Map):
        raise PipelineError("Invalid configuration format", file, 1, 1)
    return value


def _split(text: str) -> list[tuple[str, int]]:
    """Return the first two documents that are not empty, each with the number of lines before it."""
    starts = [0]
    ends = []
    for match in _DIVIDER.finditer(text):
        ends.append(match.start())
        starts.append(match.start() + 3)
    pieces = zip(starts, [*ends, len(text)], strict=True)
    documents = [
        (text[start:end].lstrip(" \t"), text.count("\n", 0, start))
        for start, end in pieces
        if text[start:end].strip()
    ]
    return documents[:2] or [("", 0)]


def _load(text: str, line: int, file: str) -> object:
    try:
        if _may_be_deep(text):
            _refuse_depth(text, line, file)
        node = _composer(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, text, line, file) from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        row, column = line + before.count("\n") + 1, error.position - before.rfind("\n")
        message = f"(<unknown>): {error.reason} at line {row} column {column}"
        raise PipelineError(message, file, row, column) from None
    except yaml.YAMLError as error:
        raise PipelineError(f"(<unknown>): {error}", file) from None
    except RecursionError:
        raise PipelineError(_TOO_BIG, file) from None
    if node is None:
        return None
    builder = _Builder(file, line)
    builder.measure(node, 0)
    return builder.build(node)


def _may_be_deep(text: str) -> bool:
    """Tell whether more levels than C's stack takes are possible: a bracket or a column makes a level."""
    return text.count("[") + text.count("{") + max(map(len, text.splitlines()), default=0) > 1000


def _refuse_depth(text: str, line: int, file: str) -> None:
    """Count the levels without recursion.

    :raises PipelineError: beyond :data:`MAX_DEPTH`.
    """
    depth = 0
    for event in yaml.parse(text, Loader=getattr(yaml, "CLoader", yaml.Loader)):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                mark = event.start_mark
                assert mark is not None
                raise PipelineError(_TOO_BIG, file, mark.line + line + 1, mark.column + 1)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _syntax_error(error: yaml.MarkedYAMLError, text: str, line: int, file: str) -> PipelineError:
    mark = error.problem_mark or error.context_mark
    row, column = (line + mark.line + 1, mark.column + 1) if mark else (0, 0)
    if mark and "undefined alias" in str(error.problem):
        name = re.match(r"\*?([^\s,\]}]+)", text.splitlines()[mark.line][mark.column :])
        return PipelineError(f"Unknown alias: {name[1] if name else ''}", file, row, column)
    words = " ".join(part for part in (error.problem, error.context) if part)
    return PipelineError(f"(<unknown>): {words} at line {row} column {column}", file, row, column)


class _Builder:
    """Turns PyYAML's nodes into the tree; what an alias names is built once and shared."""

    def __init__(self, file: str, line: int) -> None:
        self._file = file
        self._line = line
        self._built: dict[int, Any] = {}
        self._sizes: dict[int, int] = {}
        self._open: set[int] = set()

    def position(self, node: yaml.Node) -> Position:
        return Position(self._file, node.start_mark.line + self._line + 1, node.start_mark.column + 1)

    def measure(self, node: yaml.Node, depth: int) -> int:
        """Return the number of nodes with aliases written out.

        :raises PipelineError: beyond the limits, and for an alias inside its own anchor.
        """
        if isinstance(node, yaml.ScalarNode):
            return 1
        known = self._sizes.get(id(node))
        if known is not None:
            return known
        if depth >= MAX_DEPTH or id(node) in self._open:
            raise PipelineError(_TOO_BIG, *self.position(node))
        self._open.add(id(node))
        pairs = node.value if isinstance(node, yaml.MappingNode) else [(one,) for one in node.value]
        size = 1 + sum(self.measure(one, depth + 1) for pair in pairs for one in pair)
        if size > MAX_NODES:
            raise PipelineError(_TOO_BIG, *self.position(node))
        self._open.discard(id(node))
        self._sizes[id(node)] = size
        return size

    def build(self, node: yaml.Node) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if id(node) not in self._built:
            made = self._map(node) if isinstance(node, yaml.MappingNode) else self._seq(node)
            self._built[id(node)] = made
        return self._built[id(node)]

    def _scalar(self, node: yaml.ScalarNode) -> object:
        if node.tag == _PLAIN:
            try:
                return plain_scalar(node.value)
            except UnspecifiedClass as error:
                raise PipelineError(str(error), *self.position(node)) from None
        if node.tag == "!reference":
            return Reference((), self.position(node), node.value)
        if node.tag == "tag:yaml.org,2002:binary":
            try:
                return base64.b64decode(node.value).decode("utf-8", "replace")
            except (binascii.Error, ValueError):
                raise PipelineError("!!binary is not base64", *self.position(node)) from None
        return node.value

    def _seq(self, node: yaml.Node) -> Any:
        made = Seq(self.position(node))
        for one in node.value:
            made.put(self.build(one), self.position(one))
        return Reference(tuple(made), made.position) if node.tag == "!reference" else made

    def _map(self, node: yaml.MappingNode) -> Any:
        made = Map(self.position(node))
        if node.tag == "!reference":
            return Reference((), made.position)
        for key_node, value_node in node.value:
            if isinstance(key_node, yaml.ScalarNode) and key_node.tag == _PLAIN and key_node.value == "<<":
                self._merge(made, self.build(value_node))
                continue
            key = self.build(key_node)
            if isinstance(key, (Map, Seq, Reference)):
                raise PipelineError("a key must be a scalar", *self.position(key_node))
            made.put(key, self.build(value_node), self.position(key_node))
        return made

    @staticmethod
    def _merge(into: Map, value: Any) -> None:
        """Apply ``<<`` at its position: it overrides what stands before it (1.2)."""
        if isinstance(value, Map):
            into.update_from(value)
        elif isinstance(value, Seq):
            for one in reversed(value):
                if isinstance(one, Map):
                    into.update_from(one)
