"""Authenticates the registry's requests: container tools log in with the password of GetAuthorizationToken."""

import base64
import json

from localaws.call import REGISTRY_PROTOCOL, Call
from localaws.errors import AwsError
from localaws.front.entrance import Authenticate, ErrorResponse
from localaws.registry.paths import parse
from localaws.registry.tokens import Token, Tokens

VERSION_HEADER = {"docker-distribution-api-version": "registry/2.0"}
# The registry's names of AWS's errors, which the guard and ordered faults raise.
_CODES = {"AccessDeniedException": "DENIED", "ThrottlingException": "TOOMANYREQUESTS"}


class RegistryEntrance:
    """Basic authentication below /v2/. S3 has no bucket of that name: bucket names have three characters or more."""

    def __init__(self, tokens: Tokens, account: str, region: str) -> None:
        self._tokens = tokens
        self._account = account
        self._region = region

    def takes(self, call: Call) -> bool:
        """Whether it is a registry request. Other services have signed paths that begin alike."""
        signed = call.headers.get("authorization", "").startswith("AWS4-") or "X-Amz-Signature=" in call.query
        return (call.path == "/v2" or call.path.startswith("/v2/")) and not signed

    def admit(self, call: Call) -> Authenticate:
        """Check the password, and set the operation that the path stands for.

        Raises:
            AwsError: there is no password, or it is not valid.
        """
        parsed = parse(call.method, call.path)
        call.service, call.protocol, call.region = "ecr", REGISTRY_PROTOCOL, self._region
        call.operation = parsed.operation or "-"
        if parsed.repository:
            call.parameters = {"repositoryName": parsed.repository}
            call.resource = f"arn:aws:ecr:{self._region}:{self._account}:repository/{parsed.repository}"
        token = self._token(call)
        call.principal, call.access_key = token.principal, token.access_key
        return lambda: None

    def error(self, call: Call, error: AwsError) -> ErrorResponse:  # noqa: ARG002 an Entrance
        """The error as the distribution specification writes it."""
        headers = {"content-type": "application/json", **VERSION_HEADER}
        if error.status == 401:
            registry = f"https://{self._account}.dkr.ecr.{self._region}.amazonaws.com/"
            headers["www-authenticate"] = f'Basic realm="{registry}",service="ecr.amazonaws.com"'
        body = {"errors": [{"code": _CODES.get(error.code, error.code), "message": error.message}]}
        return ErrorResponse(error.status, headers, json.dumps(body).encode())

    def _token(self, call: Call) -> Token:
        kind, _, encoded = call.headers.get("authorization", "").partition(" ")
        if kind.lower() != "basic":
            raise AwsError("UNAUTHORIZED", "Not Authorized", 401)
        try:
            user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:  # Also of binascii, and of a header that is not ASCII.
            raise AwsError("UNAUTHORIZED", "Not Authorized", 401) from None
        token = self._tokens.find(user, password)
        if token is None:
            # As docker shows it: https://repost.aws/knowledge-center/ecr-push-pull-troubleshoot
            message = "Your authorization token has expired. Reauthenticate and try again."
            raise AwsError("DENIED", message, 403)
        return token
