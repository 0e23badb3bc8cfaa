"""The check of an MLflow App: created with the environment's bucket and role, used by a client, and deleted."""

from __future__ import annotations

import os
from typing import Any

from mlflow_common.errors import PlatformError, first_line
from mlflow_common.waiting import wait_for
from mlflow_platform import tracking
from mlflow_platform.environment import EnvironmentRef, TrackingServer
from mlflow_platform.proving.links import opened
from mlflow_platform.proving.target import Target
from mlflow_platform.tracking_server import CHANGING, find_app


def prove_app(target: Target, timeout: float) -> str:
    """Create an App, log a run to it, open its link, delete it. Returns what was seen.

    Raises:
        PlatformError: it was not created.
    """
    sagemaker = target.client("sagemaker")
    start = target.clock.now()
    arn = sagemaker.create_mlflow_app(
        Name=f"{target.environment}-app",
        ArtifactStoreUri=f"{target.outputs['artifact_store_uri']}/app",
        RoleArn=target.outputs["mlflow_role_arn"],
        AccountDefaultStatus="DISABLED",
        Tags=[{"Key": "environment", "Value": target.environment}],
    )["Arn"]
    try:
        found = wait_for(
            lambda: find_app(sagemaker, arn),
            settled=lambda seen: seen is not None and seen.status not in CHANGING,
            describe=lambda seen: f"MLflow App: {seen.status if seen else 'not there yet'}",
            progress=target.progress,
            clock=target.clock,
            timeout=timeout,
        )
        if found is None or not found.active:
            raise PlatformError(f"the App is {found.status if found else 'missing'}")
        took = target.clock.now() - start
        seen = _use(target, arn, found.version)
        link = sagemaker.create_presigned_mlflow_app_url(Arn=arn, ExpiresInSeconds=300)["AuthorizedUrl"]
        evidence = f"{arn}: MLflow {found.version} after {took:.0f} s; {seen}; link: {opened(link)}"
    except BaseException:
        # The removal deletes it too, so a refused deletion must not hide the first error.
        try:
            sagemaker.delete_mlflow_app(Arn=arn)
        except sagemaker.exceptions.ClientError as error:
            target.progress(f"the App {arn} is not deleted yet: {first_line(error)}")
        raise
    sagemaker.delete_mlflow_app(Arn=arn)
    return evidence


def _use(target: Target, arn: str, version: str) -> str:
    import boto3

    tracking.prepare(os.environ)
    session: Any = boto3.Session(region_name=target.region)
    app = TrackingServer(arn, target.environment, version, EnvironmentRef(target.environment, target.local))
    client = tracking.connect(app, session, ["experiments", "runs"])
    run = client.create_run(tracking.experiment_id(client, "prove"))
    client.log_metric(run.info.run_id, "proven", 1.0)
    client.set_terminated(run.info.run_id)
    value = client.get_run(run.info.run_id).data.metrics["proven"]
    return f"a client logged and read the metric {value:g}"
