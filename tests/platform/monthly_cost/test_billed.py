"""What AWS has billed, as Cost Explorer says, and prices of your own."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from mlflow_common.errors import InputError
from mlflow_platform.monthly_cost.billed import billed
from mlflow_platform.monthly_cost.lines import CostEstimate
from mlflow_platform.monthly_cost.months import Months
from mlflow_platform.monthly_cost.own_prices import with_own_prices
from mlflow_platform.monthly_cost.report import lines
from mlflow_platform.plan_guard.cost import Prices

MONTHS = Months(datetime(2026, 12, 31, 23, tzinfo=UTC))
TAGS = {"project": "mlflow", "environment": "staging"}
PRICE = """[[price]]
region = "eu-west-3"
resource = "aws_sagemaker_mlflow_tracking_server"
size = "Small"
unit = "hour"
price = 0.7
seen = 2026-11-01
source = "our contract"
"""


def explorer(answer: Any) -> Any:
    def get_cost_and_usage(**given: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        get_cost_and_usage.given = given  # type: ignore[attr-defined]
        return answer

    return SimpleNamespace(get_cost_and_usage=get_cost_and_usage)


def group(name: str, amount: str) -> Any:
    return {"Keys": [name], "Metrics": {"UnblendedCost": {"Amount": amount, "Unit": "USD"}}}


def test_asks_for_this_month_and_the_environments_tags() -> None:
    asking = explorer({"ResultsByTime": [{"Groups": [group("Amazon SageMaker", "12.5"), group("Amazon S3", "0.25")]}]})
    bill = billed(asking, TAGS, MONTHS)
    given = asking.get_cost_and_usage.given
    assert given["TimePeriod"] == {"Start": "2026-12-01", "End": "2027-01-01"}
    assert [one["Tags"]["Values"] for one in given["Filter"]["And"]] == [["mlflow"], ["staging"]]
    assert bill.as_json()["total"] == 12.75
    shown = [text for text, _ in lines(CostEstimate(), bill, Prices.load(), "us-east-1", MONTHS)]
    assert shown[-1].split()[0] == "12.75"


def test_every_page_of_the_bill_is_counted() -> None:
    pages = {
        None: {"ResultsByTime": [{"Groups": [group("Amazon SageMaker", "12.5")]}], "NextPageToken": "next"},
        "next": {"ResultsByTime": [{"Groups": [group("Amazon SageMaker", "0.5"), group("Amazon S3", "7")]}]},
    }
    asking = SimpleNamespace(get_cost_and_usage=lambda **given: pages[given.get("NextPageToken")])
    assert billed(asking, TAGS, MONTHS).by_service == {"Amazon SageMaker": 13.0, "Amazon S3": 7.0}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "o"), "ce:GetCostAndUsage"),
        (ClientError({"Error": {"Code": "DataUnavailableException", "Message": "wait"}}, "o"), "wait"),
        ({"ResultsByTime": [{"Groups": []}]}, "Activate project and environment as cost allocation tags"),
    ],
)
def test_says_why_there_is_no_bill(answer: Any, reason: str) -> None:
    assert reason in billed(explorer(answer), TAGS, MONTHS).reason


def test_own_prices_add_regions_and_replace_list_prices(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(PRICE + PRICE.replace("eu-west-3", "us-east-1"))
    prices = with_own_prices(Prices.load(), file)
    for region in ("eu-west-3", "us-east-1"):
        found, _ = prices.find(region, "aws_sagemaker_mlflow_tracking_server", "Small")
        assert found is not None
        assert found.price == 0.7


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "has no [[price]]"),
        ("[[price", "is not a TOML file"),
        ("price = [1]", "price 1 of {file} is not a table"),
        (PRICE.replace("seen = 2026-11-01\n", ""), "lacks seen"),
        (PRICE + "colour = 1", "has the unknown colour"),
        (PRICE.replace("0.7", '"0.7"'), "price is not a float"),
        (PRICE.replace("0.7", "true"), "price is not a float"),
        (PRICE.replace("0.7", "-1"), "the price must be zero or more"),
        (PRICE.replace("0.7", "nan"), "the price must be zero or more"),
        (PRICE.replace('"hour"', '"day"'), "there is no unit 'day'"),
        # Multiplied by the hours of the month, as the price of an hour is.
        (PRICE.replace('"hour"', '"month"'), "_tracking_server is priced by GB-month or hour, not by month"),
        (PRICE.replace('size = "Small"\n', ""), "price 1 of {file} lacks size, such as Small, by which"),
        ('currency = "EUR"\n' + PRICE, "has prices in EUR. All prices must be in USD"),
    ],
)
def test_refuses_prices_that_it_cannot_use(text: str, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(text)
    with pytest.raises(InputError) as refused:
        with_own_prices(Prices.load(), file)
    assert complaint.format(file=file) in refused.value.message
    assert "\n" not in refused.value.message
