"""Templates that CloudFormation refuses before it creates anything. moto checks nearly nothing.

Sources: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-anatomy.html (sections),
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html (YAML: neither aliases nor tags of
other programs), https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
(functions) and https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html.
"""

import json
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Any

import yaml
from moto.cloudformation.parsing import NULL_MODELS, get_model_map
from moto.cloudformation.utils import yaml_tag_constructor

from localaws.errors import AwsError
from localaws.services.stack_references import depends_on, named, references

# The most in a request, and in an object of S3.
BODY, BYTES, DESCRIPTION = 51200, 1024**2, 1024
SECTIONS = frozenset(
    {"AWSTemplateFormatVersion", "Conditions", "Description", "Hooks", "Mappings", "Metadata", "Outputs"}
    | {"Parameters", "Resources", "Rules", "Transform"}
)
ATTRIBUTES = frozenset(
    {"Condition", "CreationPolicy", "DeletionPolicy", "DependsOn", "Metadata", "Properties", "Type"}
    | {"UpdatePolicy", "UpdateReplacePolicy"}
)
VERSION = "2010-09-09"
NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{0,127}", re.ASCII)
_LOGICAL = re.compile(r"[a-zA-Z0-9]+", re.ASCII)
_TYPE = re.compile(r"\w{2,64}::\w{2,64}::\w{2,64}(::MODULE)?|Custom::[\w@-]+|AWS::Serverless::\w+", re.ASCII)
_PARAMETER = re.compile(
    r"String|Number|List<Number>|CommaDelimitedList|(List<)?AWS::[\w:]+>?|AWS::SSM::Parameter::\w+(<.+>)?", re.ASCII
)
# moto has this one. Others are expanded by code of AWS or of the account.
_TRANSFORM = "AWS::Include"
# Custom resources call a function or a topic: localaws runs no code because of a template.
_CUSTOM = ("Custom::", "AWS::CloudFormation::CustomResource")
# CDK adds it to every stack: https://docs.aws.amazon.com/cdk/v2/guide/usage-data.html
_WITHOUT_EFFECT = ("AWS::CDK::Metadata",)
_BOUNDS = ("MinLength", "MaxLength", "MinValue", "MaxValue")


class TemplateLoader(yaml.SafeLoader):
    """CloudFormation's YAML. PyYAML's full loader, which moto uses, calls any function that a template names."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse aliases, with which a short template can have any size."""
        if self.check_event(yaml.AliasEvent):
            raise _refusal("Template error: YAML aliases are not allowed in CloudFormation templates")
        return super().compose_node(parent, index)


def _short_form(loader: Any, suffix: str, node: Any) -> Any:
    """`!Sub` and the other short forms."""
    if not suffix.startswith("!") or suffix.startswith("!!"):
        raise yaml.YAMLError(f"The tag {suffix} is not supported")
    return yaml_tag_constructor(loader, suffix, node)


TemplateLoader.add_multi_constructor("", _short_form)


class Yaml:
    """What moto's CloudFormation uses of PyYAML."""

    Loader = TemplateLoader

    @staticmethod
    def load(text: str, Loader: Any) -> Any:  # noqa: N803 PyYAML's name
        """Read a template; the loader is always the one above."""
        del Loader
        if not isinstance(text, str):
            raise _refusal("Either Template URL or Template Body must be specified.")
        return yaml.load(text, Loader=TemplateLoader)  # noqa: S506 it is a SafeLoader

    @staticmethod
    def add_multi_constructor(*_given: Any) -> None:
        """The loader has its constructors."""


def parse(text: str) -> dict[str, Any]:
    """Read a template.

    Raises:
        AwsError: ValidationError.
    """
    if len(text.encode(errors="surrogatepass")) > BYTES:
        raise _refusal(f"Template may not exceed {BYTES} bytes in size.")
    kind = "JSON" if text.lstrip().startswith("{") else "YAML"
    try:
        found = json.loads(text) if kind == "JSON" else yaml.load(text, Loader=TemplateLoader)  # noqa: S506
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        try:  # YAML in braces.
            found = yaml.load(text, Loader=TemplateLoader) if kind == "JSON" else None  # noqa: S506
        except (ValueError, yaml.YAMLError, RecursionError):
            found = None
        if found is None:
            raise _refusal(f"Template format error: {kind} not well-formed. ({_line(error)})") from None
    if not isinstance(found, dict):
        raise _refusal("Template format error: unsupported structure.")
    return found


