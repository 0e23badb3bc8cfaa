"""CloudWatch: DescribeAlarms returns pages, and PutDashboard checks the body."""

from localaws import dashboards
from localaws.pages import page
from localaws.services.context import ServiceContext

# MaxRecords is at most 100; the API reference names no default.
# Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
ALARMS = 100


def install(_context: ServiceContext) -> None:
    """Changes moto's CloudWatch."""
    from moto.cloudwatch.responses import CloudWatchResponse

    page(CloudWatchResponse, "cloudwatch", "DescribeAlarms", ALARMS)
    dashboards.install()
