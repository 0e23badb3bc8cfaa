"""Domains and user profiles have AWS's statuses and errors, and are saved with the state."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localaws.errors import AwsError
from localaws.principals import Principals
from localaws.services.context import Caller
from localaws.studio.operations import Studio
from localaws.studio.record import Record
from tests.support.running import RunningLocalAws, role


def settled(sagemaker: Any, domain: str, profile: str = "") -> dict[str, Any]:
    """The description of a domain or user profile after its transition."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found: dict[str, Any] = (
            sagemaker.describe_user_profile(DomainId=domain, UserProfileName=profile)
            if profile
            else sagemaker.describe_domain(DomainId=domain)
        )
        if found["Status"] == "InService":
            return found
        time.sleep(0.1)
    raise TimeoutError(f"{domain} has the status {found['Status']}")


@pytest.fixture(scope="module")
def request_body(localaws: RunningLocalAws) -> Iterator[dict[str, Any]]:
    """The members of a CreateDomain request without the name, in a VPC of their own."""
    ec2 = localaws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/24")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.0.0/28")["Subnet"]["SubnetId"]
    yield {
        "AuthMode": "IAM",
        "VpcId": vpc,
        "SubnetIds": [subnet],
        "AppNetworkAccessType": "VpcOnly",
        "DefaultUserSettings": {"ExecutionRole": role(localaws, "studio-users"), "SecurityGroups": ["sg-1"]},
        "Tags": [{"Key": "team", "Value": "churn"}],
    }
    ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_vpc(VpcId=vpc)


def test_domains_and_profiles_live_as_on_aws(localaws: RunningLocalAws, request_body: dict[str, Any]) -> None:
    sagemaker = localaws.client("sagemaker")
    created = sagemaker.create_domain(DomainName="studio-life", **request_body)
    domain = created["DomainId"]
    assert created["Url"] == f"https://{domain}.studio.us-east-1.sagemaker.aws"
    with pytest.raises(ClientError, match=r"ResourceInUse.*already exists"):
        sagemaker.create_domain(DomainName="studio-life", **request_body)
    found = settled(sagemaker, domain)
    assert (found["DomainArn"], found["AppNetworkAccessType"]) == (created["DomainArn"], "VpcOnly")
    assert sagemaker.list_tags(ResourceArn=found["DomainArn"])["Tags"] == request_body["Tags"]

    profile = {"DomainId": domain, "UserProfileName": "ana"}
    arn = sagemaker.create_user_profile(**profile, Tags=request_body["Tags"])["UserProfileArn"]
    assert arn.endswith(f":user-profile/{domain}/ana")
    assert settled(sagemaker, domain, "ana")["HomeEfsFileSystemUid"] == "200001"
    with pytest.raises(ClientError, match=r"ResourceInUse.*already exists"):
        sagemaker.create_user_profile(**profile)
    [listed] = sagemaker.list_user_profiles(DomainIdEquals=domain)["UserProfiles"]
    assert (listed["UserProfileName"], listed["Status"]) == ("ana", "InService")
    assert domain in [one["DomainId"] for one in sagemaker.list_domains(MaxResults=100)["Domains"]]
    with pytest.raises(ClientError, match=r"ResourceInUse.*user profiles"):
        sagemaker.delete_domain(DomainId=domain)

    sagemaker.update_user_profile(**profile, UserSettings={"SecurityGroups": ["sg-2"]})
    assert settled(sagemaker, domain, "ana")["UserSettings"] == {"SecurityGroups": ["sg-2"]}
    sagemaker.update_domain(DomainId=domain, DefaultUserSettings={"StudioWebPortal": "ENABLED"})
    kept = settled(sagemaker, domain)["DefaultUserSettings"]
    assert kept == {**request_body["DefaultUserSettings"], "StudioWebPortal": "ENABLED"}

    sagemaker.delete_user_profile(**profile)
    gone(sagemaker.describe_user_profile, profile)
    sagemaker.delete_domain(DomainId=domain, RetentionPolicy={"HomeEfsFileSystem": "Delete"})
    gone(sagemaker.describe_domain, {"DomainId": domain})
    with pytest.raises(ClientError, match=r"ResourceNotFound.* Domain d-.* is not found"):
        sagemaker.delete_domain(DomainId=domain)