def check(template: dict[str, Any]) -> None:
    """Refuse a template.

    Raises:
        AwsError: ValidationError; NotImplemented, localaws does not have a transform or a type of resource.
    """
    _check_transforms(template.get("Transform"))
    for problem in (*_of_sections(template), *_of_resources(template), *_of_parameters(template)):
        raise _refusal(problem)
    if "Transform" not in template:
        for problem in references(template):
            raise _refusal(problem)
        _check_cycles(template)
    for resource in template["Resources"].values():
        kind = resource["Type"]
        if kind.startswith(_CUSTOM):
            raise AwsError("NotImplemented", f"localaws does not have custom resources, such as {kind}.", 501)
        if kind not in (*_WITHOUT_EFFECT, *NULL_MODELS) and kind not in get_model_map():
            message = f"localaws does not have resources of the type {kind}. AWS has them if the type exists."
            raise AwsError("NotImplemented", message, 501)


def _check_transforms(given: Any) -> None:
    """Refuse macros, first of all: they may add sections, functions and types of resources."""
    for one in given if isinstance(given, list) else [given] if given else []:
        name = one.get("Name") if isinstance(one, dict) else one
        if not isinstance(name, str):
            raise _refusal("Template format error: Transform must be the name of a macro, or a list of names.")
        if name != _TRANSFORM:
            raise AwsError("NotImplemented", f"localaws does not have the transform {name}.", 501)


def _of_sections(template: dict[str, Any]) -> Iterator[str]:
    unknown = sorted(map(str, set(template) - SECTIONS))
    if unknown:
        yield f"Invalid template property or properties [{', '.join(unknown)}]"
    version = template.get("AWSTemplateFormatVersion", VERSION)
    if str(version) != VERSION:
        yield f"Template format error: {version} is not a supported value for AWSTemplateFormatVersion."
    if len(str(template.get("Description") or "")) > DESCRIPTION:
        yield f"Template format error: 'Description' length is greater than {DESCRIPTION}."
    for section in ("Conditions", "Mappings", "Outputs", "Parameters", "Resources"):
        if not isinstance(template.get(section) or {}, dict):
            yield f"Template format error: {section} must be an object."
    if not template.get("Resources"):
        yield "Template format error: At least one Resources member must be defined."


def _of_resources(template: dict[str, Any]) -> Iterator[str]:
    resources = template.get("Resources")
    if not isinstance(resources, dict):
        return
    unknown = []
    for name, resource in resources.items():
        if not _LOGICAL.fullmatch(str(name)):
            yield f"Template format error: Resource name {name} is non alphanumeric."
        if not isinstance(resource, dict):
            yield f"Template format error: [/Resources/{name}] resource definition is malformed"
            continue
        kind = resource.get("Type")
        if not isinstance(kind, str):
            yield f"Template format error: [/Resources/{name}] Every Resources object must contain a Type member."
        elif not _TYPE.fullmatch(kind):
            unknown.append(kind)
        others = sorted(map(str, set(resource) - ATTRIBUTES))
        yield from (f"Invalid template resource property '{other}'" for other in others)
        if not all(isinstance(one, str) for one in depends_on(resource)):
            yield f"Template format error: DependsOn of {name} must be a string or list of strings."
    if unknown:
        yield f"Template format error: Unrecognized resource types: [{', '.join(unknown)}]"


def _of_parameters(template: dict[str, Any]) -> Iterator[str]:
    parameters = template.get("Parameters") or {}
    for name, rule in parameters.items() if isinstance(parameters, dict) else ():
        kind = rule.get("Type") if isinstance(rule, dict) else None
        if not isinstance(kind, str):
            yield "Template format error: Every Parameters object must contain a Type member."
        elif not _PARAMETER.fullmatch(kind):
            yield f"Template format error: Unrecognized parameter type: {kind}"
        for bound in _BOUNDS if isinstance(rule, dict) else ():
            if bound in rule and not _is_number(rule[bound]):
                yield f"Template format error: {bound} of the parameter {name} must be a number."


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (ValueError, TypeError):
        return False
    return not isinstance(value, bool)


def _check_cycles(template: dict[str, Any]) -> None:
    resources = template["Resources"]
    needs = {
        name: {*depends_on(resource), *(set(named(resource.get("Properties"))) & set(resources))}
        for name, resource in resources.items()
    }
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        names = ", ".join(dict.fromkeys(error.args[1]))
        raise _refusal(f"Circular dependency between resources: [{names}]") from None


def _line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        return f"line {mark.line + 1}, column {mark.column + 1}"
    return f"line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)


def _refusal(message: str) -> AwsError:
    return AwsError("ValidationError", message)
