"""The members of steps and of their arguments: AWS refuses a definition with one that it does not know.

The texts of the errors are AWS's, as quoted in aws/sagemaker-python-sdk: #2746 (unknown property), #4994 and #3472
(unknown argument), #3908 and #2345 (no object, no array).
"""

from collections.abc import Iterator
from typing import Any

from localaws.constraints import operation_model

# Of the steps that localaws runs, in the JSON schema of definitions (see expressions.py). It lacks PropertyFiles.
_STEP = frozenset(
    {"Name", "Type", "DisplayName", "Description", "DependsOn", "Arguments", "CacheConfig", "RetryPolicies"}
    | {"PropertyFiles", "FunctionArn", "SqsQueueUrl", "OutputParameters"}
)
_LISTS = ("DependsOn", "RetryPolicies", "PropertyFiles", "OutputParameters")
_PROPERTY_FILE = ("PropertyFileName", "OutputName", "FilePath")
# The operation whose input a step's arguments are, but for the members that pipelines do not have.
_OPERATIONS = {
    "Model": "CreateModel",
    "Processing": "CreateProcessingJob",
    "RegisterModel": "CreateModelPackage",
    "Training": "CreateTrainingJob",
    "Transform": "CreateTransformJob",
    "Tuning": "CreateHyperParameterTuningJob",
}
_EXCLUDED = {"RegisterModel": {"ModelPackageName"}}
_OBJECT, _ARRAY = "Expecting start of Json Object", "Expecting start of Json Array"


def problems(step: dict[str, Any]) -> Iterator[str]:
    """Why AWS cannot parse a step's members; nothing for those that it can."""
    for name in step:
        if name not in _STEP:
            yield f"Cannot parse object, unknown property '{name}'"
    for name in _LISTS:
        if not isinstance(step.get(name) or [], list):
            yield _ARRAY
    if not isinstance(step.get("CacheConfig") or {}, dict):
        yield _OBJECT
    if not all(isinstance(one, str) for one in step.get("DependsOn") or []):
        yield "DependsOn must be a list of names"
    for one in step.get("PropertyFiles") or []:
        if not isinstance(one, dict) or not all(one.get(name) for name in _PROPERTY_FILE):
            yield "each of PropertyFiles must have PropertyFileName, OutputName and FilePath"
    operation = _OPERATIONS.get(step["Type"])
    if operation:
        arguments = step["Arguments"]
        for name in sorted(_EXCLUDED.get(step["Type"], set()) & set(arguments)):
            yield f"Unknown Argument member '{name}'"
        yield from _of_shape(operation_model("sagemaker", operation).input_shape, arguments)


def _of_shape(shape: Any, value: Any) -> Iterator[str]:
    if value is None:
        return
    if shape.type_name == "list":
        if not isinstance(value, list):
            yield _ARRAY  # Also for a reference: its parameter belongs into an array.
            return
        for one in value:
            yield from _of_shape(shape.member, one)
    elif shape.type_name in ("structure", "map"):
        if not isinstance(value, dict):
            yield _OBJECT
        elif not _is_function(value):
            yield from _of_members(shape, value)


def _of_members(shape: Any, value: dict[str, Any]) -> Iterator[str]:
    for name, one in value.items():
        if shape.type_name == "map":
            yield from _of_shape(shape.value, one)
        elif name in shape.members:
            yield from _of_shape(shape.members[name], one)
        else:
            yield f"Unknown Argument member '{name}'"


def _is_function(value: dict[str, Any]) -> bool:
    return len(value) == 1 and all(name == "Get" or name.startswith("Std:") for name in value)
