"""SageMaker's operations on domains and user profiles.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateDomain.html and the pages of the other
operations. AWS documents no text of their errors, and the quotas of domains and profiles differ between accounts:
localaws has no quota.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from localaws.endpoints.records import refusal
from localaws.endpoints.role import HOSTING
from localaws.errors import AwsError
from localaws.iam.trust import sagemaker_source
from localaws.jobs.listing import page
from localaws.principals import Principals, random_id
from localaws.services.context import Caller, Operations
from localaws.studio.record import Record

DOMAIN = "domain"
PROFILE = "user-profile"
# The first user id of the file system of the users' homes.
FIRST_UID = 200001
# SageMaker adds one of its own to the five that the API allows: the documentation of UserSettings.SecurityGroups.
MAXIMUM_GROUPS = 4
# What UpdateDomain changes as given. It merges the settings of users, spaces and the domain.
UPDATED = ("AppNetworkAccessType", "AppSecurityGroupManagement", "SubnetIds", "TagPropagation", "VpcId")
MERGED = {
    "DefaultUserSettings": "DefaultUserSettings",
    "DefaultSpaceSettings": "DefaultSpaceSettings",
    "DomainSettingsForUpdate": "DomainSettings",
    "UserSettings": "UserSettings",
}


class Studio:
    """Keeps domains and user profiles by their ARNs."""

    def __init__(self, principals: Principals, account: str) -> None:
        self._principals = principals
        self._account = account
        self._records: dict[str, Record] = {}

    def operations(self) -> Operations:
        """The operations for SageMaker's dispatcher."""
        return Operations(
            handlers={
                "CreateDomain": self.create_domain,
                "DescribeDomain": self.describe_domain,
                "UpdateDomain": partial(self.update, "DomainArn"),
                "DeleteDomain": self.delete_domain,
                "ListDomains": self.list_domains,
                "CreateUserProfile": self.create_profile,
                "DescribeUserProfile": self.describe_profile,
                "UpdateUserProfile": partial(self.update, "UserProfileArn"),
                "DeleteUserProfile": self.delete_profile,
                "ListUserProfiles": self.list_profiles,
            }
        )

    def by_arn(self, arn: str) -> Record | None:
        """The domain or user profile with this ARN; None if it does not exist or is deleted."""
        found = self._records.get(arn)
        return found if found and found.status else None

    def saved(self) -> list[dict[str, Any]]:
        """All domains and user profiles as JSON."""
        return [one.saved() for one in self._existing()]

    def load(self, saved: Iterable[dict[str, Any]]) -> None:
        """Load what `saved` returned."""
        self._records = {one.arn: one for one in map(Record.load, saved)}

    def create_domain(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """CreateDomain.

        Raises:
            AwsError: ResourceInUse for a name in use; ValidationException for a subnet, security groups or a role
                that the domain cannot use.
        """
        _check_network(self._account, caller.region, given)
        _check_groups(given["DefaultUserSettings"])
        self._check_role(caller, given["DefaultUserSettings"])
        name = given["DomainName"]
        if any(one.given.get("DomainName") == name for one in self._in(caller, DOMAIN)):
            raise AwsError("ResourceInUse", f"Domain with name {name} already exists.")
        identifier = f"d-{random_id()}"
        assigned = {"DomainId": identifier, "HomeEfsFileSystemId": f"fs-{random_id(17)}"}
        defaults = {"AppNetworkAccessType": "PublicInternetOnly", "TagPropagation": "DISABLED"}
        domain = self._add(caller, DOMAIN, identifier, {**defaults, **given, **assigned})
        domain.url = f"https://{identifier}.studio.{caller.region}.sagemaker.aws"
        return {"DomainArn": domain.arn, "DomainId": identifier, "Url": domain.url}

    def describe_domain(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """DescribeDomain."""
        domain = self._found(caller, given)
        return {**domain.given, **domain.times(), "DomainArn": domain.arn, "Url": domain.url}

    def list_domains(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """ListDomains."""
        shown, token = page(list(self._in(caller, DOMAIN)), given)
        names = ("DomainId", "DomainName")
        return {
            "Domains": [
                {**{name: one.given[name] for name in names}, **one.times(), "DomainArn": one.arn, "Url": one.url}
                for one in shown
            ],
            "NextToken": token,
        }

    def delete_domain(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """DeleteDomain.

        Raises:
            AwsError: ResourceInUse, because the domain has user profiles or is changing; ResourceNotFound.
        """
        domain = self._settled(caller, given)
        if any(one.given["DomainId"] == domain.given["DomainId"] for one in self._in(caller, PROFILE)):
            raise AwsError("ResourceInUse", f"Domain {domain.given['DomainId']} has user profiles. Delete them first.")
        domain.begin("Deleting")
        return {}

    def create_profile(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """CreateUserProfile.

        Raises:
            AwsError: ResourceNotFound for the domain; ResourceInUse for a name in use, or because the domain is
                changing; ValidationException for a role that SageMaker cannot assume.
        """
        self._settled(caller, {"DomainId": given["DomainId"]})
        _check_groups(given.get("UserSettings") or {})
        self._check_role(caller, given.get("UserSettings") or {})
        name = f"{given['DomainId']}/{given['UserProfileName']}"
        others = [one.given for one in self._in(caller, PROFILE) if one.given["DomainId"] == given["DomainId"]]
        if any(one["UserProfileName"] == given["UserProfileName"] for one in others):
            raise AwsError("ResourceInUse", f"User profile {name} already exists.")
        uid = max((int(one["HomeEfsFileSystemUid"]) + 1 for one in others), default=FIRST_UID)
        return {"UserProfileArn": self._add(caller, PROFILE, name, {**given, "HomeEfsFileSystemUid": str(uid)}).arn}

    def describe_profile(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """DescribeUserProfile."""
        profile = self._found(caller, given)
        return {**profile.given, **profile.times(), "UserProfileArn": profile.arn}

    def list_profiles(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """ListUserProfiles: oldest first by default."""
        contained = given.get("UserProfileNameContains") or ""
        found = [
            one
            for one in self._in(caller, PROFILE)
            if given.get("DomainIdEquals") in (None, one.given["DomainId"])
            and contained in one.given["UserProfileName"]
        ]
        by = "modified" if given.get("SortBy") == "LastModifiedTime" else "created"
        found.sort(key=lambda one: str(getattr(one, by)), reverse=given.get("SortOrder") == "Descending")
        shown, token = page(found, given)
        names = ("DomainId", "UserProfileName")
        return {
            "UserProfiles": [{**{name: one.given[name] for name in names}, **one.times()} for one in shown],
            "NextToken": token,
        }

    def delete_profile(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """DeleteUserProfile.

        Raises:
            AwsError: ResourceInUse, because the profile is changing; ResourceNotFound.
        """
        self._settled(caller, given).begin("Deleting")
        return {}

    def update(self, answer: str, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """UpdateDomain, UpdateUserProfile.

        Raises:
            AwsError: ResourceInUse, because the domain or profile is changing; ResourceNotFound; ValidationException
                for a network or role that it cannot use, or a request for VpcOnly without its VPC and subnets.
        """
        record = self._settled(caller, given)
        # AWS does not take them from the domain: https://github.com/hashicorp/terraform-provider-aws/issues/45528
        if given.get("AppNetworkAccessType") == "VpcOnly" and not (given.get("VpcId") and given.get("SubnetIds")):
            raise refusal("VpcId and Subnet IDs are required for updating domains to VpcOnly mode")
        changed = {name: given[name] for name in UPDATED if given.get(name) is not None}
        for source, target in MERGED.items():
            if given.get(source) is not None:
                changed[target] = {**(record.given.get(target) or {}), **given[source]}
        if answer == "DomainArn":
            _check_network(self._account, caller.region, {**record.given, **changed})
        settings = changed.get("DefaultUserSettings") or changed.get("UserSettings") or {}
        _check_groups(settings)
        self._check_role(caller, settings)
        record.given.update(changed)
        record.begin("Updating")
        return {answer: record.arn}

    def _add(self, caller: Caller, kind: str, name: str, given: dict[str, Any]) -> Record:
        now = datetime.now(UTC)
        arn = f"arn:aws:sagemaker:{caller.region}:{self._account}:{kind}/{name}"
        tags = list(given.pop("Tags", None) or [])
        record = self._records[arn] = Record(arn, caller.region, given, now, now, tags=tags)
        return record

    def _existing(self) -> list[Record]:
        self._records = {arn: one for arn, one in self._records.items() if one.status}
        return list(self._records.values())

    def _in(self, caller: Caller, kind: str) -> Iterable[Record]:
        return (one for one in self._existing() if one.region == caller.region and f":{kind}/" in one.arn)

    def _found(self, caller: Caller, given: dict[str, Any]) -> Record:
        """The user profile that a request names, or else its domain."""
        kind, name = DOMAIN, given["DomainId"]
        if given.get("UserProfileName"):
            kind, name = PROFILE, f"{name}/{given['UserProfileName']}"
        found = self.by_arn(f"arn:aws:sagemaker:{caller.region}:{self._account}:{kind}/{name}")
        if found is None:
            raise AwsError(
                "ResourceNotFound", f"{'User profile' if kind == PROFILE else 'Domain'} {name} is not found."
            )
        return found

    def _settled(self, caller: Caller, given: dict[str, Any]) -> Record:
        found = self._found(caller, given)
        if found.status != "InService":
            raise AwsError("ResourceInUse", f"{found.arn} has the status {found.status}. Wait until it is InService.")
        return found

    def _check_role(self, caller: Caller, settings: dict[str, Any]) -> None:
        if settings.get("ExecutionRole"):
            source = sagemaker_source(caller.region, self._account)
            self._principals.check_trust(settings["ExecutionRole"], HOSTING, source)


def _check_network(account: str, region: str, given: dict[str, Any]) -> None:
    """Refuse subnets that are not in the VPC, and a domain without internet that has no security group.

    Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_UserSettings.html ("Required when the
    CreateDomain.AppNetworkAccessType parameter is set to VpcOnly").
    """
    # Imported late, as in localaws/references.py.
    from moto.ec2.models import ec2_backends

    known = ec2_backends[account][region].subnets
    subnets = {name: subnet.vpc_id for zone in known.values() for name, subnet in zone.items()}
    for name in given.get("SubnetIds") or []:
        if subnets.get(name) != given.get("VpcId"):
            raise refusal(f"The subnet {name} is not in the VPC {given.get('VpcId')}.")
    if given.get("AppNetworkAccessType") == "VpcOnly" and not given["DefaultUserSettings"].get("SecurityGroups"):
        raise refusal("SecurityGroups is required in DefaultUserSettings if AppNetworkAccessType is VpcOnly.")


def _check_groups(settings: dict[str, Any]) -> None:
    if len(settings.get("SecurityGroups") or []) > MAXIMUM_GROUPS:
        raise refusal(f"SecurityGroups has more than {MAXIMUM_GROUPS} security groups.")
