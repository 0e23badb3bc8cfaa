"""What a stack requires besides the permissions on itself: its role or the caller creates its resources.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/control-access-with-iam.html. moto creates them
without asking. Which calls each type makes is AWS's own knowledge, so localaws asks for all actions of its service on
everything. Apps are created by localaws, which asks for their own permissions (`mlflow_app_resource`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from localaws.call import Call, current_call
from localaws.errors import AwsError
from localaws.services.mlflow_app_resource import MlflowAppResource

# The prefixes of IAM actions that differ from the service in the type, in lower case.
PREFIXES = {
    "applicationautoscaling": "application-autoscaling",
    # A nested stack has any resources.
    "cloudformation": "*",
    "stepfunctions": "states",
}
NESTED = {"Resources": {"Any": {"Type": "AWS::CloudFormation::Stack"}}}


@dataclass(frozen=True)
class StackPermissions:
    """Checks a stack on a localaws that enforces policies.

    Attributes:
        guard: checks a call of the caller.
        is_allowed: whether a role may do something on all resources.
    """

    guard: Callable[[Call], None]
    is_allowed: Callable[[str, str], bool]
    enforces: bool

    def check(self, template: Mapping[str, Any], role: str | None) -> None:
        """Refuse a stack with resources that its role, or else the caller, could not create or delete.

        Raises:
            AwsError: AccessDenied.
        """
        if not self.enforces:
            return
        for prefix in sorted(services(template)):
            if role is None:
                caller = current_call.get()
                self.guard(replace(caller, service=prefix, operation="*", parameters={}, model=None, permissions=[]))
            elif not self.is_allowed(role, f"{prefix}:*"):
                message = f"The role {role} is not authorized to perform: {prefix}:* on resource: *"
                raise AwsError("AccessDenied", message, 403)


def services(template: Mapping[str, Any]) -> set[str]:
    """The prefixes of the services whose resources a template has, without MLflow Apps."""
    found = [str(one.get("Type", "")) for one in (template.get("Resources") or {}).values() if isinstance(one, dict)]
    others = [kind.split("::") for kind in found if kind != MlflowAppResource.cloudformation_type()]
    names = {parts[1].lower() if parts[0] == "AWS" and len(parts) > 1 else "cloudformation" for parts in others}
    return {PREFIXES.get(name, name) for name in names}
