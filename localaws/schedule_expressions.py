"""Schedule expressions of EventBridge Scheduler: cron, rate and at.

Source: https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html and
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html (the values of each field).
"""

import re
from datetime import datetime

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
# The least and the most of each field, and the names of its values from the least on.
_FIELDS: tuple[tuple[int, int, tuple[str, ...]], ...] = (
    (0, 59, ()),
    (0, 23, ()),
    (1, 31, ()),
    (1, 12, _MONTHS),
    (1, 7, _DAYS),
    (1970, 2199, ()),
)
_DAY_OF_MONTH, _DAY_OF_WEEK = 2, 4
_RATE = re.compile(r"rate\([1-9]\d* (minute|hour|day)s?\)", re.ASCII)
_CRON = re.compile(r"cron\((\S+(?: \S+){5})\)")
_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)", re.ASCII)


def is_valid(expression: str) -> bool:
    """Whether Scheduler takes an expression."""
    if _RATE.fullmatch(expression):
        return True
    once = _AT.fullmatch(expression)
    if once:
        try:
            datetime.fromisoformat(once[1])
        except ValueError:
            return False
        return True
    cron = _CRON.fullmatch(expression)
    return cron is not None and _is_cron(cron[1].split(" "))


def _is_cron(fields: list[str]) -> bool:
    """Of the two fields for days, exactly one is `?`: "you must use ? in the other"."""
    days = (_DAY_OF_MONTH, _DAY_OF_WEEK)
    if sum(fields[index] == "?" for index in days) != 1:
        return False
    return all((index in days and text == "?") or _is_field(index, text) for index, text in enumerate(fields))


def _is_field(index: int, text: str) -> bool:
    parts = text.split(",")
    if "#" in text and len(parts) > 1:
        return False  # "If you use a # character, you can define only one expression in the day-of-week field."
    return all(_is_part(index, part) for part in parts)


def _is_part(index: int, part: str) -> bool:
    if index == _DAY_OF_MONTH and re.fullmatch(r"LW?|L-\d\d?|\d\d?W", part, re.ASCII):
        return True
    if index == _DAY_OF_WEEK and re.fullmatch(r"L|([1-7]|[A-Z]{3})L|([1-7]|[A-Z]{3})#[1-5]", part, re.ASCII):
        return True
    whole, slash, step = part.partition("/")
    if slash and not (step.isdecimal() and int(step)):
        return False
    return whole == "*" or all(_is_value(index, value) for value in whole.split("-", 1))


def _is_value(index: int, value: str) -> bool:
    least, most, names = _FIELDS[index]
    return value.upper() in names or (value.isdecimal() and least <= int(value) <= most)
