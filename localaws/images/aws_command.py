"""The `aws` of builds where the AWS CLI is not installed: `aws ecr get-login-password`."""

import base64
import sys


def main(arguments: list[str]) -> int:
    """Print the registry's password, and return the exit status."""
    if arguments[:2] != ["ecr", "get-login-password"]:
        print("aws: install awscli. Without it, localaws has only `aws ecr get-login-password`.", file=sys.stderr)
        return 2
    import boto3

    (granted,) = boto3.client("ecr").get_authorization_token()["authorizationData"]
    print(base64.b64decode(granted["authorizationToken"]).decode().partition(":")[2])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
