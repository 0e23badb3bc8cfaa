"""Which configurations, models, archives and images a clean-up deletes, and which it keeps."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from mlflow_common.errors import PreconditionError
from mlflow_platform.cleanup import report
from mlflow_platform.cleanup.items import ARCHIVES, CONFIGS, FAILED_RUNS, IMAGES, MODELS, OLD_RUNS
from mlflow_platform.endpoints.creation import ensure_resources
from mlflow_platform.endpoints.specification import EndpointSpec
from mlflow_platform.plan_guard.cost import Prices
from tests.platform.cleanup.conftest import World
from tests.platform.cleanup.test_runs import names, reasons, remove
from tests.platform.endpoints.deployed import NAME, spec_of


def host(world: World, version: str, endpoint: str = NAME, **changes: Any) -> EndpointSpec:
    """A configuration and its model and archive."""
    spec = replace(spec_of(world.environment, version), endpoint=endpoint, **changes)
    ensure_resources(world.access.sagemaker, spec)
    world.put(spec.archive_uri.split("/", 3)[3])
    return spec


def serve(world: World, spec: EndpointSpec) -> None:
    world.access.sagemaker.create_endpoint(EndpointName=spec.endpoint, EndpointConfigName=spec.config_name)


class Images:
    """A repository. moto gives all images one digest."""

    def __init__(self, *tags: str) -> None:
        self.digests = {tag: f"sha256:{tag * 64}" for tag in tags}
        self.pushed = datetime.now(UTC)
        self.pulled: dict[str, datetime] = {}

    def get_paginator(self, _operation: str) -> Any:
        images = [
            {"imageDigest": digest, "imageTags": [tag], "imagePushedAt": self.pushed, "imageSizeInBytes": 9}
            | ({"lastRecordedPullTime": self.pulled[tag]} if tag in self.pulled else {})
            for tag, digest in self.digests.items()
        ]
        return type("Paginator", (), {"paginate": lambda _self, **_given: [{"imageDetails": images}]})()

    def batch_delete_image(self, **given: Any) -> dict[str, Any]:
        unwanted = [one["imageDigest"] for one in given["imageIds"]]
        self.digests = {tag: digest for tag, digest in self.digests.items() if digest not in unwanted}
        return {"failures": []}


def test_keeps_all_configurations_of_an_endpoint_and_deletes_those_of_endpoints_that_are_gone(world: World) -> None:
    now, before, gone = host(world, "2"), host(world, "1"), host(world, "3", f"{NAME}-gone")
    serve(world, now)
    found = world.search()
    assert names(found) == {gone.config_name, gone.model_name, gone.archive_uri}
    assert "can be rolled back to it" in reasons(found)[before.config_name]
    assert set(reasons(found)) >= {before.model_name, before.archive_uri, now.config_name}
    remove(world, found)
    left = world.search()
    assert not left.items
    assert set(reasons(left)) == set(reasons(found))


def test_keeps_what_a_running_deployment_may_be_about_to_use(world: World) -> None:
    spec = host(world, "1")
    world.access = replace(world.access, ecr=cast("Any", Images("a")))
    everything = {spec.config_name, spec.model_name, spec.archive_uri, f"{world.environment.serving_repository}:a"}
    assert len(world.search(keep_images=0).items) == len(everything)
    found = world.search(keep_images=0, settled=datetime.now(UTC) - timedelta(hours=2))
    assert found.items == []
    assert set(reasons(found)) == everything
    assert reasons(found)[spec.archive_uri].startswith("it is younger than 2 hours")


def test_keeps_what_other_environments_own(world: World) -> None:
    host(world, "1", f"{NAME}-gone", tags={"project": "mlflow", "environment": "prod"})
    assert not world.search(CONFIGS, MODELS, ARCHIVES).items


def test_a_model_stays_while_its_configuration_does(world: World) -> None:
    gone = host(world, "1", f"{NAME}-gone")
    assert names(world.search(MODELS, ARCHIVES)) == set()
    assert reasons(world.search(MODELS))[gone.model_name] == f"the configuration {gone.config_name} uses it"


def test_keeps_the_run_of_a_served_model(world: World) -> None:
    run, other = world.run("FINISHED"), world.run("FAILED")
    tags = world.environment.tags | {"run-id": run, "model-uri": f"runs:/{other}/model"}
    serve(world, host(world, "1", tags=tags))
    found = world.search(OLD_RUNS, FAILED_RUNS)
    assert not found.items
    assert all("serves it" in reasons(found)[one] for one in (run, other))


def test_stops_if_it_cannot_know_which_run_a_model_serves(world: World) -> None:
    run = world.run("FAILED")
    spec = host(world, "1", tags=world.environment.tags | {"run-id": run})
    serve(world, spec)
    sagemaker: Any = world.access.sagemaker
    sagemaker.denies_tags = {spec.model_name}
    with pytest.raises(PreconditionError, match=f"the tags of the model {spec.model_name} may not be read"):
        world.search(FAILED_RUNS)
    assert not world.search(MODELS, ARCHIVES).items
    # Another team's model has its files elsewhere.
    theirs = replace(spec, archive_uri="s3://theirs/model.tar.gz")
    ensure_resources(world.access.sagemaker, theirs)
    sagemaker.denies_tags = {theirs.model_name}
    assert run in reasons(world.search(FAILED_RUNS))


def test_keeps_the_image_and_the_archive_of_a_package_that_a_model_is_made_of(world: World) -> None:
    sagemaker, repository = world.access.sagemaker, world.environment.serving_repository
    world.access = replace(world.access, ecr=cast("Any", Images("a", "b")))
    archive = world.put("endpoints/packed/model.tar.gz")
    # The group is not named after the environment.
    sagemaker.create_model_package_group(ModelPackageGroupName="reviewed")
    package = sagemaker.create_model_package(
        ModelPackageGroupName="reviewed",
        InferenceSpecification={
            "Containers": [{"Image": f"{repository}:a", "ModelDataUrl": archive}],
            "SupportedContentTypes": [],
            "SupportedResponseMIMETypes": [],
        },
    )["ModelPackageArn"]
    found = world.search(IMAGES, ARCHIVES, keep_images=0)
    assert len(found.items) == 3
    role = world.environment.endpoint_role
    sagemaker.create_model(ModelName="m", ExecutionRoleArn=role, PrimaryContainer={"ModelPackageName": package})
    found = world.search(IMAGES, ARCHIVES, keep_images=0)
    assert names(found) == {cast("Any", world.access.ecr).digests["b"]}
    assert reasons(found) == {f"{repository}:a": "the SageMaker model m uses it", archive: reasons(found)[archive]}
    theirs = "arn:aws:sagemaker:us-east-1:999999999999:model-package/market/1"
    sagemaker.create_model(ModelName="bought", ExecutionRoleArn=role, PrimaryContainer={"ModelPackageName": theirs})
    assert world.search(IMAGES, ARCHIVES, keep_images=0) == found


def test_keeps_an_archive_that_a_model_uses_beside_its_own_data(world: World) -> None:
    archive = world.put("endpoints/adapter/model.tar.gz")
    source = {"S3Uri": archive, "S3DataType": "S3Object", "CompressionType": "None"}
    container = {"Image": "image", "AdditionalModelDataSources": [{"ChannelName": "adapter", "S3DataSource": source}]}
    role = world.environment.endpoint_role
    world.access.sagemaker.create_model(ModelName="m", ExecutionRoleArn=role, PrimaryContainer=container)
    assert reasons(world.search(ARCHIVES)) == {archive: "the SageMaker model m uses it"}


def test_keeps_images_that_were_pulled_recently(world: World) -> None:
    ecr: Any = Images("a", "b")
    ecr.pulled = {"a": datetime.now(UTC) - timedelta(days=1), "b": datetime.now(UTC) - timedelta(days=8)}
    world.access = replace(world.access, ecr=ecr)
    week_ago = datetime.now(UTC) - timedelta(days=7)
    ecr.pushed = week_ago - timedelta(days=100)
    found = world.search(IMAGES, keep_images=0, before=week_ago)
    assert names(found) == {ecr.digests["b"]}
    assert next(iter(reasons(found).values())).startswith("it was pulled on 20")


def test_keeps_images_that_models_use_and_the_newest(world: World) -> None:
    repository = world.environment.serving_repository
    ecr: Any = Images("a", "b", "c")
    world.access = replace(world.access, ecr=ecr)
    digests = ecr.digests
    host(world, "1", image=f"{repository}:a")
    host(world, "2", image=f"{repository}@{digests['b']}")
    found = world.search(IMAGES, keep_images=0)
    assert names(found) == {digests["c"]}
    assert len(reasons(found)) == 2
    assert not world.search(IMAGES, keep_images=3).items
    remove(world, found)
    assert not world.search(IMAGES, keep_images=0).items


def test_keeps_images_that_model_packages_use(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sagemaker, repository = world.access.sagemaker, world.environment.serving_repository
    ecr: Any = Images("a", "b", "c")
    world.access = replace(world.access, ecr=ecr)
    sagemaker.create_model_package_group(ModelPackageGroupName=NAME)
    container = {"Image": f"{repository}:a", "ModelDataUrl": "s3://b/packages/model.tar.gz"}
    sagemaker.create_model_package(
        ModelPackageGroupName=NAME,
        InferenceSpecification={
            "Containers": [container],
            "SupportedContentTypes": [],
            "SupportedResponseMIMETypes": [],
        },
        AdditionalInferenceSpecifications=[{"Name": "gpu", "Containers": [container | {"Image": f"{repository}:c"}]}],
    )
    found = world.search(IMAGES, keep_images=0)
    assert names(found) == {ecr.digests["b"]}
    for tag in ("a", "c"):
        assert "the model package arn:" in reasons(found)[f"{repository}:{tag}"]

    def denied(**_: Any) -> Any:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "DescribeModelPackage")

    monkeypatch.setattr(sagemaker, "describe_model_package", denied, raising=False)
    found = world.search(IMAGES, keep_images=0)
    assert not found.items
    assert "a model package may use one" in found.skipped[IMAGES]


def test_stops_if_it_cannot_know_what_a_model_uses(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    host(world, "1")

    def denied(**_: Any) -> Any:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "DescribeModel")

    monkeypatch.setattr(world.access.sagemaker, "describe_model", denied, raising=False)
    with pytest.raises(PreconditionError, match=r"the model .* cannot be described"):
        world.search(IMAGES)


def test_the_table_has_sizes_and_money_and_never_guesses_a_price(world: World) -> None:
    world.run()
    found = world.search(FAILED_RUNS)
    found.items[0] = replace(found.items[0], size=100 << 30)
    known = [line for line, _ in report.lines(found, Prices.load(), "us-east-1")]
    assert known[-1].split() == ["total", "1", "107.4", "GB", "2.30"]
    assert report.lines(found, Prices.load(), "eu-west-3")[-1][0].endswith("no price known")
    assert report.as_json(found, Prices.load(), "eu-west-3")["totals"][FAILED_RUNS]["monthly_cost"] is None
