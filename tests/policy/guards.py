"""Policies that only restrict: those of the VPC endpoints and of the state bucket.

Every caller here has a policy that allows everything, so only the guard decides.
"""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from localaws.iam.evaluate import Policies, evaluate
from localaws.iam.policy import Policy
from localaws.iam.request import Principal, Request
from tests.policy.asking import ENCRYPTION, KEY_OF_REQUEST, NO_TLS, OLD_TLS, OTHER_ACCOUNT, on
from tests.policy.judging import EVERYTHING, USUAL, Ask
from tests.policy.rendered import Document, endpoint
from tests.policy.scenarios import ACCOUNT, REGION
from tests.terraform.variations import KEY, STATES

SAGEMAKER = f"arn:aws:sagemaker:{REGION}"
SERVER = f"{SAGEMAKER}:{ACCOUNT}:mlflow-tracking-server/mlflow-staging-3-0"
OTHER_SERVER = f"{SAGEMAKER}:{ACCOUNT}:mlflow-tracking-server/mlflow-prod-3-0"
THEIR_SERVER = f"{SAGEMAKER}:{OTHER_ACCOUNT}:mlflow-tracking-server/mlflow-staging-3-0"
JOB = f"{SAGEMAKER}:{ACCOUNT}:training-job/churn"
THEIR_JOB = f"{SAGEMAKER}:{OTHER_ACCOUNT}:training-job/churn"
ARTIFACTS = "arn:aws:s3:::mlflow-staging-mlflow-artifacts-acme-staging"
OTHER_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/99999999-8888-7777-6666-555555555555"

BUCKET = f"arn:aws:s3:::{STATES}"
STATE = f"{BUCKET}/mlflow/staging/terraform.tfstate"
LOCK = f"{STATE}.tflock"
# Terraform's calls on the bucket. tests/localaws/state checks that it makes no others.
# https://developer.hashicorp.com/terraform/language/backend/s3#permissions-required
TERRAFORM = {
    BUCKET: {"s3:ListBucket"},
    STATE: {"s3:GetObject", "s3:PutObject"},
    LOCK: {"s3:GetObject", "s3:PutObject", "s3:DeleteObject"},
}

# Actions that only the administrators of the bucket may perform.
CHANGES = (
    "s3:PutBucketObjectLockConfiguration",
    "s3:PutBucketOwnershipControls",
    "s3:PutBucketPolicy",
    "s3:PutBucketPublicAccessBlock",
    "s3:PutBucketVersioning",
    "s3:PutEncryptionConfiguration",
    "s3:PutLifecycleConfiguration",
    "s3:PutReplicationConfiguration",
)

TO_OUR_SERVERS = (
    "sagemaker:CreateMlflowTrackingServer",
    "sagemaker:CreatePresignedMlflowTrackingServerUrl",
    "sagemaker:DeleteMlflowTrackingServer",
    "sagemaker:DescribeMlflowTrackingServer",
    "sagemaker:StartMlflowTrackingServer",
    "sagemaker:StopMlflowTrackingServer",
    "sagemaker:UpdateMlflowTrackingServer",
)


@dataclass(frozen=True)
class Guard:
    """A policy that restricts access.

    Attributes:
        scenario: the plan that contains the policy.
        on: the ARN of the resource with the policy.
        passes: requests that it must allow.
        stops: requests that it must deny, by title.
        must_allow: whether a request needs an explicit allow in the policy (an endpoint), or only no deny (a bucket).
    """

    scenario: str
    on: str
    passes: tuple[Ask, ...]
    stops: dict[str, tuple[Ask, ...]]
    must_allow: bool

    def wrong(self, policy: Document) -> Iterator[str]:
        """The requests for which the policy's decision differs from the expectation."""
        for ask in self.passes:
            if not self._passes(policy, ask):
                yield f"stopped: {ask}"
        for title, asks in self.stops.items():
            yield from (f"{title}: {ask}" for ask in asks if self._passes(policy, ask))

    def _passes(self, policy: Document, ask: Ask) -> bool:
        account = ask.resource.split(":")[4] if ask.resource != "*" else ""
        caller = ask.by or f"arn:aws:iam::{ACCOUNT}:role/administrator"
        context = {**USUAL, "aws:PrincipalArn": caller, **ask.context}
        request = Request(
            Principal(caller),
            ask.action,
            ask.resource,
            account or ACCOUNT,
            {key: value for key, value in context.items() if value is not None},
        )
        policies = Policies(
            identity=(Policy.parse("everything", EVERYTHING),),
            resource=Policy.parse("guard", policy),
            resource_decides=self.must_allow,
        )
        return evaluate(request, policies).allowed


