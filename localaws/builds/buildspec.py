"""Reads a buildspec: https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

PHASES = ("install", "pre_build", "build", "post_build")


class BuildspecError(Exception):
    """A buildspec that CodeBuild cannot read; the text is for the build's phase context."""


@dataclass(frozen=True)
class Buildspec:
    """The parts of a buildspec that localaws runs.

    Attributes:
        variables: from `env.variables`.
        parameters: from `env.parameter-store`: a variable's name and the parameter's name.
        exported: the names in `env.exported-variables`.
        commands: by phase; a phase without commands has none.
        finally_commands: by phase; they run whether the phase succeeded or failed.
    """

    variables: Mapping[str, str]
    parameters: Mapping[str, str]
    exported: Sequence[str]
    commands: Mapping[str, Sequence[str]]
    finally_commands: Mapping[str, Sequence[str]]

    @classmethod
    def parse(cls, text: str) -> "Buildspec":
        """Read YAML or JSON, which is YAML.

        Raises:
            BuildspecError: it is not a buildspec of version 0.2.
        """
        try:
            content = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise BuildspecError(f"YAML_FILE_ERROR: {' '.join(str(error).split())}") from None
        if not isinstance(content, dict) or not isinstance(content.get("phases"), dict):
            raise BuildspecError("YAML_FILE_ERROR: the buildspec has no phases")
        if str(content.get("version")) != "0.2":
            version = content.get("version")
            raise BuildspecError(f"YAML_FILE_ERROR: localaws runs buildspecs of version 0.2, not {version}")
        phases = content["phases"]
        unknown = sorted(set(phases) - set(PHASES))
        if unknown:
            raise BuildspecError(f"YAML_FILE_ERROR: unknown phase {unknown[0]}")
        env = content.get("env") or {}
        return cls(
            variables={str(name): str(value) for name, value in (env.get("variables") or {}).items()},
            parameters={str(name): str(value) for name, value in (env.get("parameter-store") or {}).items()},
            exported=_exported(env.get("exported-variables") or []),
            commands={name: _commands(phases.get(name), "commands") for name in PHASES},
            finally_commands={name: _commands(phases.get(name), "finally") for name in PHASES},
        )


def _exported(names: Any) -> list[str]:
    if not isinstance(names, list) or not all(isinstance(name, str) and name.isidentifier() for name in names):
        raise BuildspecError("YAML_FILE_ERROR: exported-variables must be a list of names of variables")
    return names


def _commands(phase: Any, kind: str) -> list[str]:
    found = (phase or {}).get(kind) or []
    if not isinstance(found, list) or not all(isinstance(command, str) for command in found):
        raise BuildspecError(f"YAML_FILE_ERROR: {kind} must be a list of strings")
    return found
