"""Prod on its own localaws: applied while AWS throttles and fails, edited by hand, and destroyed."""

import json
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from localaws import daemon
from tests.support.http import HTTP
from tests.support.running import RunningLocalAws, start
from tests.terraform.applying import Environment

# The throttling error and the server error of each service. Source: the errors that its API reference lists
# (as in https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html), else those common to all of its actions.
# The "Throttled" error (429) of SNS, which the provider does not retry, is documented for its SMS actions only.
ERRORS = {
    "budgets": (("ThrottlingException", 400), ("InternalErrorException", 500)),
    "codebuild": (("ThrottlingException", 400), ("InternalFailure", 500)),
    "ecr": (("ThrottlingException", 400), ("ServerException", 500)),
    "events": (("ThrottlingException", 400), ("InternalException", 500)),
    "iam": (("Throttling", 400), ("ServiceFailure", 500)),
    "kms": (("ThrottlingException", 400), ("KMSInternalException", 500)),
    "logs": (("ThrottlingException", 400), ("ServiceUnavailableException", 503)),
    "monitoring": (("Throttling", 400), ("InternalServiceError", 500)),
    "s3": (("SlowDown", 503), ("InternalError", 500)),
    "sagemaker": (("ThrottlingException", 400), ("InternalFailure", 500)),
    "scheduler": (("ThrottlingException", 429), ("InternalServerException", 500)),
    "sns": (("Throttling", 400), ("InternalError", 500)),
    "sqs": (("RequestThrottled", 400), ("InternalFailure", 500)),
    "ssm": (("ThrottlingException", 400), ("InternalServerError", 500)),
    "states": (("ThrottlingException", 400), ("InternalFailure", 500)),
    "sts": (("Throttling", 400), ("InternalFailure", 500)),
}
# The provider watches the queue for half a minute, and then its policy for another half. So of all calls of an apply
# two are not struck: s3:PutBucketLifecycleConfiguration and sqs:SetQueueAttributes.
SLOW = {"aws_sqs_queue_policy": {"schedule_failures": {"count": 0}}}

# As in staging a schedule, and as in neither root a subscriber and a budget.
MORE: dict[str, Any] = {
    "schedule": {"start": "cron(0 7 ? * MON-FRI *)", "stop": "cron(0 20 ? * MON-FRI *)"},
    "weekly_maintenance_window_start": None,
    "backup": {"schedule_expression": "cron(30 12 ? * MON-FRI *)"},
    "notifications": {"emails": ["team@example.com"]},
    "monthly_budget_usd": 500,
}


@dataclass(frozen=True)
class Struck:
    """Prod with all optional services, applied while each operation was throttled once and failed once.

    Attributes:
        applied: the apply, with both of its outputs as `stdout`.
        calls: the calls of the apply.
    """

    prod: Environment
    applied: "subprocess.CompletedProcess[str]"
    calls: list[dict[str, Any]]


@pytest.fixture(scope="module")
def struck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Struck]:
    account = start(tmp_path_factory.mktemp("faults") / "home")
    try:
        prod = Environment(account, "prod", SLOW, **MORE)
        for service, errors in ERRORS.items():
            for error, status in errors:
                account.fault(f"{service}:*", error=error, status=status, each="operation")

        # The provider reads a bucket with sixteen calls, and a call that fails twice takes three seconds.
        applied = prod.apply()
        HTTP.delete(f"{account.url}/_localaws/faults")
        calls = [call for call in account.calls() if call["principal"].endswith(":user/localaws")]
        yield Struck(prod, applied, calls)
    finally:
        daemon.down(account.settings)


def test_an_apply_succeeds_although_each_operation_is_throttled_once_and_fails_once(struck: Struck) -> None:
    assert struck.applied.returncode == 0, struck.applied.stdout
    answers = defaultdict(set)
    for call in struck.calls:
        answers[call["service"], call["operation"]].add((call["error"], call["status"]))
    spared = {
        action: given for action, given in answers.items() if not given.issuperset(ERRORS.get(action[0], [("?", 0)]))
    }
    assert spared == {}
    assert {service for service, _ in answers} == set(ERRORS)
    assert "No changes." in struck.prod.plan().stdout


def test_policies_edited_by_hand_are_shown_in_the_plan_and_restored_by_the_apply(struck: Struck) -> None:
    policies = Policies(struck.prod)
    intact = policies.read()
    policies.edit()
    assert [name for name, policy in policies.read().items() if policy != intact[name]] == list(intact)

    shown = struck.prod.plan("-out=mending.tfplan")
    assert shown.returncode == 2
    assert re.findall(r"^  # (\S+) will be updated in-place$", shown.stdout, re.MULTILINE) == sorted(
        [
            'module.platform.module.mlflow.aws_iam_policy.client["reader"]',
            "module.platform.module.mlflow.aws_iam_role_policy.basic_access[0]",
            "module.platform.module.mlflow.aws_kms_key.events[0]",
            "module.platform.module.mlflow.aws_s3_bucket_policy.artifacts[0]",
        ]
    )
    assert shown.stdout.count("ByHand") >= len(intact)

    mended = struck.prod.terraform("apply", "-no-color", "mending.tfplan")
    assert mended.returncode == 0, mended.stdout
    assert policies.read() == intact


