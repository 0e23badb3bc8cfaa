"""Compares true and predicted classes, in the type of the truth.

- Truth of booleans: 1, 0 and the texts of `true`, `false`, 1 and 0 are the same classes.
- Truth of numbers: `1`, `1.0`, true and the texts of these are one class. A 32-bit prediction is the class that rounds
  to it, and so is the prediction that a 32-bit class is rounded from.
- Truth of text: a prediction is first compared as text. If no class has this text, numbers and booleans are compared by
  value (`1.0` is the class "1" if there is no class "1.0").

Where no prediction is a class of the truth, predictions that differ from one only in leading zeros are an error, and so
are fractions where all classes are whole numbers. These are also an error if they are most of the predictions. So are
always leading zeros that only the truth or only the predictions have: spreadsheets and CSV readers remove them.

A class that truth and predictions never write alike, but differently only in case, spaces, invisible characters, the
coding of accents, a plus sign or the form of a time, is an error, too: it would count as wrong in all rows. Names that
the model states itself (`a` and `A`) are different classes. If truth or predictions have both spellings, they are
different classes, with a note.

A class may be called `None`, `NA` or `nan`: only JSON's null and NaN are missing predictions.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Literal

from mlflow_common.errors import InputError
from mlflow_platform.validation.spelling import canonical, distinguished, folded
from mlflow_platform.validation.table import listed, quoted
from mlflow_platform.validation.values import UnusableError, as_datetime, looks_numeric, number_in, single

Kind = Literal["boolean", "number", "text"]

NO_PREDICTION = "(no prediction)"
_DIFFERENT = ", or, if these are different classes, name them with --classes or in the model's metadata (`classes`)"


@dataclass(frozen=True)
class Classes:
    """Truth and predictions as numbers of classes.

    Attributes:
        names: the classes' names. The classes of the truth come first, in sorted order.
        known: the number of classes of the truth.
        truth, predicted: for each row the number of its class; -1 for no prediction.
        notes: sentences about classes that hardly differ.
    """

    names: Sequence[str]
    known: int
    truth: Sequence[int]
    predicted: Sequence[int]
    notes: Sequence[str] = ()


def kind_of(truth: Sequence[Any]) -> Kind:
    """The type in which classes are compared."""
    if all(isinstance(value, bool) for value in truth):
        return "boolean"
    if all(isinstance(value, (bool, int, float)) for value in truth):
        return "number"
    return "text"


def align(truth: Sequence[Any], predicted: Sequence[Any], *, target: str, stated: Sequence[Any] = ()) -> Classes:
    """Give each class of truth and predictions a number. A prediction of None has no class.

    Args:
        target: the column of the truth.
        stated: the classes that the model names itself, if it does.

    Raises:
        InputError: the predictions cannot be compared with the truth, as names with numbers.
    """
    kind = kind_of(truth)
    present = [value for value in predicted if value is not None]
    if kind == "number" and any(isinstance(value, str) and _as_number(value) is None for value in present):
        # The classes are names that may consist of digits (postal codes).
        kind = "text"
    known = {_key(value, kind): _name(value) for value in _in_order(truth)}
    find = _TextClasses(known) if kind == "text" else _NumberClasses(known, kind)
    keys = [None if value is None else find(value) for value in predicted]
    unknown = {
        key: _name(value) for key, value in zip(keys, predicted, strict=True) if key is not None and key not in known
    }
    own = frozenset(map(str, stated))
    _check_comparable(truth, predicted, keys, known, target, own)
    notes = _hardly_different(known, unknown, set(keys), own, target) if kind == "text" else ()
    numbers = {key: number for number, key in enumerate([*known, *unknown])}
    return Classes(
        names=[*known.values(), *unknown.values()],
        known=len(known),
        truth=[numbers[_key(value, kind)] for value in truth],
        predicted=[-1 if key is None else numbers[key] for key in keys],
        notes=notes,
    )


def _hardly_different(
    known: Mapping[Hashable, str],
    unknown: Mapping[Hashable, str],
    predicted: Set[Hashable],
    stated: frozenset[str],
    target: str,
) -> Sequence[str]:
    """Notes about classes whose names only differ in what `_plain` removes.

    Raises:
        InputError: truth and predictions never write such a class alike, and the model does not state both names.
    """
    alike: dict[str, list[str]] = {}
    for name in map(str, (*known, *unknown)):
        alike.setdefault(_plain(name), []).append(name)
    shown: list[str] = []
    for names in alike.values():
        if len(names) == 1 or stated.issuperset(names):
            continue
        true, guessed = [name for name in names if name in known], [name for name in names if name in predicted]
        if true and guessed and set(true).isdisjoint(guessed):
            raise _written_differently(guessed[0], true[0], target, _DIFFERENT)
        shown.append(" and ".join(distinguished(*sorted(names))))
    if not shown:
        return ()
    return (f"{listed(shown)} are scored as different classes, and differ only in the way they are written.",)


def _check_comparable(
    truth: Sequence[Any],
    predicted: Sequence[Any],
    keys: Sequence[Hashable],
    known: Mapping[Hashable, str],
    target: str,
    stated: frozenset[str],
) -> None:
    """Refuse names for numbers, and numbers for names, if not one of them is a class of the truth."""
    pairs = [(key, value) for key, value in zip(keys, predicted, strict=True) if value is not None]
    matched = any(key in known for key, _ in pairs)
    unknown = [value for key, value in pairs if key not in known]
    # Once a class matches, a text that resembles another class may be a class of its own, unless nobody can see the
    # difference.
    same = {canonical(value) for value in truth if isinstance(value, str)} if unknown else set()
    suspicious = [value for value in unknown if not matched or not isinstance(value, str) or canonical(value) in same]
    _check_spelling(suspicious, truth, target, stated)
    if unknown:
        _check_leading_zeros(predicted, truth, target)
    fractions = [value for value in unknown if isinstance(value, float) and not _is_whole(value)]
    # Of probabilities, some are exactly 1.
    if fractions and all(map(_is_whole, truth)) and (not matched or len(fractions) > len(pairs) / 2):
        raise InputError(
            f"the predictions (as {quoted(fractions[0])}) are not classes: the truth in {target!r} has whole numbers "
            f"only (as {quoted(truth[0])}), and {'few' if matched else 'none'} of them are predicted"
        )
    if not unknown or matched:
        return
    if _are_names_for_numbers(unknown, truth) or _are_names_for_numbers(truth, unknown):
        raise InputError(
            f"the predictions (as {quoted(unknown[0])}) cannot be compared with the truth in {target!r} (as "
            f"{quoted(truth[0])}): the truth must hold the classes as the model names them"
        )


def _check_spelling(unknown: Sequence[Any], truth: Sequence[Any], target: str, stated: frozenset[str]) -> None:
    """Refuse predictions that differ from a class only in case, spaces, leading zeros or the coding of accents."""
    spellings = {_without_zeros(value): value for value in truth} if unknown else {}
    for value in unknown:
        known = spellings.get(_without_zeros(value))
        if known is not None and not stated.issuperset({str(value), str(known)}):
            raise _written_differently(value, known, target)


def _check_leading_zeros(predicted: Sequence[Any], truth: Sequence[Any], target: str) -> None:
    """Refuse a class that truth and predictions never write alike, if one of the two has no leading zeros at all."""
    written, guessed = _spellings(truth), _spellings(predicted)
    if all(any({key} != values.keys() for key, values in side.items()) for side in (written, guessed)):
        return
    for key in written.keys() & guessed.keys():
        if written[key].keys().isdisjoint(guessed[key]):
            value, known = next(iter(guessed[key].values())), next(iter(written[key].values()))
            raise _written_differently(value, known, target)


def _spellings(values: Sequence[Any]) -> dict[str, dict[str, Any]]:
    """For each class without its leading zeros: how it is written, and a value that is written so."""
    found: dict[str, dict[str, Any]] = {}
    for value in {str(value): value for value in values if value is not None}.values():
        found.setdefault(_without_zeros(value), {})[_folded(value)] = value
    return found


def _written_differently(value: Any, known: Any, target: str, advice: str = "") -> InputError:
    guessed, true = distinguished(value, known)
    return InputError(
        f"the prediction {guessed} and the truth {true} in {target!r} are written differently: "
        f"write the truth exactly as the model names the classes{advice}"
    )


def _folded(value: Any) -> str:
    return folded(_name(value))


def _plain(value: Any) -> str:
    """The text in the one form that all its spellings have, but with leading zeros."""
    text = _folded(value)
    if "-" in text:
        try:
            # A time is written with a space or with a T, without its zeros, or in another zone.
            return as_datetime(text.upper())
        except UnusableError:
            pass
    return re.sub(r"^\+(?=[0-9.])", "", text)


def _without_zeros(value: Any) -> str:
    return re.sub(r"^0+(?=[0-9])", "", _plain(value))


def _are_names_for_numbers(values: Sequence[Any], others: Sequence[Any]) -> bool:
    """Whether some values are names while all others are numbers. The text `02134` may be a number."""
    names = any(isinstance(value, str) and not looks_numeric(value) for value in values)
    return names and not any(isinstance(other, str) for other in others)


def _in_order(truth: Sequence[Any]) -> list[Any]:
    """The distinct values of the truth, sorted; mixed ones by their text."""
    # In text, `True` and `1` are different classes, although they are equal.
    distinct = list({(isinstance(value, str), isinstance(value, bool), value): value for value in truth}.values())
    if any(isinstance(value, str) for value in distinct):
        return sorted(distinct, key=str)
    return sorted(distinct)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def _name(value: Any) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def _key(value: Any, kind: Kind) -> Hashable:
    """A key that is the same for equal classes. Python compares numbers of different types exactly."""
    if kind == "text":
        return value if isinstance(value, str) else _name(value)
    key: Hashable = value
    return key


class _NumberClasses:
    """Finds the class of a prediction where the truth is numbers or booleans."""

    def __init__(self, known: Mapping[Hashable, str], kind: Kind) -> None:
        self._known = known
        self._kind = kind
        self._rounded = {single(key): key for key in known if isinstance(key, float)}

    def __call__(self, value: Any) -> Hashable:
        number = _as_number(value)
        if number is None or (self._kind == "boolean" and number not in (0, 1)):
            wanted = "true or false" if self._kind == "boolean" else "a number"
            raise InputError(f"the prediction {quoted(value)} cannot be compared with the truth: it is not {wanted}")
        if number in self._known or not isinstance(number, float):
            return number
        return self._rounded.get(number, single(number) if single(number) in self._known else number)


class _TextClasses:
    """Finds the class of a prediction where the truth is text."""

    def __init__(self, known: Mapping[Hashable, str]) -> None:
        self._known = known
        self._written: dict[Hashable, list[Hashable]] = {}
        for key in known:
            self._written.setdefault(_written(key), []).append(key)

    def __call__(self, value: Any) -> Hashable:
        text = value if isinstance(value, str) else str(value)
        if text in self._known:
            return text
        alike = self._written.get(_written(value), [])
        return alike[0] if len(alike) == 1 else text


def _as_number(value: bool | float | str) -> int | float | None:
    if isinstance(value, str):
        return value.lower() == "true" if value.lower() in {"true", "false"} else number_in(value)
    return value


def _written(value: Any) -> Hashable:
    """The value that a text stands for: a boolean, a number, or the text itself."""
    text = str(value)
    if text.lower() in {"true", "false"}:
        return text.lower() == "true", "boolean"
    number = number_in(text)
    return text if number is None else (number, "number")
