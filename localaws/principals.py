"""Access keys and their principals (administrator, IAM users, role sessions), and how services assume roles."""

import secrets
import string
import threading
from datetime import UTC

from localaws.credentials import Credentials, Key
from localaws.errors import AwsError
from localaws.iam.evaluate import evaluate
from localaws.iam.moto_policy_store import MotoPolicyStore
from localaws.iam.permission import RequiredPermission
from localaws.iam.policy import PolicyError
from localaws.iam.request import Principal, Request
from localaws.iam.trust import Service, check_trust

ADMINISTRATOR = "localaws"


class Principals:
    """Finds keys in moto's IAM and STS, so that users and roles created through the API can sign."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._policy_store = MotoPolicyStore(account)
        self._lock = threading.Lock()

    def create_administrator(self) -> Credentials:
        """Creates the IAM user whose key `make local-env` prints."""
        from moto.iam.models import iam_backends

        iam = iam_backends[self._account]["aws"]
        iam.create_user("us-east-1", ADMINISTRATOR)
        key = iam.create_access_key(ADMINISTRATOR)
        iam.put_user_policy(
            ADMINISTRATOR,
            "Administrator",
            '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}',
        )
        return Credentials(key.access_key_id, key.secret_access_key)

    def check_trust(self, role_arn: str, service: Service, source_arn: str) -> None:
        """Refuses a role that a service may not assume for the resource `source_arn`.

        Raises:
            AwsError: the service's own error.
        """
        check_trust(self._policy_store, role_arn, service, source_arn)

    def is_allowed(self, role_arn: str, action: str) -> bool:
        """Whether a role's policies allow an action on all resources."""
        permission = RequiredPermission(action, "*", self._account)
        request = Request(Principal(role_arn), action, "*", self._account, {"aws:PrincipalArn": role_arn})
        try:
            return evaluate(request, self._policy_store.policies(request.principal, permission)).allowed
        except PolicyError as error:
            raise AwsError("MalformedPolicyDocument", f"localaws cannot read a policy. {error}", 400) from None

    def assume(self, role_arn: str, session: str, service: Service, source_arn: str) -> Credentials:
        """Credentials of a role that a service assumes: for a tracking server, an endpoint or a schedule.

        AWS renews them while the service runs; these do not expire while localaws runs.

        Raises:
            AwsError: see `check_trust`.
        """
        from moto.sts.models import sts_backends

        self.check_trust(role_arn, service, source_arn)
        role = sts_backends[self._account]["aws"].assume_role(
            region_name="us-east-1",
            role_session_name=session,
            role_arn=role_arn,
            policy=None,
            duration=365 * 86400,
            external_id=None,
        )
        return Credentials(role.access_key_id, role.secret_access_key, role.session_token)

    def key(self, access_key: str) -> Key | None:
        """The secret of an access key; None if there is no such key."""
        from moto.iam.models import iam_backends
        from moto.sts.models import sts_backends

        with self._lock:
            for user in iam_backends[self._account]["aws"].users.values():
                for key in user.access_keys:
                    if key.access_key_id == access_key and key.status == "Active":
                        return Key(key.secret_access_key, user.arn)
            for role in sts_backends[self._account]["aws"].assumed_roles:
                if role.access_key_id == access_key:
                    expires = role.expiration.replace(tzinfo=UTC)  # moto keeps naive UTC.
                    return Key(role.secret_access_key, role.arn, role.session_token, expires)
        return None


def random_id(length: int = 12) -> str:
    """A random part of a name, as in AWS's host names and instance ids."""
    return "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(length))
