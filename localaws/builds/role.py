"""How CodeBuild assumes a project's service role."""

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