class Policies:
    """The four kinds of policies of an environment, as AWS returns them."""

    def __init__(self, environment: Environment) -> None:
        client = environment.localaws.client
        self._iam, self._kms, self._s3 = client("iam"), client("kms"), client("s3")
        base = f"mlflow-{environment.name}-mlflow"
        self._role = {"RoleName": f"{base}-role", "PolicyName": "MLflowBasicAccess"}
        self._account = f"arn:aws:iam::{environment.localaws.settings.account}:root"
        self._client = self._account.replace(":root", f":policy/{base}-reader")
        self._bucket = f"{base}-artifacts-zali-{environment.name}"
        alias = self._kms.describe_key(KeyId=f"alias/{base}-events")
        self._key = {"KeyId": alias["KeyMetadata"]["KeyId"], "PolicyName": "default"}

    def read(self) -> dict[str, Any]:
        version = self._iam.get_policy(PolicyArn=self._client)["Policy"]["DefaultVersionId"]
        client = self._iam.get_policy_version(PolicyArn=self._client, VersionId=version)["PolicyVersion"]["Document"]
        return {
            "role": self._iam.get_role_policy(**self._role)["PolicyDocument"],
            "client": client,
            "bucket": json.loads(self._s3.get_bucket_policy(Bucket=self._bucket)["Policy"]),
            "key": json.loads(self._kms.get_key_policy(**self._key)["Policy"]),
        }

    def edit(self) -> None:
        """Adds a statement to each policy that allows everything. S3 would block a bucket policy for everybody."""
        policies = self.read()
        for name, policy in policies.items():
            principal = {"Principal": {"AWS": self._account}} if name in ("bucket", "key") else {}
            resource = f"arn:aws:s3:::{self._bucket}/*" if name == "bucket" else "*"
            policy["Statement"].append(
                {"Sid": "ByHand", "Effect": "Allow", "Action": "s3:*", "Resource": resource} | principal
            )
        texts = {name: json.dumps(policy) for name, policy in policies.items()}
        self._iam.put_role_policy(**self._role, PolicyDocument=texts["role"])
        self._iam.create_policy_version(PolicyArn=self._client, PolicyDocument=texts["client"], SetAsDefault=True)
        self._s3.put_bucket_policy(Bucket=self._bucket, Policy=texts["bucket"])
        self._kms.put_key_policy(**self._key, Policy=texts["key"])


@pytest.mark.last
def test_destroy_refuses_to_delete_objects_and_then_leaves_nothing_behind(struck: Struck) -> None:
    assert struck.applied.returncode == 0, struck.applied.stdout
    prod = struck.prod
    # The state after Terraform was killed while writing it.
    state = prod.root / "terraform.tfstate"
    state.rename(prod.root / "terraform.tfstate.backup")
    state.write_text("")
    mended = prod.deployed.terraform("output", "-raw", "mlflow_version")
    assert (mended.stdout, "is incomplete because an apply was killed" in mended.stderr) == ("3.0", True)

    # If destroy cannot delete the bucket, it must not delete the server with its runs first.
    s3 = prod.localaws.client("s3")
    bucket = prod.deployed.terraform("output", "-raw", "artifact_bucket_name").stdout
    version = s3.put_object(Bucket=bucket, Key="0/run/artifacts/model", Body=b"a model")["VersionId"]
    refused = prod.deployed.terraform("destroy", check=False)
    assert refused.returncode == 3
    assert refused.stderr.strip().startswith(f"error: bucket {bucket} still contains objects, so nothing was destroyed")
    assert len(existing(prod.localaws)["servers"]) == 1
    s3.delete_object(Bucket=bucket, Key="0/run/artifacts/model", VersionId=version)

    destroyed = prod.deployed.terraform("destroy", check=False)
    assert destroyed.returncode == 0, destroyed.stdout + destroyed.stderr
    assert existing(prod.localaws) == {"servers": [], "buckets": [], "roles": [], "keys": [], "repositories": []}
    undeployed = prod.deployed.terraform("output", check=False)
    assert (undeployed.returncode, undeployed.stderr) == (
        3,
        "error: prod is not deployed yet: run `make apply ENV=prod LOCAL=1`\n",
    )


def existing(localaws: RunningLocalAws) -> dict[str, list[str]]:
    """The resources in the account, without keys that are pending deletion."""
    client = localaws.client
    keys = [client("kms").describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in client("kms").list_keys()["Keys"]]
    servers = client("sagemaker").list_mlflow_tracking_servers()["TrackingServerSummaries"]
    return {
        "servers": [server["TrackingServerName"] for server in servers],
        "buckets": [bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]],
        "roles": [role["RoleName"] for role in client("iam").list_roles()["Roles"] if "mlflow" in role["RoleName"]],
        "keys": [
            key["Description"] for key in keys if key["KeyManager"] == "CUSTOMER" and key["KeyState"] == "Enabled"
        ],
        "repositories": [one["repositoryName"] for one in client("ecr").describe_repositories()["repositories"]],
    }
