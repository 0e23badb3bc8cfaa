"""CloudFormation: adds MLflow Apps, and the ends of a stack that moto does not have: rollback and failed deletion.

moto raises an error for a resource that cannot be created. AWS accepts the request and rolls the stack back.
Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html (stack status codes)
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from moto.cloudformation import models, responses
from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.models import CloudFormationBackend, Event, Stack
from moto.cloudformation.parsing import OutputMap
from moto.cloudformation.responses import CloudFormationResponse
from moto.core.responses import ActionResult

from localaws.iam.trust import Service
from localaws.moto_methods import original
from localaws.services import stack_parameters, stack_policy, stack_requests, stack_template
from localaws.services.context import ServiceContext
from localaws.services.mlflow_app_resource import MlflowAppResource, ResourceError
from localaws.services.stack_permissions import NESTED, StackPermissions

Method = Callable[..., Any]


def install(context: ServiceContext) -> None:
    """Change moto's CloudFormation."""
    MlflowAppResource.apps = context.mlflow_apps
    MlflowAppResource.guard = staticmethod(context.guard)
    Stack.create_resources = _rolled_back(Stack.create_resources)
    Stack.verify_readiness = _rolled_back(Stack.verify_readiness)
    Stack.update = _updating(Stack.update)
    Stack.delete = _deleting(Stack.delete)
    CloudFormationBackend.describe_stacks = _advancing(CloudFormationBackend.describe_stacks)
    CloudFormationBackend.delete_stack = _protected(CloudFormationBackend.delete_stack)
    CloudFormationResponse.update_termination_protection = _protect
    models.yaml = responses.yaml = stack_template.Yaml

    def check_role(response: Any, role: str) -> None:
        stack = f"arn:aws:cloudformation:{response.region}:{response.current_account}:stack/*"
        context.principals.check_trust(role, _CLOUDFORMATION, stack)

    allowed = StackPermissions(context.guard, context.principals.is_allowed, context.settings.enforce_iam)
    for name in ("create_stack", "update_stack", "create_change_set", "validate_template"):
        method = original(getattr(CloudFormationResponse, name))
        setattr(CloudFormationResponse, name, _checked(method, check_role, allowed))
    for name in (
        *("delete_stack", "execute_change_set", "update_stack_set"),
        *("create_stack_instances", "update_stack_instances", "delete_stack_instances"),
    ):
        method = original(getattr(CloudFormationResponse, name))
        setattr(CloudFormationResponse, name, _permitted(method, allowed))


def _checked(method: Method, check_role: Callable[[Any, str], None], allowed: StackPermissions) -> Method:
    """Check the template, its parameters, the capabilities and the role of a request."""

    @wraps(method)
    def step(self: Any) -> Any:
        text = stack_requests.template_of(self)
        template = stack_template.parse(text)
        stack_template.check(template)
        if method.__name__ != "validate_template":
            listed = self._get_param("Parameters", [])
            pairs = [(one.get("ParameterKey"), one.get("ParameterValue")) for one in listed]
            given = {key: value for key, value in pairs if key and value is not None}
            stack_parameters.check_parameters(template, given)
            stack_parameters.check_capabilities(template, self._get_param("Capabilities", []))
        role = self._get_param("RoleARN")
        if role:
            check_role(self, role)
        if allowed.enforces and method.__name__ != "validate_template":
            allowed.check(template, role or _role_of(self))
        if method.__name__ == "update_stack":
            stack_requests.check_change(self, template)
        return method(self)

    return step


def _permitted(method: Method, allowed: StackPermissions) -> Method:
    """Check the permissions for the resources of a stack or change set that exists. Those of a stack set can be any."""

    @wraps(method)
    def step(self: Any) -> Any:
        if method.__name__ == "delete_stack":
            for stack in _named(self):
                allowed.check(stack.template_dict, self._get_param("RoleARN") or stack.role_arn)
        elif method.__name__ == "execute_change_set":
            name = self._get_param("ChangeSetName")
            for one in self.cloudformation_backend.change_sets.values():
                if name in (one.change_set_name, one.change_set_id):
                    allowed.check(stack_template.parse(one.template), one.role_arn)
        else:
            allowed.check(NESTED, None)
        return method(self)

    return step


def _named(response: Any) -> list[Any]:
    """The stack of a request, by name or id; none if there is no such stack."""
    name = response._get_param("StackName")
    return [one for one in response.cloudformation_backend.stacks.values() if name in (one.name, one.stack_id)]


def _role_of(response: Any) -> str | None:
    """The role of an earlier request for the stack, which CloudFormation keeps on using."""
    return next((one.role_arn for one in _named(response) if one.role_arn), None)


def _rolled_back(create: Method) -> Method:
    """If an App cannot be created, the stack ends as ROLLBACK_COMPLETE and its resources are deleted."""

    def step(self: Any) -> None:
        try:
            create(self)
        except ResourceError as error:
            _report(self, "CREATE_FAILED", error)
            self._add_stack_event("ROLLBACK_IN_PROGRESS", resource_status_reason=_FAILED.format("created"))
            self.resource_map.delete()
            # moto creates a resource that it does not find, whenever something asks for it.
            self.resource_map._resource_json_map = {}
            self.output_map = OutputMap(self.resource_map, {}, self.stack_id)
            self.status = "ROLLBACK_COMPLETE"
            self._add_stack_event("ROLLBACK_COMPLETE")

    return step


