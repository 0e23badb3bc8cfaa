"""A pipeline definition: reads and checks it.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-overview.html and the JSON schema that it links to.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

from localaws.endpoints.records import refusal
from localaws.errors import AwsError
from localaws.pipelines import members, outputs
from localaws.pipelines.conditions import problem
from localaws.pipelines.expressions import ExpressionError, references
from localaws.pipelines.policies import problems
from mlflow_common.numbers import may_be_number

VERSION = "2020-12-01"
MOST_BYTES = 1024 * 1024
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Parameter.html
MOST_CHARACTERS = 1024
NAME = re.compile(r"[A-Za-z0-9\-_]{1,64}")
TYPES = frozenset(
    {"Processing", "Training", "Transform", "Tuning", "Condition", "Fail", "RegisterModel", "Model", *outputs.REQUIRED}
)
# Those of ExecutionVariables in SageMaker's SDK (workflow/execution_variables.py).
EXECUTION = frozenset(
    {"PipelineExecutionId", "PipelineExecutionArn", "PipelineName", "PipelineArn", "StartDateTime", "CurrentDateTime"}
    | {"TrainingJobName", "ProcessingJobName"}
)
_PYTHON_TYPES: dict[str, Any] = {"Integer": int, "Float": (int, float), "String": str, "Boolean": bool}


@dataclass(frozen=True)
class Step:
    """A step.

    Attributes:
        given: as in the definition.
        needs: names of the steps that must succeed first.
        gates: the conditions around it, and the outcome that each must have.
    """

    name: str
    type: str
    given: dict[str, Any]
    needs: frozenset[str]
    gates: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True)
class Definition:
    """A definition that can run. `steps` includes those in the branches of conditions."""

    parameters: dict[str, dict[str, Any]]
    steps: dict[str, Step] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "Definition":
        """Read a definition.

        Raises:
            AwsError: ValidationException.
        """
        if len(text.encode()) > MOST_BYTES:
            raise _unreadable(f"The definition is larger than {MOST_BYTES} bytes")
        try:
            return cls._read(text)
        except RecursionError:
            raise _unreadable("It is nested too deeply") from None

    @classmethod
    def _read(cls, text: str) -> "Definition":
        try:
            content = json.loads(text)
        except ValueError as error:
            raise _unreadable(f"Invalid JSON: {error}") from None
        # The schema does not require the version.
        if not isinstance(content, dict) or content.get("Version", VERSION) != VERSION:
            raise _unreadable(f"Version must be {VERSION}")
        if not isinstance(content.get("Steps"), list) or not content["Steps"]:
            raise _unreadable("Steps must be a list of at least one step")
        parameters: dict[str, dict[str, Any]] = {}
        for one in content.get("Parameters") or []:
            _check_parameter(one)
            if one["Name"] in parameters:
                raise _unreadable(f"Duplicate parameter names: {one['Name']}")
            parameters[one["Name"]] = one
        made = cls(parameters)
        for step in _steps(content["Steps"], ()):
            if step.name in made.steps:
                raise _unreadable(f"Step names must be unique. Duplicate step names: {step.name}")
            made.steps[step.name] = step
        made._check_references()
        return made

    def values(self, given: list[dict[str, str]]) -> dict[str, Any]:
        """The parameters' values of an execution, which arrive as texts.

        Raises:
            AwsError: ValidationException for an unknown, missing or mistyped parameter.
        """
        values = {name: one["DefaultValue"] for name, one in self.parameters.items() if "DefaultValue" in one}
        for item in given:
            name, text = item["Name"], item["Value"]
            if name not in self.parameters:
                raise refusal(f"Unknown parameter names in the request: [{name}]")
            values[name] = _typed(self.parameters[name], text)
        missing = sorted(set(self.parameters) - set(values))
        if missing:
            raise refusal(f"Parameters [{', '.join(missing)}] have no default value and must be specified")
        return values

    def graph(self) -> dict[str, frozenset[str]]:
        """For each step, those that end before it starts: the steps that it needs, and the conditions around it."""
        return {step.name: step.needs | {gate for gate, _ in step.gates} for step in self.steps.values()}

    def _check_references(self) -> None:
        known = {"Parameters": set(self.parameters), "Steps": set(self.steps), "Execution": set(EXECUTION)}
        for step in self.steps.values():
            for kind, name, *_ in references(_own(step.given)):
                if name not in known.get(str(kind), ()):
                    raise _unreadable(f"Step {step.name} refers to {kind}.{name}, which does not exist")
            unknown = sorted(step.needs - set(self.steps))
            if unknown:
                raise _unreadable(f"Step {step.name} depends on {', '.join(unknown)}, which does not exist")
        try:
            TopologicalSorter(self.graph()).prepare()
        except CycleError as error:
            raise _unreadable(f"The steps depend on each other in a cycle: {' -> '.join(error.args[1])}") from None
        for step in self.steps.values():
            # "You can't add a FailStep to the DependsOn list of other steps [...] Other steps cannot reference the
            # FailStep": https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-steps-types.html#step-type-fail
            ending = sorted(name for name in step.needs if self.steps[name].type == "Fail")
            if ending:
                raise _unreadable(f"Step {step.name} cannot depend on the Fail step {', '.join(ending)}")


def _steps(given: list[Any], gates: tuple[tuple[str, bool], ...]) -> Iterator[Step]:
    for one in given:
        if not isinstance(one, dict) or not isinstance(one.get("Name"), str) or not NAME.fullmatch(one["Name"]):
            raise _unreadable("Each step must have a Name of 1 to 64 letters, digits, '-' and '_'")
        if not isinstance(one.get("Type"), str) or one["Type"] not in TYPES:
            known = ", ".join(sorted(TYPES))
            raise _unreadable(f"Step {one['Name']} has the type {one.get('Type')}. localaws runs: {known}")
        if one["Type"] in outputs.REQUIRED:  # The schema does not require their arguments.
            one = {"Arguments": {}, **one}
        if not isinstance(one.get("Arguments"), dict):
            raise _unreadable(f"Step {one['Name']} must have Arguments")
        wrong = next(_wrong(one), "")
        if wrong:
            raise _unreadable(f"Step {one['Name']}: {wrong}")
        try:
            needs = {str(parts[1]) for parts in references(_own(one)) if parts[:1] == ["Steps"]}
        except ExpressionError as error:
            raise _unreadable(f"{error} in step {one['Name']}") from None
        depends = one.get("DependsOn") or []
        yield Step(one["Name"], one["Type"], one, frozenset(needs | set(depends)), gates)
        if one["Type"] == "Condition":
            if gates:
                # "Pipelines doesn't support the use of nested condition steps":
                # https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-steps-types.html#step-type-condition
                raise _unreadable(f"Step {one['Name']}: a condition step cannot be in a branch of another one")
            for branch, outcome in (("IfSteps", True), ("ElseSteps", False)):
                yield from _steps(one["Arguments"].get(branch) or [], (*gates, (one["Name"], outcome)))


def _wrong(step: dict[str, Any]) -> Iterator[str]:
    """Why a step cannot run: its members, its policies, its conditions, and what it calls."""
    yield from members.problems(step)
    yield from problems(step)
    yield from outputs.problems(step)
    if step["Type"] == "Condition":
        yield from filter(None, map(problem, step["Arguments"].get("Conditions") or []))


def _own(step: dict[str, Any]) -> Any:
    """What a step itself refers to: a condition does not wait for what its branches need."""
    arguments = step["Arguments"]
    return arguments.get("Conditions") if step["Type"] == "Condition" else arguments


def _check_parameter(given: Any) -> None:
    given = given if isinstance(given, dict) else {}
    if not NAME.fullmatch(str(given.get("Name", ""))) or str(given.get("Type")) not in _PYTHON_TYPES:
        types = ", ".join(_PYTHON_TYPES)
        raise _unreadable(f"Each parameter must have a Name and a Type of {types}. Names are as those of steps")
    if not isinstance(given.get("EnumValues") or [], list):
        raise _unreadable(f"EnumValues of parameter {given['Name']} must be a list")
    if "DefaultValue" in given:
        value, kind = given["DefaultValue"], given["Type"]
        if not isinstance(value, _PYTHON_TYPES[kind]) or (isinstance(value, bool) and kind != "Boolean"):
            raise _unreadable(f"The default value of parameter {given['Name']} is not of type {kind}")


def _typed(parameter: dict[str, Any], text: str) -> Any:
    name, kind = parameter["Name"], parameter["Type"]
    if len(text) > MOST_CHARACTERS:
        raise refusal(f"The value of parameter {name} is longer than {MOST_CHARACTERS} characters")
    try:
        if kind == "Boolean":
            value: Any = {"true": True, "false": False}[text.lower()]
        elif kind != "String" and not may_be_number(text):
            raise ValueError(text)
        else:
            value = {"Integer": int, "Float": float, "String": str}[kind](text)
    except (ValueError, KeyError):
        raise refusal(f"Invalid value '{text}' for parameter {name}: it must be of type {kind}") from None
    if parameter.get("EnumValues") and value not in parameter["EnumValues"]:
        raise refusal(f"Invalid value '{text}' for parameter {name}: it must be one of {parameter['EnumValues']}")
    return value


def _unreadable(message: str) -> AwsError:
    return refusal(f"Unable to parse pipeline definition. {message}.")
