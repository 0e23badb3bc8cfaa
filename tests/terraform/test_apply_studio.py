"""SageMaker Studio, applied with the AWS provider in a VPC of its own."""

import json
from pathlib import Path

from tests.support.running import RunningLocalAws
from tests.terraform.module_root import ModuleRoot

BLOCKS = """
variable "users" {
  type    = map(string)
  default = { ana = "writer", ben = "reader" }
}

variable "idle_minutes" {
  type    = number
  default = 120
}

resource "aws_vpc" "studio" {
  cidr_block = "10.8.0.0/24"
}

resource "aws_subnet" "studio" {
  vpc_id     = aws_vpc.studio.id
  cidr_block = "10.8.0.0/28"
}

resource "aws_iam_policy" "client" {
  name = "applied-studio-client"
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "s3:ListAllMyBuckets", Resource = "*" }]
  })
}

module "studio" {
  source = "../../terraform/module/studio"

  project_name       = "studied"
  environment        = "dev"
  reader_policy_arns = [aws_iam_policy.client.arn]
  writer_policy_arns = [aws_iam_policy.client.arn]
  runner_policy_arn  = aws_iam_policy.client.arn
  can_train          = true
  tags               = { team = "search" }

  studio = {
    vpc_id             = aws_vpc.studio.id
    subnet_ids         = [aws_subnet.studio.id]
    security_group_ids = [aws_vpc.studio.default_security_group_id]
    user_profiles      = var.users
    idle_minutes       = var.idle_minutes
  }
}

output "studio" {
  value = {
    id       = module.studio.studio_domain_id
    roles    = module.studio.studio_role_arns
    profiles = module.studio.studio_user_profile_arns
  }
}
"""


def test_studio_is_applied_changed_and_destroyed(localaws: RunningLocalAws, tmp_path: Path) -> None:
    root = ModuleRoot(tmp_path, localaws, BLOCKS)
    root("apply", "-auto-approve", "-input=false")
    assert "No changes." in root("plan", "-input=false", "-detailed-exitcode")

    sagemaker = localaws.client("sagemaker")
    found = json.loads(root("output", "-json", "studio"))
    domain = sagemaker.describe_domain(DomainId=found["id"])
    assert (domain["DomainName"], domain["AppNetworkAccessType"]) == ("studied-dev", "VpcOnly")
    assert domain["DefaultUserSettings"]["ExecutionRole"] == found["roles"]["reader"]
    for name, level in {"ana": "writer", "ben": "reader"}.items():
        profile = sagemaker.describe_user_profile(DomainId=found["id"], UserProfileName=name)
        assert profile["UserSettings"]["ExecutionRole"] == found["roles"][level]
        tags = sagemaker.list_tags(ResourceArn=found["profiles"][name])["Tags"]
        assert {"Key": "team", "Value": "search"} in tags

    # A reader becomes a writer, a user leaves, and applications stop earlier.
    changed = ("-input=false", '-var=users={"ben":"writer"}', "-var=idle_minutes=90")
    root("apply", "-auto-approve", *changed)
    assert "No changes." in root("plan", "-detailed-exitcode", *changed)
    profile = sagemaker.describe_user_profile(DomainId=found["id"], UserProfileName="ben")
    assert profile["UserSettings"]["ExecutionRole"] == found["roles"]["writer"]
    for name in ("JupyterLabAppSettings", "CodeEditorAppSettings"):
        idle = profile["UserSettings"][name]["AppLifecycleManagement"]["IdleSettings"]
        assert (idle["IdleTimeoutInMinutes"], idle["MaxIdleTimeoutInMinutes"]) == (90, 90)
    listed = sagemaker.list_user_profiles(DomainIdEquals=found["id"])["UserProfiles"]
    assert [one["UserProfileName"] for one in listed] == ["ben"]

    root("destroy", "-auto-approve", "-input=false")
    assert found["id"] not in [one["DomainId"] for one in sagemaker.list_domains(MaxResults=100)["Domains"]]
