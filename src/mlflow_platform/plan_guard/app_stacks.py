"""MLflow Apps in CloudFormation stacks: which a stack contains, and what a change of its template does to them.

Provider 6.35 and later have a resource for an App, which is recognised too.

CloudFormation replaces an App by an empty one if its Name or RoleArn changes, and removes it if the template lacks it:
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-sagemaker-mlflowapp.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

STACK = "aws_cloudformation_stack"
APP_RESOURCE = "aws_sagemaker_mlflow_app"
STORE = "ArtifactStoreUri"
_TYPE = "AWS::SageMaker::MlflowApp"
_CREATE_ONLY = ("Name", "RoleArn")
_ARN = ":mlflow-app/"
# The same as attributes of the provider's resource.
_ATTRIBUTES = {"Name": "name", STORE: "artifact_store_uri"}

Values = Mapping[str, Any]


def holds_app(kind: str, values: Values) -> bool:
    """Whether a resource of that type is an App or a stack with one."""
    return kind == APP_RESOURCE or (kind == STACK and _TYPE in str(values.get("template_body") or ""))


def name_of(values: Values) -> str:
    """The name of the App, or of its stack if the template does not say it; empty if neither is known."""
    return property_of(values, "Name") or str(values.get("name") or "")


def arn_of(values: Values) -> str | None:
    """The App's ARN; for a stack, if one of its outputs has it."""
    found = [values.get("arn"), *(values.get("outputs") or {}).values()]
    return next((str(value) for value in found if _ARN in str(value)), None)


def stays(values: Values) -> bool:
    """Whether the App still exists after its stack is deleted."""
    apps = (_apps(values) or {}).values()
    return any(str(app.get("DeletionPolicy", "Delete")).startswith("Retain") for app in apps)


def deleted_with(values: Values) -> set[str]:
    """CloudFormation's types of the resources that are deleted with a stack. In YAML, all types that the text names."""
    body = str(values.get("template_body") or "")
    try:
        resources = json.loads(body)["Resources"].values()
        return {one["Type"] for one in resources if not str(one.get("DeletionPolicy")).startswith("Retain")}
    except (ValueError, LookupError, AttributeError, TypeError):
        return set(re.findall(r"\bAWS::\w+::\w+", body))


def property_of(values: Values, name: str) -> str | None:
    """A property of the App, such as "Name", if the template and its parameters say it."""
    found = [_resolved(app, name, values) for app in (_apps(values) or {}).values()]
    return next((value for value in found if isinstance(value, str)), values.get(_ATTRIBUTES.get(name, "")))


def replaces(before: Values, after: Values, unknown: Values) -> bool:
    """Whether an update of a stack replaces or removes an App.

    A template or parameter that is not known yet, and a template that cannot be read, count as a replacement if they
    change: then nothing proves that the runs stay.
    """
    if unknown.get("template_body") is True or unknown.get("parameters"):
        return True
    if all(before.get(name) == after.get(name) for name in ("template_body", "parameters")):
        return False
    old, new = _apps(before), _apps(after)
    if old is None or new is None:
        return True
    return any(name not in new or _identity(app, before) != _identity(new[name], after) for name, app in old.items())


def _apps(values: Values) -> dict[str, Values] | None:
    """The Apps of a stack's template by their logical names; None if it is not JSON."""
    try:
        resources = json.loads(str(values.get("template_body")))["Resources"]
        return {name: one for name, one in resources.items() if one["Type"] == _TYPE}
    except (ValueError, LookupError, AttributeError, TypeError):
        return None


def _identity(app: Values, values: Values) -> list[Any]:
    # A condition decides by the parameters whether there is an App at all.
    condition = (app["Condition"], values.get("parameters")) if "Condition" in app else None
    return [condition, *(_resolved(app, name, values) for name in _CREATE_ONLY)]


def _resolved(app: Values, name: str, values: Values) -> Any:
    """A property's value. One that a function computes comes with all parameters, which may change it."""
    given = (app.get("Properties") or {}).get(name)
    if not isinstance(given, Mapping):
        return given
    parameters = values.get("parameters") or {}
    if list(given) == ["Ref"]:
        declared = json.loads(str(values["template_body"])).get("Parameters") or {}
        if given["Ref"] in declared:
            return parameters.get(given["Ref"], declared[given["Ref"]].get("Default"))
    return [given, parameters]
