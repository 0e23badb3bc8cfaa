"""Private access: what may pass the endpoints of the example."""

from tests.terraform.inventory import planned_resources
from tests.terraform.planning import Planner
from tests.terraform.test_policies import statements
from tests.terraform.variations import ACCOUNT

SERVERS = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:mlflow-tracking-server/mlflow-staging-*"
BUCKET = "arn:aws:s3:::mlflow-staging-mlflow-artifacts-acme-staging"
EVERYBODY = {"Principal": "*"}


def test_only_this_account_may_pass_to_mlflow_and_only_to_this_environments_servers(planner: Planner) -> None:
    ours = {"StringEqualsIfExists": {"aws:PrincipalAccount": ACCOUNT}}
    policy = statements(planner.plan("private-access"), "module.private_access.aws_vpc_endpoint.experiments")
    assert policy == {
        "AllowTheseServersToThisAccount": {
            **EVERYBODY,
            "Effect": "Allow",
            "Action": ["sagemaker-mlflow:*"],
            "Resource": [SERVERS],
            "Condition": ours,
        },
        "AllowUIToThisAccount": {
            **EVERYBODY,
            "Effect": "Allow",
            "Action": ["sagemaker-mlflow:AccessUI"],
            "Resource": ["*"],
            "Condition": ours,
        },
    }


def test_the_api_passes_this_account_but_to_no_other_tracking_server(planner: Planner) -> None:
    policy = statements(planner.plan("private-access"), "module.private_access.aws_vpc_endpoint.api[0]")
    assert policy["AllowThisAccountToThisAccount"] == {
        **EVERYBODY,
        "Effect": "Allow",
        "Action": ["sagemaker:*"],
        "Resource": ["*"],
        "Condition": {
            "StringEquals": {"aws:PrincipalAccount": ACCOUNT},
            "StringEqualsIfExists": {"aws:ResourceAccount": ACCOUNT},
        },
    }
    refused = policy.pop("DenyOtherServers")
    assert (refused["Effect"], refused["Principal"], refused["NotResource"]) == ("Deny", "*", SERVERS)
    assert "sagemaker:CreatePresignedMlflowTrackingServerUrl" in refused["Action"]
    assert all(action.removeprefix("sagemaker:").count("MlflowTrackingServer") == 1 for action in refused["Action"])
    assert list(policy) == ["AllowThisAccountToThisAccount"]


def test_only_the_artifact_bucket_is_within_reach_of_the_gateway(planner: Planner) -> None:
    policy = statements(planner.plan("private-access"), "module.private_access.aws_vpc_endpoint.s3[0]")
    assert policy == {
        "AllowTheseBuckets": {**EVERYBODY, "Effect": "Allow", "Action": ["s3:*"], "Resource": [BUCKET, f"{BUCKET}/*"]}
    }


def test_nothing_goes_out_of_the_endpoints(planner: Planner) -> None:
    [group] = [
        values
        for address, values in planned_resources(planner.plan("private-access")).items()
        if address.endswith("aws_security_group.endpoints")
    ]
    assert "egress" not in group or group["egress"] == []
