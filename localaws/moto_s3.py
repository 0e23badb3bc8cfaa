"""Where moto's S3 must not decide for itself."""

from typing import Any


def leave_policies_to_localaws() -> None:
    """Stops moto from judging objects by the bucket's policy.

    It ignores conditions, so that the usual "deny what is not TLS" would deny everything
    (moto.iam.access_control says so of itself). Policies are localaws.iam's to enforce.
    """
    from moto.iam.access_control import PermissionResult
    from moto.s3.models import FakeBucket

    def get_permission(_bucket: FakeBucket, _action: str, _resource: str) -> Any:
        return PermissionResult.NEUTRAL

    FakeBucket.get_permission = get_permission
