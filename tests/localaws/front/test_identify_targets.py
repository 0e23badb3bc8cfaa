"""The targets of SDKs that write them in another way than botocore."""

import pytest

from localaws.front.identify import _whole_target

CLOUDTRAIL = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.CreateTrail"


@pytest.mark.parametrize(
    ("service", "given", "target"),
    [
        ("cloudtrail", "CloudTrail_20131101.CreateTrail", CLOUDTRAIL),
        ("cloudtrail", CLOUDTRAIL, CLOUDTRAIL),
        ("ssm", "AmazonSSM.GetParameter", "AmazonSSM.GetParameter"),
        ("ssm", "Other.GetParameter", "Other.GetParameter"),
        ("s3", "nothing", "nothing"),
        ("no-such-service", "A.B", "A.B"),
    ],
)
def test_a_target_is_completed_as_botocore_writes_it(service: str, given: str, target: str) -> None:
    assert _whole_target(service, given) == target
