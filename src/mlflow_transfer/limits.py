"""The limits of each MLflow version's server, and the losses of a run that exceeds them.

Sources: mlflow/utils/validation.py of MLflow 2.13.2, 2.16.2 and 3.0.1.
"""

from __future__ import annotations

import posixpath
import re
import sys
from dataclasses import dataclass, replace

from mlflow_transfer.losses import Loss
from mlflow_transfer.records import Run
from mlflow_transfer.sources.rest import version_number

LONG_VALUES = "transfer/long_values.json"
_PARAM_VALUE = 6000
_NAME = 250
_COLONS_SINCE = (2, 16)
_LONG_TAGS_SINCE = (3, 0)


@dataclass(frozen=True)
class Limits:
    """The names that a server accepts, and the maximum lengths of values in characters."""

    names: re.Pattern[str]
    name: int = _NAME
    param: int = _PARAM_VALUE
    tag: int = 5000
    needs_run_name: bool = True

    @classmethod
    def of(cls, version: str) -> Limits:
        """The limits of a version. An unknown version gets those of the newest."""
        number = version_number(version) or (99, 0)
        names = re.compile(r"[/\w.\- :]*" if number >= _COLONS_SINCE else r"[/\w.\- ]*")
        return cls(names, tag=8000 if number >= _LONG_TAGS_SINCE else 5000)

    @classmethod
    def none(cls) -> Limits:
        """No limits, for a database, a file store or an archive."""
        return cls(re.compile(".*", re.DOTALL), sys.maxsize, sys.maxsize, sys.maxsize, needs_run_name=False)

    def takes_name(self, name: str) -> bool:
        """Whether a parameter, metric or tag may have this name."""
        if self.name == sys.maxsize:
            return True
        plain = posixpath.normpath(name)
        unique = plain == name and plain != "." and not plain.startswith(("..", "/"))
        return unique and len(name) <= self.name and self.names.fullmatch(name) is not None


def adapt(run: Run, limits: Limits) -> tuple[Run, dict[str, str], list[Loss]]:
    """Change a run so that the destination can hold it.

    Returns:
        The run; the full text of truncated values, which is copied as an artifact; and the losses.
    """
    losses: list[Loss] = []
    long: dict[str, str] = {}
    params = dict(run.params)
    tags = dict(run.tags)
    for kind, values, most in (("param", params, limits.param), ("tag", tags, limits.tag)):
        for key, value in list(values.items()):
            place = f"run {run.id} {kind} {key!r}"
            if not limits.takes_name(key):
                long[f"{kind} {key}"] = values.pop(key)
                losses.append(
                    Loss(place, f"the destination does not allow the name; the value is kept in {LONG_VALUES}")
                )
            elif len(value) > most:
                long[f"{kind} {key}"] = value
                values[key] = value[:most]
                losses.append(
                    Loss(place, f"{len(value)} characters are cut to {most}; the full value is kept in {LONG_VALUES}")
                )
    losses += [
        Loss(f"run {run.id} metric {key!r}", "the destination does not allow the name")
        for key in run.latest
        if not limits.takes_name(key)
    ]
    name = run.name
    if not name and limits.needs_run_name:
        name = run.id
        losses.append(Loss(f"run {run.id}", "it has no name, and MLflow requires one: its id becomes its name"))
    if not losses:
        return run, long, losses
    return replace(run, name=name, params=params, tags=tags), long, losses
