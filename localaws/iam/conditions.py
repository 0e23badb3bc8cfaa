"""The Condition element of a statement: operators, qualifiers, IfExists.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html and
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from ipaddress import ip_address, ip_network
from operator import eq, ge, gt, le, lt
from typing import Any, Self

from localaws.iam.matching import Context, arn_like, expand, like, plain

# Arguments: the value in the policy, then the value in the request.
Comparison = Callable[[str, str], bool]
FORM = re.compile(r"(?:(ForAllValues|ForAnyValue):)?([A-Za-z]+?)(IfExists)?", re.IGNORECASE)


class ConditionError(ValueError):
    """A condition that AWS rejects when the policy is stored."""


@dataclass(frozen=True)
class Condition:
    """One operator on one key.

    Attributes:
        qualifier: `forallvalues`, `foranyvalue` or empty.
        negated: the operator's name contains `Not`, so the condition holds if no value matches.
        key: the condition key in lower case.
    """

    qualifier: str
    name: str
    negated: bool
    if_exists: bool
    key: str
    values: tuple[str, ...]

    @classmethod
    def parse(cls, operator: str, key: str, values: Any) -> Self:
        """Reads `{operator: {key: values}}`.

        Raises:
            ConditionError: the operator does not exist, or a value is a list, an object or null.
        """
        form = FORM.fullmatch(operator)
        name = form[2].lower() if form else ""
        positive = name.replace("not", "", 1) if name in NEGATED else name
        if form is None or (positive not in COMPARISONS and name != "null"):
            raise ConditionError(f"{operator} is not a condition operator.")
        if name == "null" and form[3]:
            # https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html
            raise ConditionError(f"{operator}: Null cannot be used with IfExists.")
        listed = values if isinstance(values, list) else [values]
        if not all(isinstance(value, str | bool | int | float) for value in listed):
            # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
            raise ConditionError(f"{operator} has a value that is neither a text, a number nor a boolean.")
        return cls(
            qualifier=(form[1] or "").lower(),
            name=positive,
            negated=name in NEGATED,
            if_exists=form[3] is not None,
            key=key.lower(),
            values=tuple(_text(value) for value in listed),
        )

    def holds(self, context: Context, *, variables: bool) -> bool:
        """Whether a request fulfils the condition. `variables`: the policy's version supports policy variables."""
        given = context.get(self.key)
        if self.name == "null":
            return any((value.lower() == "true") is (given is None) for value in self.values)
        if given is None:
            absent_holds = self.qualifier == "forallvalues" or (self.negated and self.qualifier != "foranyvalue")
            return self.if_exists or absent_holds
        wanted = [expand(value, context) if variables else value for value in self.values]
        compare = COMPARISONS[self.name]

        def hit(value: str) -> bool:
            return any(pattern is not None and compare(pattern, value) for pattern in wanted)

        if self.qualifier == "forallvalues":
            return all(hit(value) is not self.negated for value in given)
        if self.qualifier == "foranyvalue":
            return any(hit(value) is not self.negated for value in given)
        return any(map(hit, given)) is not self.negated


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _exact(wanted: str, value: str) -> bool:
    return plain(wanted) == value


def _folded(wanted: str, value: str) -> bool:
    return plain(wanted).casefold() == value.casefold()


def _number(text: str) -> Decimal:
    return Decimal(text)


def _moment(text: str) -> datetime:
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        return datetime.fromtimestamp(float(text), UTC)
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _ordered(read: Callable[[str], Any], order: Callable[[Any, Any], bool]) -> Comparison:
    def compare(wanted: str, value: str) -> bool:
        try:
            return order(read(value), read(plain(wanted)))
        except (ValueError, InvalidOperation, OverflowError):
            return False

    return compare


def _in_network(wanted: str, value: str) -> bool:
    try:
        return ip_address(value) in ip_network(plain(wanted), strict=False)
    except ValueError:
        return False


ORDERS = {"equals": eq, "lessthan": lt, "lessthanequals": le, "greaterthan": gt, "greaterthanequals": ge}
COMPARISONS: dict[str, Comparison] = {
    "stringequals": _exact,
    "stringequalsignorecase": _folded,
    "stringlike": like,
    "arnequals": arn_like,
    "arnlike": arn_like,
    "bool": _folded,
    "binaryequals": _exact,
    "ipaddress": _in_network,
    **{f"numeric{name}": _ordered(_number, order) for name, order in ORDERS.items()},
    **{f"date{name}": _ordered(_moment, order) for name, order in ORDERS.items()},
}
NEGATED = {
    "stringnotequals",
    "stringnotequalsignorecase",
    "stringnotlike",
    "arnnotequals",
    "arnnotlike",
    "numericnotequals",
    "datenotequals",
    "notipaddress",
}
