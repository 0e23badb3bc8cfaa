"""The trail of data events, applied in a bucket with the policy that the module prints."""

from pathlib import Path

from tests.support.running import RunningLocalAws
from tests.terraform.module_root import ModuleRoot

BLOCKS = """
module "audited" {
  source = "../../terraform/module/mlflow"

  project_name       = "audited"
  environment        = "dev"
  bucket_name_suffix = "data-events"
  data_events        = { bucket = aws_s3_bucket_policy.logs.bucket, prefix = "mlflow" }
  tags               = { team = "search" }
}

resource "aws_s3_bucket" "logs" {
  bucket = "acme-data-event-logs"
}

# The module's output would depend on this bucket, so the policy is written for its name.
resource "aws_s3_bucket_policy" "logs" {
  bucket = aws_s3_bucket.logs.bucket
  policy = module.policy.data_events_bucket_policy
}

module "policy" {
  source = "../../terraform/module/mlflow"

  project_name       = "audited"
  environment        = "dev"
  bucket_name_suffix = "data-events"
  data_events        = { bucket = "acme-data-event-logs", prefix = "mlflow" }
}
"""
TARGET = "-target=module.audited.aws_cloudtrail.data_events"


def test_the_trail_is_created_with_the_printed_policy_and_an_empty_plan_follows(
    localaws: RunningLocalAws, tmp_path: Path
) -> None:
    root = ModuleRoot(tmp_path, localaws, BLOCKS)
    root("apply", "-auto-approve", "-input=false", TARGET)
    assert "No changes." in root("plan", "-input=false", "-detailed-exitcode", TARGET)

    cloudtrail = localaws.client("cloudtrail")
    found = cloudtrail.get_event_selectors(TrailName="audited-dev-mlflow-data-events")["AdvancedEventSelectors"]
    assert [one["Name"] for one in found] == ["Artifacts", "Tracking servers"]
    assert cloudtrail.get_trail_status(Name="audited-dev-mlflow-data-events")["IsLogging"]
    root("destroy", "-auto-approve", "-input=false", TARGET)
