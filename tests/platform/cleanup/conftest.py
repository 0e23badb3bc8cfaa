"""A tracking server (SQLite), S3, SageMaker and ECR (moto) with something to clean up."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mlflow_platform.cleanup.items import KINDS, Criteria, Found
from mlflow_platform.cleanup.search import Access, search
from mlflow_platform.environment import Environment
from tests.platform.conftest import BUCKET

TOMORROW = datetime.now(UTC) + timedelta(days=1)


class WithServers:
    """moto's SageMaker, with the tracking servers that it lacks."""

    def __init__(self, sagemaker: Any, **stores: str) -> None:
        self._sagemaker = sagemaker
        self.stores = stores
        self.apps: dict[str, str] = {}
        self.denies_apps = False
        self.denies_servers: set[str] = set()
        self.denies_tags: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sagemaker, name)

    def get_paginator(self, operation: str) -> Any:
        if operation == "list_tags":
            return type("Paginator", (), {"paginate": lambda _self, **given: self._tags(**given)})()
        if operation not in ("list_mlflow_tracking_servers", "list_mlflow_apps"):
            return self._sagemaker.get_paginator(operation)
        page: dict[str, Any] = {"TrackingServerSummaries": [{"TrackingServerName": name} for name in self.stores]}
        page["Summaries"] = [{"Arn": f"arn:mlflow-app/{name}", "Name": name} for name in self.apps]
        return type("Paginator", (), {"paginate": lambda _self: self._pages(operation, page)})()

    def _pages(self, operation: str, page: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if operation == "list_mlflow_apps" and self.denies_apps:
            denied = {"Error": {"Code": "AccessDeniedException", "Message": "not authorized"}}
            raise self._sagemaker.exceptions.ClientError(denied, "ListMlflowApps")
        yield page

    def _tags(self, **given: str) -> Any:
        if given["ResourceArn"].rpartition("/")[2] in self.denies_tags:
            denied = {"Error": {"Code": "AccessDeniedException", "Message": "not authorized"}}
            raise self._sagemaker.exceptions.ClientError(denied, "ListTags")
        return self._sagemaker.get_paginator("list_tags").paginate(**given)

    def describe_mlflow_app(self, **given: str) -> dict[str, str]:
        if given["Arn"].rpartition("/")[2] in self.denies_servers:
            denied = {"Error": {"Code": "AccessDeniedException", "Message": "not authorized"}}
            raise self._sagemaker.exceptions.ClientError(denied, "DescribeMlflowApp")
        return {"ArtifactStoreUri": self.apps[given["Arn"].rpartition("/")[2]]}

    def describe_mlflow_tracking_server(self, **given: str) -> dict[str, str]:
        if given["TrackingServerName"] in self.denies_servers:
            denied = {"Error": {"Code": "AccessDeniedException", "Message": "not authorized"}}
            raise self._sagemaker.exceptions.ClientError(denied, "DescribeMlflowTrackingServer")
        return {"ArtifactStoreUri": self.stores[given["TrackingServerName"]]}


@dataclass
class World:
    """The environment and its clients, with short ways to put things into it."""

    access: Access
    environment: Environment
    mlflow: Any
    experiment: str

    def run(self, status: str = "FAILED", **tags: str) -> str:
        """A run that ended, with an artifact of five bytes."""
        client = self.mlflow.MlflowClient()
        run: str = client.create_run(self.experiment, tags=tags).info.run_id
        if status != "RUNNING":
            client.set_terminated(run, status)
        self.put(f"1/{run}/artifacts/a.txt")
        return run

    def put(self, key: str, body: bytes = b"12345") -> str:
        """Store an object; its URI."""
        self.access.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        return f"s3://{BUCKET}/{key}"

    def keys(self) -> set[str]:
        """The keys of all objects."""
        return {one["Key"] for one in self.access.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])}

    def search(self, *kinds: str, **criteria: Any) -> Found:
        """What a clean-up of everything older than tomorrow finds."""
        wanted = Criteria(frozenset(kinds or KINDS), criteria.pop("before", TOMORROW), **criteria)
        return search(self.access, self.environment, wanted, lambda _line: None)


@pytest.fixture
def world(aws: Callable[[str], Any], mlflow_here: Any, environment: Environment) -> World:
    aws("ecr").create_repository(repositoryName="mlflow-staging-serving")
    client = mlflow_here.MlflowClient()
    experiment = client.create_experiment("churn", artifact_location=f"s3://{BUCKET}/1")
    sagemaker: Any = WithServers(aws("sagemaker"), **{environment.server.name: environment.artifact_store})
    repository = "123456789012.dkr.ecr.us-east-1.amazonaws.com/mlflow-staging-serving"
    return World(
        Access(sagemaker, aws("s3"), aws("ecr"), client),
        replace(environment, serving_repository=repository),
        mlflow_here,
        experiment,
    )
