"""How CodeBuild assumes a project's service role, and what it needs the role for before it runs a build."""

from collections.abc import Callable

from localaws.errors import AwsError
from localaws.iam.trust import Service

# Source of the condition keys, an account's id and a project's ARN:
# https://docs.aws.amazon.com/codebuild/latest/userguide/setting-up-service-role.html
CODEBUILD = Service(
    "codebuild.amazonaws.com",
    "InvalidInputException",
    "CodeBuild is not authorized to perform: sts:AssumeRole on service role. Please verify that: 1) The provided "
    "service role exists, 2) The role name is case-sensitive and matches exactly, and 3) The role has the necessary "
    "trust policy configured.",
)

# What CodeBuild looks up with the role when a project in a VPC is created or changed.
# https://docs.aws.amazon.com/codebuild/latest/userguide/auth-and-access-control-iam-identity-based-access-control.html
NETWORK_LOOKUPS = ("DescribeSecurityGroups", "DescribeSubnets", "DescribeVpcs")


def check_network(is_allowed: Callable[[str, str], bool], role: str) -> None:
    """Refuse the role of a project in a VPC that may not look up the VPC.

    The message is that of AWS, as quoted in https://github.com/aws/aws-cdk/issues/11815.

    Args:
        is_allowed: takes the ARN of a role and an action.

    Raises:
        AwsError: InvalidInputException.
    """
    for lookup in NETWORK_LOOKUPS:
        if not is_allowed(role, f"ec2:{lookup}"):
            raise AwsError("InvalidInputException", f"Not authorized to perform {lookup}", 400)