def _stranger(resource: str, *actions: str) -> tuple[Ask, ...]:
    """Requests of a role of another account."""
    role = f"arn:aws:iam::{OTHER_ACCOUNT}:role/stranger"
    return tuple(Ask(action, resource, {"aws:PrincipalAccount": OTHER_ACCOUNT}, by=role) for action in actions)


def _browser(resource: str, *actions: str) -> tuple[Ask, ...]:
    """Requests without a signature."""
    return tuple(Ask(action, resource, {"aws:PrincipalAccount": None}, by="anonymous") for action in actions)


def _elsewhere(resource: str, *actions: str) -> tuple[Ask, ...]:
    """Requests for a resource of another account."""
    return tuple(Ask(action, resource, {"aws:ResourceAccount": OTHER_ACCOUNT}) for action in actions)


def _under(condition: dict[str, str | None], *asks: Ask) -> tuple[Ask, ...]:
    return tuple(Ask(ask.action, ask.resource, condition) for ask in asks)


_TERRAFORMS = tuple(ask for resource, actions in TERRAFORM.items() for ask in on(resource, *sorted(actions)))
_INSECURELY = {"Call without TLS": _under(NO_TLS, *_TERRAFORMS), "Call with TLS 1.1": _under(OLD_TLS, *_TERRAFORMS)}

