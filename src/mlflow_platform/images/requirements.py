"""A model's requirements in one normal form, so that models with equal requirements share one image."""

from __future__ import annotations

import re

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from mlflow_common.errors import InputError

# Options that name where packages are found. They keep their order, because pip asks the indexes in that order.
_INDEX_OPTION = re.compile(r"(--index-url|--extra-index-url|--find-links|--trusted-host|-i|-f)(?:\s+|=)(\S+)")
_SWITCHES = {"--pre", "--no-index", "--prefer-binary", "--require-hashes"}
_LONG = {"-i": "--index-url", "-f": "--find-links"}
_HASH = re.compile(r"\s--hash[=\s](\S+)")
_INCLUDE = re.compile(r"(-r|--requirement|-c|--constraint)(?:\s+|=)?(\S+)")
# Either has the server that answers requests. The build of the image checks that it can be imported.
_SERVERS = {"mlflow", "mlflow-skinny"}
_COMMENT = re.compile(r"(^|\s)#.*$")
# An address with a user or a password, which would stay in the image.
_SECRET = re.compile(r"://[^/@\s]+@")


def normalise(text: str, source: str) -> str:
    """Return requirements sorted, with canonical names, and without comments and repetitions.

    Args:
        text: the content of a requirements file.
        source: where it is from, for messages.

    Raises:
        InputError: a line is not a requirement that an image can install; or nothing installs MLflow.
    """
    options: list[str] = []
    packages: dict[str, str] = {}
    for number, line in _lines(text):
        where = f"line {number} of {source}"
        if _SECRET.search(line):
            raise InputError(
                f"{where} contains a user name or a password, which would stay in the image. Configure the package "
                "index of the build instead."
            )
        if line.startswith("-"):
            options.append(_option(line, where))
        else:
            name, normal = _package(line, where)
            packages[normal] = name
    if _SERVERS.isdisjoint(packages.values()):
        raise InputError(
            f"{source} does not install mlflow, which serves the model. Add a line such as `mlflow==3.17.2` with the "
            "version that the model was logged with."
        )
    return "".join(f"{line}\n" for line in [*dict.fromkeys(options), *sorted(packages)])


def _lines(text: str) -> list[tuple[int, str]]:
    """The lines that contain something, without comments, with continued lines joined; and their numbers."""
    found: list[tuple[int, str]] = []
    pending, started = "", 0
    for number, raw in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        line = raw if raw.lstrip().startswith("#") else pending + raw
        started = started if pending else number
        if line.endswith("\\"):
            pending = line[:-1] + " "
            continue
        pending = ""
        line = _COMMENT.sub("", line).strip()
        if line:
            found.append((started, line))
    if pending.strip():
        found.append((started, pending.strip()))
    return found


def _option(line: str, where: str) -> str:
    if match := _INDEX_OPTION.fullmatch(line):
        return f"{_LONG.get(match[1], match[1])} {match[2]}"
    if line in _SWITCHES:
        return line
    if match := _INCLUDE.fullmatch(line):
        raise InputError(
            f"{where} reads another file ({match[2]}), which the image does not have. Write its lines here."
        )
    raise InputError(f"{where} has an option that an image cannot use: {line}. Remove it.")


def _package(line: str, where: str) -> tuple[str, str]:
    """The canonical name of a requirement, and the requirement in its normal form with its hashes."""
    hashes = sorted(_HASH.findall(line))
    try:
        wanted = Requirement(_HASH.sub("", line).strip())
    except InvalidRequirement:
        raise InputError(
            f"{where} is not a requirement of a package index: {line}. An image cannot install local files or folders."
        ) from None
    name = canonicalize_name(wanted.name)
    extras = f"[{','.join(sorted(canonicalize_name(extra) for extra in wanted.extras))}]" if wanted.extras else ""
    versions = ",".join(sorted(str(part) for part in wanted.specifier))
    address = f" @ {wanted.url}" if wanted.url else ""
    marker = f" ; {wanted.marker}" if wanted.marker else ""
    return name, f"{name}{extras}{versions}{address}{marker}" + "".join(f" --hash={one}" for one in hashes)
