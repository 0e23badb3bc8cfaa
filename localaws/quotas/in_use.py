"""IAM's entities that are in use or whose name is taken: moto deletes the former and replaces the latter.

Sources: https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeletePolicy.html, API_DeleteUser and API_CreateRole
("Names are not distinguished by case"); https://github.com/terraform-aws-modules/terraform-aws-eks/issues/3132 for the
message about entities, and https://github.com/gruntwork-io/cloud-nuke/issues/972 for boundaries. AWS documents no other
texts.
"""

from collections.abc import Iterable
from typing import Any

from localaws.errors import AwsError

_CONFLICT = 409


def check(backend: Any, operation: str, given: dict[str, Any]) -> None:
    """Refuse to delete a policy or a user that is in use, and to create a role or a policy again.

    Raises:
        AwsError: DeleteConflict or EntityAlreadyExists.
    """
    if operation == "DeletePolicy":
        _check_policy(backend, given["PolicyArn"])
    elif operation == "DeleteUser":
        _check_user(backend, given["UserName"])
    elif operation == "CreateRole":
        _check_name("Role with name", given["RoleName"], (role.name for role in backend.roles.values()))
    elif operation == "CreatePolicy":
        held = (policy.name for policy in backend.managed_policies.values() if ":iam::aws:" not in policy.arn)
        _check_name("A policy called", given["PolicyName"], held)


def _check_policy(backend: Any, arn: str) -> None:
    policy = backend.managed_policies.get(arn)
    if policy is None:
        return
    entities = [*backend.roles.values(), *backend.users.values(), *backend.groups.values()]
    if any(arn in (one.managed_policies or {}) or _boundary(one) == arn for one in entities):
        raise _conflict("Cannot delete a policy attached to entities.")
    if len(policy.versions) > 1:
        raise _conflict("This policy has more than one version. Delete the versions that are not the default first.")


def _boundary(entity: Any) -> Any:
    return getattr(entity, "permissions_boundary_arn", None)


def _check_user(backend: Any, name: str) -> None:
    user = backend.users.get(name)
    if user is None:
        return
    held = {
        "delete access keys": user.access_keys,
        "deactivate MFA devices": user.mfa_devices,
        "remove users from group": [one for one in backend.groups.values() if user in one.users],
    }
    for what, found in held.items():
        if found:
            raise _conflict(f"Cannot delete entity, must {what} first.")


def _check_name(kind: str, name: str, taken: Iterable[str]) -> None:
    if name.lower() in {one.lower() for one in taken}:
        raise AwsError("EntityAlreadyExists", f"{kind} {name} already exists.", _CONFLICT)


def _conflict(message: str) -> AwsError:
    return AwsError("DeleteConflict", message, _CONFLICT)