def _updating(update: Method) -> Method:
    """If a resource cannot be updated, the stack ends as UPDATE_ROLLBACK_COMPLETE with its former template."""

    def step(self: Any, template: str, role_arn: Any = None, parameters: Any = None, tags: Any = None) -> None:
        resources = self.resource_map
        former = (self.template, resources._template, resources._resource_json_map, resources.input_parameters)
        try:
            _check_removals(self, template, parameters)
            update(self, template, role_arn, parameters, tags)
            for app in _apps(self):
                app.set_tags(self.account_id)
        except ResourceError as error:
            _report(self, "UPDATE_FAILED", error)
            self._add_stack_event("UPDATE_ROLLBACK_IN_PROGRESS", resource_status_reason=_FAILED.format("updated"))
            self.template, resources._template, resources._resource_json_map, resources.input_parameters = former
            self._parse_template()
            resources.load_mapping()
            resources.load_parameters()
            resources.load_conditions()
            self.status = "UPDATE_ROLLBACK_COMPLETE"
            self._add_stack_event("UPDATE_ROLLBACK_COMPLETE")

    return step


def _deleting(delete: Method) -> Method:
    """If an App cannot be deleted, the stack stays, as DELETE_FAILED."""

    def step(self: Any) -> None:
        for resource in self.resource_map._resource_json_map.values():
            if resource.get("DeletionPolicy") == "RetainExceptOnCreate":  # moto knows Retain only.
                resource["DeletionPolicy"] = "Retain"
        try:
            delete(self)
        except ResourceError as error:
            _report(self, "DELETE_FAILED", error)
            self.status = "DELETE_FAILED"
            self._add_stack_event("DELETE_FAILED", resource_status_reason=_FAILED.format("deleted"))

    return step


def _protected(delete_stack: Method) -> Method:
    """Refuse to delete a stack with termination protection, and keep one whose deletion failed."""

    def step(self: Any, name_or_stack_id: str) -> None:
        stack = next((one for one in self.stacks.values() if name_or_stack_id in (one.name, one.stack_id)), None)
        if stack is not None and _true(stack.enable_termination_protection):
            message = f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled"
            raise ValidationError(message=message)
        delete_stack(self, name_or_stack_id)
        if stack is not None and stack.status == "DELETE_FAILED":
            self.stacks[stack.stack_id] = self.deleted_stacks.pop(stack.stack_id)

    return step


def _protect(self: Any) -> ActionResult:
    """UpdateTerminationProtection."""
    stack = self.cloudformation_backend.get_stack(self._get_param("StackName"))
    stack.enable_termination_protection = _true(self._get_param("EnableTerminationProtection"))
    return ActionResult({"StackId": stack.stack_id})


def _advancing(describe_stacks: Method) -> Method:
    """A stack is complete when its Apps are created. moto has no background work, so a description looks for it."""

    def step(self: Any, name_or_stack_id: str) -> Any:
        found = describe_stacks(self, name_or_stack_id)
        for stack in found:
            wanted = [one for one in stack.template_dict.get("Resources", {}).values() if one["Type"] == _TYPE]
            if stack.status == "CREATE_IN_PROGRESS" and 0 < len(wanted) == len(_apps(stack)):
                stack.verify_readiness()
        return found

    return step


def _true(value: Any) -> bool:
    return str(value).lower() == "true"


def _check_removals(stack: Any, template: str, parameters: Any) -> None:
    """Apply the stack policy to resources that the new template lacks. Changed Apps check it themselves."""
    new = stack.parse_template(template)
    for name in stack.resource_map.build_resource_diff(new, parameters)["Remove"]:
        kind = stack.template_dict["Resources"][name]["Type"]
        why = stack_policy.refusal(stack.policy, "Update:Delete", name, kind)
        if why:
            raise ResourceError(why)


def _apps(stack: Any) -> list[MlflowAppResource]:
    found = list(stack.resource_map._parsed_resources.values())
    return [one for one in found if isinstance(one, MlflowAppResource)]


def _report(stack: Any, status: str, error: ResourceError) -> None:
    """Add the event with the reason, which Terraform and the console show."""
    names = [name for name, one in stack.template_dict.get("Resources", {}).items() if one["Type"] == _TYPE]
    arns = {app.logical_resource_id: app.arn for app in _apps(stack)}
    for name in names[:1]:
        event = Event(stack.stack_id, stack.name, name, arns.get(name, ""), _TYPE, status, str(error), None)
        stack.events.append(event)


# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-iam-servicerole.html
_CLOUDFORMATION = Service(
    "cloudformation.amazonaws.com", "ValidationError", "Role {role} is invalid or cannot be assumed"
)
_TYPE = MlflowAppResource.cloudformation_type()
_FAILED = "The following resource(s) failed to be {}."
