"""Names in the plan of the github module, and questions about its policies."""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from localaws.iam.evaluate import Policies, evaluate
from localaws.iam.moto_policy_store import parsed
from localaws.iam.request import Principal, Request
from tests.policy.judging import USUAL, Ask
from tests.policy.rendered import Document, rendered
from tests.policy.scenarios import ACCOUNT, REGION
from tests.terraform.planning import Planner
from tests.terraform.variations import STATES

NAMES = {
    "name": "mlflow-staging",
    "project": "mlflow",
    "environment": "staging",
    "account": ACCOUNT,
    "region": REGION,
    "id": "77777777-8888-9999-aaaa-bbbbbbbbbbbb",
    "suffix": "acme",
    "parameter": "kms_key_arn",
}
IAM = f"arn:aws:iam::{ACCOUNT}"
CLIENT_BOUNDARY = {"iam:PermissionsBoundary": f"{IAM}:policy/mlflow-staging-ci-client-boundary"}
BOUNDARY = {"iam:PermissionsBoundary": f"{IAM}:policy/mlflow-staging-ci-boundary"}
ROLE = f"{IAM}:role/mlflow-staging-endpoint-role"
STATE = f"arn:aws:s3:::{STATES}/mlflow/staging/terraform.tfstate"
BUCKET = "arn:aws:s3:::mlflow-staging-mlflow-artifacts-acme"
KEYS = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/77777777-8888-9999-aaaa-bbbbbbbbbbbb"
THEIR_KEY = KEYS.replace(ACCOUNT, "210987654321")
OURS = {"aws:ResourceTag/project": "mlflow", "aws:ResourceTag/environment": "staging"}
THROUGH_S3 = {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}
SERVER = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:mlflow-tracking-server/mlflow-staging-3-0"
DOMAIN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:domain/d-abcdefghijkl"
PROFILE = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:user-profile/d-abcdefghijkl/ana"
STUDIO_ROLE = f"{IAM}:role/aws-service-role/sagemaker.amazonaws.com/AWSServiceRoleForAmazonSageMakerNotebooks"
NEW = {key.replace("Resource", "Request"): value for key, value in OURS.items()}
TAGGED_DOMAIN = NEW | {"sagemaker:TaggingAction": "CreateDomain"}
TAGGED_PROFILE = NEW | {"sagemaker:TaggingAction": "CreateUserProfile"}
GROUP = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package-group/mlflow-staging-iris"
TRAIL = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/mlflow-staging-mlflow-data-events"
CLIENT = f"{IAM}:role/data-scientists"
ADMINISTRATOR = {"iam:PolicyARN": "arn:aws:iam::aws:policy/AdministratorAccess"}
WRITER = {"iam:PolicyARN": f"{IAM}:policy/mlflow-staging-mlflow-writer"}


def planned_documents(planner: Planner) -> dict[str, Document]:
    """The policies in the plan of the github module."""
    return rendered(planner.plan("github"), account=ACCOUNT, region=REGION).documents()


def parse(documents: dict[str, Document]) -> Policies:
    return Policies(identity=tuple(parsed(name, json.dumps(document)) for name, document in documents.items()))


def allows(policies: Policies, ask: Ask) -> bool:
    context = {**USUAL, **ask.context}
    request = Request(
        Principal(f"arn:aws:sts::{ACCOUNT}:assumed-role/ci/now"),
        ask.action,
        ask.resource.format(**NAMES),
        ACCOUNT,
        {key: value.format(**NAMES) for key, value in context.items() if value is not None},
    )
    return evaluate(request, policies).allowed


def mutants(statements: list[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A policy's statements with one left out, without a condition, or on every resource."""
    for number, statement in enumerate(statements):
        sid = statement["Sid"]
        yield f"{sid} left out", statements[:number] + statements[number + 1 :]
        for operator, keys in statement.get("Condition", {}).items():
            for key in keys:
                changed = deepcopy(statements)
                del changed[number]["Condition"][operator][key]
                yield f"{sid} without {key}", changed
        if statement["Effect"] == "Allow" and statement["Resource"] != "*":
            changed = deepcopy(statements)
            changed[number]["Resource"] = "*"
            yield f"{sid} on every resource", changed
