"""Options that are written as KEY=VALUE and may be repeated."""

from collections.abc import Sequence

from mlflow_common.errors import InputError


def parse_key_values(texts: Sequence[str], option: str, form: str = "KEY=VALUE") -> dict[str, str]:
    """Read the values of a repeatable option. A value may be empty and may contain further equals signs.

    Args:
        option: its name, for the error.
        form: how the option's help describes it, for the error.

    Raises:
        InputError: a text has no equals sign or no key, or a key is given twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator or not key.strip():
            raise InputError(f"{option} takes {form}, not {text!r}.")
        if key in found:
            raise InputError(f"{option} is given twice for {key!r}: give each key once.")
        found[key] = value
    return found
