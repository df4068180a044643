"""``if`` expressions: grammar, values and truth of GitLab (gitlab-ci-yml.md 4)."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import lark
import re2  # type: ignore[import-untyped]

from pyrunner.errors import PyrunnerError

#: More tokens than this are refused.
MAX_TOKENS: Final = 100

_GRAMMAR: Final = r"""
?start: or_
?or_: and_ | or_ "||" and_ -> either
?and_: compare | and_ "&&" compare -> both
?compare: unary
    | compare "==" unary -> equal
    | compare "!=" unary -> unequal
    | compare "=~" unary -> match
    | compare "!~" unary -> differ
?unary: atom | "!" unary -> negate
?atom: "(" or_ ")"
    | VARIABLE -> variable
    | INPUT -> input
    | STRING -> string
    | PATTERN -> pattern
    | "null" -> null
    | "true" -> true
    | "false" -> false
VARIABLE: /\$\w+/
INPUT: /\$\[\[\s*inputs\.[\w-]+\s*\]\]/
STRING: /"[^"]*"|'[^']*'/
PATTERN: /\/(?:\\\/|[^\/])+[^\/\\]\/[ismU]*/
%ignore /\s+/
"""
_WRITTEN_PATTERN: Final = re.compile(r"/(.+)/([ismU]*)", re.DOTALL)

#: What an expression or a part of one yields; a compiled pattern is a value as well.
Value = Any
Variables = Mapping[str, str]
Evaluate = Callable[[Variables], Value]


class ExpressionError(PyrunnerError):
    """An expression that cannot be read: ``invalid expression syntax``."""


class Expression:
    """A parsed expression."""

    def __init__(self, text: str, evaluate: Evaluate) -> None:
        self.text = text
        self._evaluate = evaluate

    def is_true(self, variables: Variables) -> bool:
        """Tell whether the expression holds: its value is not null and not blank.

        A pattern in a variable that RE2 refuses makes the expression false.
        """
        try:
            value = self._evaluate(variables)
        except re2.error:
            return False
        return bool(value.strip()) if isinstance(value, str) else bool(value)


@functools.cache
def parse(text: str) -> Expression:
    """Read an expression.

    :raises ExpressionError: when it is not of the grammar, or too long.
    """
    parser = _parser()
    try:
        if len(text) > MAX_TOKENS and sum(1 for _ in parser.lex(text)) > MAX_TOKENS:
            raise ExpressionError("Too many tokens!")
        return Expression(text, _Builder().transform(parser.parse(text)))
    except (lark.exceptions.LarkError, re2.error):
        raise ExpressionError("invalid expression syntax") from None


@functools.cache
def _parser() -> lark.Lark:
    return lark.Lark(_GRAMMAR, parser="lalr")


def compile_pattern(written: str) -> Any:
    """Compile ``/pattern/flags``; None when ``written`` is not of that form.

    ``m`` has no effect: ``^`` and ``$`` are the ends of the whole text (4.2).

    :raises re2.error: when RE2 does not know the pattern.
    """
    match = _WRITTEN_PATTERN.fullmatch(written)
    if match is None:
        return None
    flags = "".join(sorted(set(match[2]) - {"m"}))
    options = re2.Options()
    options.log_errors = False
    pattern = match[1].replace("\\/", "/")
    return re2.compile(f"(?{flags}){pattern}" if flags else pattern, options)


class _Builder(lark.Transformer[Any, Any]):
    """Tree to closures."""

    def variable(self, items: list[Any]) -> Evaluate:
        name = str(items[0])[1:]
        return lambda variables: variables.get(name)

    def input(self, items: list[Any]) -> Evaluate:
        name = str(items[0])[3:-2].strip()
        return lambda variables: variables.get(name)

    def string(self, items: list[Any]) -> Evaluate:
        text = _Literal(str(items[0])[1:-1])
        return lambda variables: text

    def pattern(self, items: list[Any]) -> Evaluate:
        try:
            compiled = compile_pattern(str(items[0]))
        except re2.error:
            raise lark.exceptions.ParseError("not RE2") from None
        return lambda variables: compiled

    def null(self, items: list[Any]) -> Evaluate:
        return lambda variables: None

    def true(self, items: list[Any]) -> Evaluate:
        return lambda variables: "true"

    def false(self, items: list[Any]) -> Evaluate:
        return lambda variables: "false"

    def either(self, items: list[Evaluate]) -> Evaluate:
        left, right = items
        return lambda variables: first if _holds(first := left(variables)) else right(variables)

    def both(self, items: list[Evaluate]) -> Evaluate:
        left, right = items
        return lambda variables: right(variables) if _holds(first := left(variables)) else first

    def negate(self, items: list[Evaluate]) -> Evaluate:
        return lambda variables: not _holds(items[0](variables))

    def equal(self, items: list[Evaluate]) -> Evaluate:
        left, right = items
        return lambda variables: bool(left(variables) == right(variables))

    def unequal(self, items: list[Evaluate]) -> Evaluate:
        left, right = items
        return lambda variables: bool(left(variables) != right(variables))

    def match(self, items: list[Evaluate]) -> Evaluate:
        left, right = items
        return lambda variables: _matches(left(variables), right(variables))

    def differ(self, items: list[Evaluate]) -> Evaluate:
        left, right = items
        return lambda variables: not _matches(left(variables), right(variables))


class _Literal(str):
    """A string written in the expression: never read as a pattern."""

    __slots__ = ()


def _holds(value: Value) -> bool:
    """Ruby's truth: the empty string is true."""
    return value is not None and value is not False


def _matches(left: Value, right: Value) -> bool:
    if right is None:
        return False
    text = "" if left is None else str(left)
    if isinstance(right, str):
        compiled = None if isinstance(right, _Literal) else compile_pattern(right)
        if compiled is None:  # a plain string is no pattern: it is searched for the left side
            return text in right
        right = compiled
    return bool(hasattr(right, "search") and right.search(text) is not None)
