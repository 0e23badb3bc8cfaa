"""The page of alarms names every alarm of the modules, and is current."""

import re
from pathlib import Path

from mlflow_platform.environment import REPOSITORY
from mlflow_platform.terraform_docs.alarms import PAGE, alarms_page

MODULE = """
locals {
  queue = "${local.name}-queue"
}

resource "aws_cloudwatch_metric_alarm" "this" {
  count = local.has_queue ? 1 : 0

  alarm_name          = "${local.queue}-full"
  alarm_description   = "Queue ${aws_sqs_queue.jobs[0].name} has a|b."
  namespace           = "AWS/SQS"
  metric_name         = "Messages"
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = var.minutes
  comparison_operator = "GreaterThanThreshold"
  threshold           = 5
}
"""


def test_the_page_is_current_and_names_every_alarm() -> None:
    page = (REPOSITORY / PAGE).read_text()
    assert page == alarms_page(REPOSITORY), "Run `make docs`."
    modules = (REPOSITORY / "terraform/module").glob("*/*.tf")
    alarms = sum(file.read_text().count('resource "aws_cloudwatch_metric_alarm"') for file in modules)
    assert len(re.findall(r"^\| `PROJECT-ENV-", page, re.MULTILINE)) == alarms > 5


def test_an_alarm_is_a_row_without_expressions(tmp_path: Path) -> None:
    module = tmp_path / "terraform/module/jobs"
    module.mkdir(parents=True)
    (module / "main.tf").write_text(MODULE)
    assert alarms_page(tmp_path).splitlines()[-1] == (
        "| `PROJECT-ENV-queue-full` | Queue JOBS has a\\|b. | Maximum of `AWS/SQS` `Messages` > 5 for MINUTES x 60 s "
        "| `missing` | when it is raised | `queue` of module `jobs` |"
    )
