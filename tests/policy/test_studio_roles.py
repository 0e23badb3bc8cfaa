"""The roles of the users' applications in SageMaker Studio: each profile uses its own spaces, and writers train."""

import pytest

from tests.policy.asking import on
from tests.policy.judging import Ask
from tests.policy.rendered import Document, rendered
from tests.policy.role_policies import RolePolicy, asked
from tests.policy.scenarios import ACCOUNT, REGION
from tests.terraform.planning import Planner

SAGEMAKER = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"
THEIRS = SAGEMAKER.replace(ACCOUNT, "210987654321")
DOMAIN = "d-abcdefghijkl"
ANA = f"{SAGEMAKER}:user-profile/{DOMAIN}/ana"
BEN = f"{SAGEMAKER}:user-profile/{DOMAIN}/ben"
SPACE = f"{SAGEMAKER}:space/{DOMAIN}/notebooks"
APP = f"{SAGEMAKER}:app/{DOMAIN}/notebooks/JupyterLab/default"
JOB = f"{SAGEMAKER}:training-job/churn-dev-iris"
# SageMaker sets these for a call of an application of the profile ana.
SESSION: dict[str, str | None] = {"sagemaker:DomainId": DOMAIN, "sagemaker:UserProfileName": "ana"}
OWN = SESSION | {"sagemaker:OwnerUserProfileArn": ANA, "sagemaker:SpaceSharingType": "Private"}
CHANGE_SPACE = ("sagemaker:CreateSpace", "sagemaker:DeleteSpace", "sagemaker:UpdateSpace")
CHANGE_APP = ("sagemaker:CreateApp", "sagemaker:DeleteApp")
TRAIN = (
    "sagemaker:AddTags",
    "sagemaker:CreateTrainingJob",
    "sagemaker:DescribeTrainingJob",
    "sagemaker:StopTrainingJob",
)


def elsewhere(arn: str) -> str:
    return arn.replace(DOMAIN, "d-zyxwvutsrqpo")


NEEDED: tuple[Ask, ...] = (
    *on("*", "sagemaker:ListApps", "sagemaker:ListDomains", "sagemaker:ListSpaces", "sagemaker:ListUserProfiles"),
    *on(f"{SAGEMAKER}:domain/{DOMAIN}", "sagemaker:DescribeDomain"),
    *on(ANA, "sagemaker:DescribeUserProfile"),
    *on(SPACE, "sagemaker:DescribeSpace"),
    *on(APP, "sagemaker:DescribeApp"),
    *asked(SESSION, ANA, "sagemaker:CreatePresignedDomainUrl"),
    *asked(OWN, SPACE, *CHANGE_SPACE),
    *asked(OWN, APP, *CHANGE_APP),
    *asked({**SESSION, "sagemaker:TaggingAction": "CreateSpace"}, SPACE, "sagemaker:AddTags"),
    *asked({**SESSION, "sagemaker:TaggingAction": "CreateApp"}, APP, "sagemaker:AddTags"),
)
REFUSED: tuple[Ask, ...] = (
    *on(f"{THEIRS}:domain/{DOMAIN}", "sagemaker:DescribeDomain"),
    *asked(SESSION, BEN, "sagemaker:CreatePresignedDomainUrl"),
    *asked(SESSION, elsewhere(ANA), "sagemaker:CreatePresignedDomainUrl"),
    # A session that is not of Studio.
    *on(ANA, "sagemaker:CreatePresignedDomainUrl"),
    *asked(OWN | {"sagemaker:OwnerUserProfileArn": BEN}, SPACE, *CHANGE_SPACE),
    *asked(OWN | {"sagemaker:OwnerUserProfileArn": BEN}, APP, *CHANGE_APP),
    *asked(OWN | {"sagemaker:SpaceSharingType": "Shared"}, SPACE, *CHANGE_SPACE),
    *asked(OWN | {"sagemaker:SpaceSharingType": "Shared"}, APP, *CHANGE_APP),
    *asked(OWN, elsewhere(SPACE), *CHANGE_SPACE),
    *asked(OWN, elsewhere(APP), *CHANGE_APP),
    *asked(SESSION, SPACE, "sagemaker:AddTags"),
    *asked({**SESSION, "sagemaker:TaggingAction": "CreateSpace"}, elsewhere(SPACE), "sagemaker:AddTags"),
    *asked(OWN, f"{SAGEMAKER}:domain/{DOMAIN}", "sagemaker:DeleteDomain", "sagemaker:UpdateDomain"),
    *asked(OWN, ANA, "sagemaker:DeleteUserProfile", "sagemaker:UpdateUserProfile"),
    *on(f"arn:aws:iam::{ACCOUNT}:role/churn-dev-studio-writer", "iam:PassRole"),
)
POLICIES = (
    RolePolicy("role churn-dev-studio-reader/UseStudio", NEEDED, (*REFUSED, *on(JOB, *TRAIN))),
    RolePolicy(
        "role churn-dev-studio-writer/UseStudio",
        (*NEEDED, *on(JOB, *TRAIN)),
        (*REFUSED, *on(JOB.replace("churn", "other"), *TRAIN), *on(JOB, "sagemaker:DeleteTags")),
    ),
)


@pytest.fixture(scope="module")
def documents(planner: Planner) -> dict[str, Document]:
    return rendered(planner.plan("isolated"), account=ACCOUNT, region=REGION).documents()


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.id)
def test_a_profile_uses_its_own_spaces_and_nothing_else(policy: RolePolicy, documents: dict[str, Document]) -> None:
    assert list(policy.wrong(documents[policy.name])) == []


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.id)
def test_no_part_of_the_policy_can_be_removed_or_widened_unnoticed(
    policy: RolePolicy, documents: dict[str, Document]
) -> None:
    assert policy.unnoticed(documents[policy.name]) == []


@pytest.mark.parametrize("level", ["reader", "writer"])
def test_only_sagemaker_of_this_account_assumes_the_roles(level: str, documents: dict[str, Document]) -> None:
    [statement] = documents[f"role churn-dev-studio-{level}/trust"]["Statement"]
    assert statement["Action"] == "sts:AssumeRole"
    assert statement["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnLike": {"aws:SourceArn": f"{SAGEMAKER}:*"},
    }
