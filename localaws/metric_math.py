"""The syntax of CloudWatch's metric math, which PutMetricAlarm and GetMetricData check.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

import re
from collections.abc import Iterator, Set

FUNCTIONS = frozenset(
    {"ABS", "ANOMALY_DETECTION_BAND", "AVG", "CEIL", "DATAPOINT_COUNT", "DATE", "DAY", "DB_PERF_INSIGHTS", "DIFF"}
    | {"DIFF_TIME", "EPOCH", "FILL", "FIRST", "FLOOR", "HOUR", "IF", "INSIGHT_RULE_METRIC", "LAMBDA", "LAST", "LOG"}
    | {"LOG10", "MAX", "METRICS", "METRIC_COUNT", "MIN", "MINUTE", "MONTH", "PERIOD", "RATE", "REMOVE_EMPTY"}
    | {"RUNNING_SUM", "SEARCH", "SERVICE_QUOTA", "SLICE", "SORT", "STDDEV", "SUM", "TIME_SERIES", "YEAR"}
)
# Arguments of FILL and SORT.
_WORDS = frozenset({"ASC", "AVG", "DESC", "LINEAR", "MAX", "MIN", "REPEAT", "SUM"})
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)|(?P<text>\"[^\"]*\"|'[^']*')|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<sign>&&|\|\||==|!=|<=|>=|[-+*/^<>()\[\],]))",
    re.ASCII,
)
_OPERATORS = frozenset({"&&", "||", "==", "!=", "<=", ">=", "-", "+", "*", "/", "^", "<", ">", "AND", "OR"})
# Its second argument is the name of a metric of the rule, such as UniqueContributors.
_OF_RULES = "INSIGHT_RULE_METRIC"
_INSIGHTS = re.compile(r"\s*SELECT\s", re.IGNORECASE)
Token = tuple[str, str]


class _SyntaxProblemError(Exception):
    """Ends the parser."""


def problem(expression: str, identifiers: Set[str]) -> str:
    """What is wrong with an expression; empty if nothing is. Queries of Metrics Insights are not parsed.

    Args:
        identifiers: the Ids of the request's metrics and expressions.
    """
    if _INSIGHTS.match(expression):
        return ""
    try:
        parser = _Parser(list(_tokens(expression)), identifiers)
        parser.expression()
        parser.end()
    except (_SyntaxProblemError, RecursionError) as error:
        return str(error)
    return ""


def functions(expression: str) -> set[str]:
    """The functions that an expression calls."""
    return set(re.findall(r"\b([A-Z][A-Z0-9_]*)\s*\(", expression))


def _tokens(text: str) -> Iterator[Token]:
    place = 0
    text = text.rstrip()
    while place < len(text):
        found = _TOKEN.match(text, place)
        if not found or not found.lastgroup:
            raise _SyntaxProblemError(f"Unexpected character at {place}: {text[place : place + 10]}")
        yield found.lastgroup, found[found.lastgroup]
        place = found.end()


class _Parser:
    """Operands with operators between them; the order of evaluation does not matter here."""

    def __init__(self, tokens: list[Token], identifiers: Set[str]) -> None:
        self._tokens = tokens
        self._identifiers = identifiers
        self._place = 0
        self._names_metrics = False

    def expression(self) -> None:
        self._operand()
        while self._next()[1] in _OPERATORS and self._next()[0] != "text":
            self._place += 1
            self._operand()

    def end(self) -> None:
        if self._place < len(self._tokens):
            raise _SyntaxProblemError(f"Syntax error at '{self._next()[1]}'")

    def _next(self) -> Token:
        return self._tokens[self._place] if self._place < len(self._tokens) else ("end", "")

    def _take(self, sign: str) -> bool:
        taken = self._next() == ("sign", sign)
        self._place += taken
        return taken

    def _operand(self) -> None:
        while self._take("-"):
            pass
        if self._take("("):
            self.expression()
            self._close(")")
        elif self._take("["):
            self._arguments("]")
        else:
            self._single()

    def _single(self) -> None:
        kind, value = self._next()
        if kind not in ("number", "text", "name"):
            raise _SyntaxProblemError(f"Syntax error at '{value}'" if value else "Unexpected end")
        self._place += 1
        if kind != "name":
            return
        if self._take("("):
            if value not in FUNCTIONS:
                raise _SyntaxProblemError(f"Function '{value}' not found")
            if not self._take(")"):
                outer, self._names_metrics = self._names_metrics, value == _OF_RULES
                self._arguments(")")
                self._names_metrics = outer
        elif not self._names_metrics and value not in self._identifiers and value not in _WORDS:
            raise _SyntaxProblemError(f"Unknown identifier '{value}'")

    def _arguments(self, ending: str) -> None:
        self.expression()
        while self._take(","):
            self.expression()
        self._close(ending)

    def _close(self, ending: str) -> None:
        if not self._take(ending):
            raise _SyntaxProblemError(f"'{ending}' is missing")
