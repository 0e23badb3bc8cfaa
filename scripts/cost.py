"""Show what an environment costs this month and next."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlflow_common.console import Console, Debug, Env, Json, Local, make_app, run
from mlflow_common.errors import PreconditionError

if TYPE_CHECKING:
    from boto3 import Session

    from mlflow_platform.doctor.terraform_state import TerraformState
    from mlflow_platform.environment import Environment
    from mlflow_platform.monthly_cost.billed import Bill
    from mlflow_platform.monthly_cost.months import Months
    from mlflow_platform.plan_guard.cost import Prices

app = make_app()


@app.command()
def cost(
    env: Env = "staging",
    local: Local = False,
    own: Annotated[
        list[Path] | None,
        typer.Option("--prices", metavar="FILE", help="Prices of your own, which replace list prices. Repeatable."),
    ] = None,
    with_bill: Annotated[
        bool,
        typer.Option("--billed/--no-billed", help="Ask Cost Explorer, for which AWS charges 0.01 USD, or do not."),
    ] = True,
    as_json: Json = False,
    debug: Debug = False,  # noqa: ARG001 read by `run`
) -> None:
    """Show what an environment costs this month and next: servers, endpoints, storage, builds, and the rest.

    The estimate is from what is deployed now and list prices. What has no known price is listed first and is in no sum.
    """
    prices = _prices(own or [])
    with Console(as_json=as_json) as console:
        console.progress(f"reading the outputs of {env}")
        from mlflow_platform.session import open_environment

        environment, session = open_environment(env, local=local)
        from mlflow_platform.monthly_cost import report
        from mlflow_platform.monthly_cost.estimation import CostInputs, estimate_costs
        from mlflow_platform.monthly_cost.months import Months

        months = Months(datetime.now(UTC))
        client = session.client
        inputs = CostInputs(environment, lambda service: client(service), _state(environment), prices, months)  # type: ignore[call-overload]
        found = estimate_costs(inputs, console.progress)
        bill = _bill(console, environment, session, months) if with_bill else None
        if as_json:
            console.result({"environment": env, **report.as_json(found, bill, prices, environment.region, months)})
        else:
            console.table(report.lines(found, bill, prices, environment.region, months))


def _prices(own: list[Path]) -> Prices:
    from mlflow_platform.monthly_cost.own_prices import with_own_prices
    from mlflow_platform.plan_guard.cost import Prices

    prices = Prices.load()
    for file in own:
        prices = with_own_prices(prices, file)
    return prices


def _state(environment: Environment) -> TerraformState | None:
    from mlflow_platform import outputs
    from mlflow_platform.doctor.terraform_state import read_state

    try:
        return read_state(outputs.root_folder(environment.ref, os.environ), outputs.run_terraform)
    except PreconditionError:
        # The estimate says what is missing.
        return None


def _bill(console: Console, environment: Environment, session: Session, months: Months) -> Bill:
    from mlflow_platform.monthly_cost.billed import Bill, billed

    if environment.ref.local:
        return Bill(reason="localaws bills nothing")
    console.progress("asking Cost Explorer")
    # Cost Explorer's only endpoint: https://docs.aws.amazon.com/general/latest/gr/billing.html
    return billed(session.client("ce", region_name="us-east-1"), environment.tags, months)


if __name__ == "__main__":
    run(app)