GUARDS = (
    Guard(
        "private access",
        endpoint("experiments", account=ACCOUNT, region=REGION),
        passes=(
            *on(SERVER, "sagemaker-mlflow:CreateRun", "sagemaker-mlflow:GetRun"),
            *on("*", "sagemaker-mlflow:AccessUI"),
            *_browser(SERVER, "sagemaker-mlflow:GetRun"),
            *_browser("*", "sagemaker-mlflow:AccessUI"),
        ),
        stops={
            "Use another server": on(OTHER_SERVER, "sagemaker-mlflow:GetRun", "sagemaker-mlflow:CreateRun"),
            "Use another account's server": _elsewhere(THEIR_SERVER, "sagemaker-mlflow:GetRun"),
            "Call from another account": (
                *_stranger(SERVER, "sagemaker-mlflow:GetRun"),
                *_stranger("*", "sagemaker-mlflow:AccessUI"),
            ),
            "Call another API": on(SERVER, "sagemaker:DeleteMlflowTrackingServer"),
        },
        must_allow=True,
    ),
    Guard(
        "private access",
        endpoint("api", account=ACCOUNT, region=REGION),
        passes=(
            *on(SERVER, *TO_OUR_SERVERS),
            *on(JOB, "sagemaker:CreateTrainingJob"),
            *on("*", "sagemaker:ListMlflowTrackingServers"),
            Ask("sagemaker:ListMlflowTrackingServers", "*", {"aws:ResourceAccount": None}),
        ),
        stops={
            "Use another server": on(OTHER_SERVER, *TO_OUR_SERVERS),
            "Use another account's server": _elsewhere(
                THEIR_SERVER, "sagemaker:CreatePresignedMlflowTrackingServerUrl"
            ),
            "Start another account's job": _elsewhere(THEIR_JOB, "sagemaker:CreateTrainingJob"),
            "Call from another account": _stranger(JOB, "sagemaker:CreateTrainingJob"),
            "Call without a signature": _browser(SERVER, "sagemaker:DescribeMlflowTrackingServer"),
            "Call another API": on(SERVER, "sagemaker-mlflow:GetRun"),
        },
        must_allow=True,
    ),
    Guard(
        "private access",
        endpoint("s3", account=ACCOUNT, region=REGION),
        passes=(*on(ARTIFACTS, "s3:ListBucket"), *on(f"{ARTIFACTS}/1/a", "s3:GetObject", "s3:PutObject")),
        stops={
            "Use another bucket": (
                *on(f"{ARTIFACTS}-other", "s3:ListBucket"),
                *on(f"{ARTIFACTS}-other/1/a", "s3:GetObject", "s3:PutObject"),
            ),
        },
        must_allow=True,
    ),
    Guard(
        "state",
        BUCKET,
        passes=(
            *_TERRAFORMS,
            # The backend writes with `encrypt`. An earlier state is restored by its version.
            *_under({ENCRYPTION: "AES256"}, *on(STATE, "s3:PutObject")),
            *on(BUCKET, "s3:ListBucketVersions", "s3:GetBucketPolicy", *CHANGES),
            *on(STATE, "s3:GetObjectVersion"),
        ),
        stops={
            **_INSECURELY,
            "Delete a state": on(STATE, "s3:DeleteObject"),
            "Delete a version": (*on(STATE, "s3:DeleteObjectVersion"), *on(LOCK, "s3:DeleteObjectVersion")),
            "Delete the bucket": on(BUCKET, "s3:DeleteBucket", "s3:DeleteBucketPolicy"),
            "Change the bucket as another role": tuple(
                Ask(action, BUCKET, by=f"arn:aws:iam::{ACCOUNT}:role/pipeline") for action in CHANGES
            ),
        },
        must_allow=False,
    ),
    Guard(
        "deletable state",
        BUCKET,
        passes=(
            *_TERRAFORMS,
            *on(STATE, "s3:DeleteObject", "s3:DeleteObjectVersion"),
            *on(BUCKET, "s3:DeleteBucket", "s3:DeleteBucketPolicy"),
            # This plan names no administrators, so the user who runs Terraform is one.
            *(Ask(action, BUCKET, by=f"arn:aws:iam::{ACCOUNT}:user/localaws") for action in CHANGES),
            *_under({ENCRYPTION: "aws:kms", KEY_OF_REQUEST: KEY}, *on(STATE, "s3:PutObject")),
        ),
        stops={
            **_INSECURELY,
            "Change the bucket as another role": on(BUCKET, *CHANGES),
            "Encrypt a state with another key": _under(
                {ENCRYPTION: "aws:kms", KEY_OF_REQUEST: OTHER_KEY}, *on(STATE, "s3:PutObject")
            ),
            "Encrypt a state with an S3 managed key (SSE-S3)": _under(
                {ENCRYPTION: "AES256"}, *on(STATE, "s3:PutObject")
            ),
        },
        must_allow=False,
    ),
)


def mutants(policy: Document) -> Iterator[tuple[str, Document]]:
    """The policy with one statement removed, or with one action, resource or condition removed, or widened."""
    for number, statement in enumerate(policy["Statement"]):
        sid = statement["Sid"]
        for change, changed in _changes(statement):
            mutant = deepcopy(policy)
            mutant["Statement"][number : number + 1] = [changed] if changed else []
            yield f"{sid} {change}", mutant


def _changes(statement: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any] | None]]:
    yield "left out", None
    for part in ("Action", "Resource", "NotResource"):
        given = statement.get(part, [])
        for one in given if isinstance(given, list) and len(given) > 1 else []:
            yield f"without {one}", {**statement, part: [other for other in given if other != one]}
    for operator, keys in statement.get("Condition", {}).items():
        for key in keys:
            changed = deepcopy(statement)
            del changed["Condition"][operator][key]
            yield f"without its condition on {key}", changed
    if "NotResource" in statement:
        yield "on every resource", {**{k: v for k, v in statement.items() if k != "NotResource"}, "Resource": "*"}
    elif statement["Effect"] == "Allow" and statement["Resource"] != "*":
        yield "on every resource", {**statement, "Resource": "*"}
    elif isinstance(ending := statement["Resource"], str) and not ending.endswith("*") and "*" in ending:
        yield "whatever the ending", {**statement, "Resource": ending[: ending.rindex("*") + 1]}
