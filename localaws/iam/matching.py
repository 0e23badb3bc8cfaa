"""Matches policy text (wildcards, ARNs, policy variables) against values in a request."""

import re
from collections.abc import Mapping
from functools import lru_cache

# Placeholders for literal wildcard characters, from `${*}`, `${?}` or a variable's value, until the pattern is matched.
LITERAL_STAR, LITERAL_MARK = "\ue000", "\ue001"
VARIABLE = re.compile(r"\$\{([^}]*)\}")
WITH_DEFAULT = re.compile(r"\s*([^,\s]+)\s*,\s*'([^']*)'\s*")
ARN_PARTS = 6

Context = Mapping[str, tuple[str, ...]]


def expand(text: str, context: Context) -> str | None:
    """Replaces policy variables. Returns None if a variable has neither a value nor a default.

    A variable can only refer to a key with a single value.
    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
    """
    if "${" not in text:
        return text
    unknown = False

    def value(found: re.Match[str]) -> str:
        nonlocal unknown
        name = found[1]
        if name in ("*", "?", "$"):
            return _literal(name)
        default = WITH_DEFAULT.fullmatch(name)
        key = default[1] if default else name.strip()
        values = context.get(key.lower(), ())
        if len(values) == 1:
            return _literal(values[0])
        if default:
            return _literal(default[2])
        unknown = True
        return ""

    expanded = VARIABLE.sub(value, text)
    return None if unknown else expanded


def plain(text: str) -> str:
    """Replaces the placeholders in an expanded text, for comparisons without wildcards."""
    return text.replace(LITERAL_STAR, "*").replace(LITERAL_MARK, "?")


def like(pattern: str, value: str) -> bool:
    """Whether `value` matches a pattern with `*` and `?`, which also match `/` and `:`."""
    return _compiled(pattern).fullmatch(value) is not None


@lru_cache(maxsize=8192)
def arn_like(pattern: str, arn: str) -> bool:
    """Whether an ARN matches. Each of the six parts is matched separately: only a wildcard in the last matches a colon.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
    """
    if pattern == "*":
        return True
    patterns, parts = pattern.split(":", ARN_PARTS - 1), arn.split(":", ARN_PARTS - 1)
    return len(patterns) == len(parts) and all(map(like, patterns, parts))


def resource_like(pattern: str, arn: str) -> bool:
    """Whether an ARN matches the Resource of a statement: a wildcard that ends it may stand for several parts.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
    """
    if pattern.endswith("*") and pattern.count(":") < ARN_PARTS - 1:
        return like(pattern, arn)
    return arn_like(pattern, arn)


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    """The pattern as an expression that needs no backtracking: each part but the last is taken where it occurs first.

    Otherwise a pattern with five `*` takes minutes for a name that nearly matches it.
    """
    signs = {"?": ".", LITERAL_STAR: r"\*", LITERAL_MARK: r"\?"}
    first, *others = ["".join(signs.get(sign) or re.escape(sign) for sign in part) for part in pattern.split("*")]
    middle = "".join(f"(?>.*?{part})" for part in others[:-1] if part)
    return re.compile(first + middle + (f".*{others[-1]}" if others else ""), re.DOTALL)


def _literal(text: str) -> str:
    return text.replace("*", LITERAL_STAR).replace("?", LITERAL_MARK)