def gone(describe: Any, given: dict[str, Any]) -> None:
    """Wait until a domain or profile is deleted."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            found = describe(**given)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ResourceNotFound"  # noqa: PT017 - several calls may answer
            return
        assert found["Status"] == "Deleting"
        time.sleep(0.1)
    raise TimeoutError(f"{given} is not deleted.")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"SubnetIds": ["subnet-1"]}, "subnet-1 is not in the VPC"),
        ({"DefaultUserSettings": {"ExecutionRole": "arn:aws:iam::123456789012:role/none"}}, "SecurityGroups is req"),
        (
            {"DefaultUserSettings": {"ExecutionRole": "arn:aws:iam::123456789012:role/none", "SecurityGroups": ["s"]}},
            "execution role ARN .* is invalid",
        ),
        ({"AuthMode": "NONE"}, "enum value set"),
        (
            {
                "DefaultUserSettings": {
                    "ExecutionRole": "arn:aws:iam::123456789012:role/none",
                    "SecurityGroups": ["s"] * 5,
                }
            },
            "more than 4 security groups",
        ),
    ],
)
def test_requests_that_aws_refuses_are_refused(
    localaws: RunningLocalAws, request_body: dict[str, Any], changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClientError, match=f"ValidationException.*{message}"):
        localaws.client("sagemaker").create_domain(DomainName="studio-refused", **{**request_body, **changed})


def test_the_call_log_names_the_permissions(localaws: RunningLocalAws, request_body: dict[str, Any]) -> None:
    sagemaker = localaws.client("sagemaker")
    domain = sagemaker.create_domain(DomainName="studio-permissions", **request_body)["DomainId"]
    arn = f"arn:aws:sagemaker:us-east-1:{localaws.settings.account}"
    settled(sagemaker, domain)
    sagemaker.create_user_profile(DomainId=domain, UserProfileName="ben")
    settled(sagemaker, domain, "ben")
    creation = next(call for call in localaws.calls("studio-users") if call["operation"] == "CreateDomain")
    assert [(one["action"], one["resource"]) for one in creation["iam"]] == [
        ("sagemaker:CreateDomain", f"{arn}:domain/*"),
        ("sagemaker:AddTags", f"{arn}:domain/*"),
        ("iam:PassRole", request_body["DefaultUserSettings"]["ExecutionRole"]),
    ]
    (profile,) = (call for call in localaws.calls(f"{domain}/ben") if call["operation"] == "CreateUserProfile")
    assert [(one["action"], one["resource"]) for one in profile["iam"]] == [
        ("sagemaker:CreateUserProfile", f"{arn}:user-profile/{domain}/ben")
    ]
    sagemaker.delete_user_profile(DomainId=domain, UserProfileName="ben")
    gone(sagemaker.describe_user_profile, {"DomainId": domain, "UserProfileName": "ben"})
    sagemaker.delete_domain(DomainId=domain)


def test_an_update_to_vpc_only_names_the_network() -> None:
    studio = Studio(Principals("1"), "1")
    kept = record("Pending", datetime.now(UTC) - timedelta(hours=1))
    network = {"AppNetworkAccessType": "VpcOnly", "VpcId": "vpc-1", "SubnetIds": ["subnet-1"]}
    kept.given.update(network)
    studio.load([kept.saved()])
    for missing in ("VpcId", "SubnetIds"):
        given = {name: value for name, value in network.items() if name != missing}
        with pytest.raises(AwsError, match="VpcId and Subnet IDs are required for updating domains to VpcOnly mode"):
            studio.update("DomainArn", Caller("", "us-east-1"), {"DomainId": kept.given["DomainId"], **given})


def record(doing: str, modified: datetime) -> Record:
    """A domain in a transition that began at `modified`."""
    arn = f"arn:aws:sagemaker:us-east-1:1:domain/d-{doing.lower()}"
    return Record(arn, "us-east-1", {"DomainId": f"d-{doing.lower()}"}, modified, modified, doing=doing)


def test_a_domain_that_changes_is_in_use() -> None:
    studio = Studio(Principals("1"), "1")
    later = datetime.now(UTC) + timedelta(hours=1)
    studio.load(record(doing, later).saved() for doing in ("Pending", "Updating", "Deleting"))
    caller = Caller("", "us-east-1")
    for doing in ("Pending", "Updating", "Deleting"):
        domain = {"DomainId": f"d-{doing.lower()}"}
        assert studio.describe_domain(caller, domain)["Status"] == doing
        for call in (studio.delete_domain, studio.create_profile, partial(studio.update, "DomainArn")):
            with pytest.raises(AwsError, match=f"ResourceInUse: .* has the status {doing}"):
                call(caller, domain)


def test_what_is_saved_is_loaded_without_what_is_deleted() -> None:
    earlier = datetime.now(UTC) - timedelta(hours=1)
    first, second = Studio(Principals("1"), "1"), Studio(Principals("1"), "1")
    kept = record("Pending", earlier)
    first.load(one.saved() for one in (kept, record("Deleting", earlier)))
    second.load(first.saved())
    assert second.saved() == [kept.saved()]
    assert second.describe_domain(Caller("", "us-east-1"), kept.given)["Status"] == "InService"
