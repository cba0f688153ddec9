"""CEL, the expression language of ValidatingAdmissionPolicy, through Google's own implementation.

Beside the standard functions there are CEL's string, math, optional and binding extensions, and `quantity("500m")`. A
step budget of the library ends what would run away; regular expressions are RE2, whose time is linear in the text.

What goes wrong with an expression is one of three things:

- it cannot be right on any cluster (syntax, unknown names, types that the checker sees, no boolean): PatternError;
- it meets data that it did not expect ("no such key", an index past the end, text where a number was): `missing`, which
  a check reports as failed. So nobody can turn lost points into no score by leaving a field out;
- it does not end within the budget, its regular expression is not one, or it gives no boolean: CannotEvaluate, an
  error.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from grader.checks.faults import PatternError
from grader.checks.quantity import parse
from grader.checks.wording import clean
from grader.model import LabError

# The library's fixed budget, in steps of comprehensions, all nested ones together.
STEP_BUDGET = 10_000
GIVEN = ("params", "now")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "false",
        "for",
        "function",
        "if",
        "import",
        "in",
        "let",
        "loop",
        "null",
        "package",
        "namespace",
        "return",
        "true",
        "var",
        "void",
        "while",
    ]
)
_AT = re.compile(r"ERROR: <input>:(\d+):(\d+): ([^\n]*)")
_NO_KEY = re.compile(r'Key not found in map : "(.*)"', re.DOTALL)
_NO_INDEX = re.compile(r"Index error: index=(-?\d+) size=(\d+)")
_STATUS = re.compile(r"^[A-Z_]+: ")


class CannotEvaluate(Exception):
    """The expression could not be run to its end: the outcome is error. The text is a sentence for the author."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the expression is true; where the data had not what it needs, `missing` says what, and it is not."""

    holds: bool
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression. Compiling costs a millisecond, evaluating some microseconds for each object given."""

    source: str
    _program: Any

    def evaluate(self, lists: Mapping[str, Sequence[Any]], params: Mapping[str, Any], now: str) -> Verdict:
        """Whether it is true of these objects. `now` is RFC 3339. Raises CannotEvaluate."""
        data = {**lists, "params": dict(params), "now": _moment(now)}
        try:
            value = self._program.eval(data=data)
            result = value.plain_value()
        except RuntimeError as error:
            raise CannotEvaluate(self._stopped(str(error))) from None
        if isinstance(result, bool):
            return Verdict(result)
        if value.type() != _cel().Type.ERROR:
            raise CannotEvaluate(f"the expression gives {clean(str(result))}, not true or false: {clean(self.source)}")
        if "invalid regular expression" in result:
            raise CannotEvaluate(f"{clean(_STATUS.sub('', result), 200)}, in the expression: {clean(self.source)}")
        return Verdict(False, _missing(result))

    def _stopped(self, problem: str) -> str:
        if "budget" in problem:
            return (
                f"the expression takes more than {STEP_BUDGET:,} steps; "
                f"bring in fewer objects by `with`, or nest fewer lists: {clean(self.source)}"
            )
        return f"the expression cannot be evaluated ({clean(problem, 200)}): {clean(self.source)}"


def compile_expression(source: str, names: Sequence[str]) -> Expression:
    """Compile a boolean expression over lists of these names. Raises PatternError with line and column."""
    cel = _cel()
    for name in names:
        if name in GIVEN:
            raise PatternError(("with", name), f'"{name}" is given to every expression; take another name')
        if not _NAME.fullmatch(name) or name in _RESERVED:
            raise PatternError(("with", name), f'"{name}" cannot be a name in CEL; take letters, digits and _')
    try:
        program = _environment(tuple(sorted(names))).compile(source)
    except RuntimeError as error:
        raise PatternError(("cel",), _why_not(str(error), names)) from None
    kind = program.return_type()
    if kind not in (cel.Type.BOOL, cel.Type.DYN):
        raise PatternError(
            ("cel",), f"the expression gives {str(kind).lower()}, and must be true or false: {clean(source)}"
        )
    return Expression(source, program)


def regex(pattern: str) -> Callable[[str], bool]:
    """Whether some part of a text matches. RE2: linear in the text, no look-around or back references.

    Raises PatternError where the pattern is not a regular expression.
    """
    program = _matcher()

    def search(text: str) -> bool:
        # Half of a surrogate pair cannot be encoded, so it cannot be handed over; nothing valid contains one.
        sound = text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
        return program.eval(data={"text": sound, "pattern": pattern}).plain_value() is True

    answer = program.eval(data={"text": "", "pattern": pattern}).plain_value()
    if not isinstance(answer, bool):
        raise PatternError(("$regex",), f'{clean(_STATUS.sub("", answer), 200)}; in "{clean(pattern)}" (RE2 syntax)')
    return search


def _why_not(problem: str, names: Sequence[str]) -> str:
    found = _AT.search(problem)
    if found is None:
        return clean(_STATUS.sub("", problem), 300)
    line, column, what = found.groups()
    text = re.sub(r" \(in container ''\)", "", what)
    if "undeclared reference" in text:
        text += f"; there are {', '.join([*names, *GIVEN])}"
    return f"line {line}, column {column}: {clean(text, 300)}"


def _missing(problem: str) -> str:
    if found := _NO_KEY.search(problem):
        return f'"{clean(found.group(1))}" is not set'
    if found := _NO_INDEX.search(problem):
        return f"there is no item {found.group(1)} in a list of {found.group(2)}"
    if "SELECT" in problem or "container type" in problem:
        return "a field that should hold others does not"
    if "No matching overloads" in problem:
        return f"a value is of another type ({clean(problem.split(':', 2)[-1].strip(), 120)})"
    return clean(_STATUS.sub("", problem), 160)


@lru_cache(maxsize=64)
def _moment(now: str) -> datetime.datetime:
    try:
        moment = datetime.datetime.fromisoformat(now)
    except ValueError:
        raise CannotEvaluate(f'the evidence gives "{clean(now)}" as its time, which is no date') from None
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)


def _quantity(value: Any) -> float:
    number = parse(value)
    if number is None:
        raise ValueError(f'"{clean(str(value))}" is not a quantity')
    return float(number)


@lru_cache(maxsize=1)
def _cel() -> Any:
    try:
        from cel_expr_python import cel
    except ImportError:
        raise LabError(
            "this lab has expressions in CEL, and cel-expr-python is not installed; "
            "`pip install cel-expr-python` (Linux x86_64 and aarch64, macOS, Windows)"
        ) from None
    return cel


@lru_cache(maxsize=256)
def _environment(names: tuple[str, ...]) -> Any:
    from cel_expr_python.ext import ext_bindings, ext_math, ext_optional, ext_strings

    cel = _cel()
    kinds = cel.Type
    overloads = [
        cel.Overload(f"quantity_{kind}", return_type=kinds.DYN, parameters=[of], impl=_quantity)
        for kind, of in (("string", kinds.STRING), ("int", kinds.INT), ("double", kinds.DOUBLE))
    ]
    return cel.NewEnv(
        variables={
            **{name: kinds.List(kinds.DYN) for name in names},
            "params": kinds.Map(kinds.STRING, kinds.DYN),
            "now": kinds.TIMESTAMP,
        },
        extensions=[
            ext_math.ExtMath(),
            ext_optional.ExtOptional(),
            ext_strings.ExtStrings(),
            ext_bindings.ExtBindings(),
        ],
        functions=[cel.FunctionDecl("quantity", overloads)],
    )


@lru_cache(maxsize=1)
def _matcher() -> Any:
    cel = _cel()
    variables = {"text": cel.Type.STRING, "pattern": cel.Type.STRING}
    return cel.NewEnv(variables=variables).compile("text.matches(pattern)")
