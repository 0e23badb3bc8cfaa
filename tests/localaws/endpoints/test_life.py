"""The life cycle of an endpoint, from creation to deletion."""

import re
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.localaws.endpoints.hosted import IMAGE, Hosted, unique
from tests.localaws.endpoints.streaming import Stream
from tests.serving.models import SPLIT, save_obedient
from tests.support.http import HTTP
from tests.support.running import MANIFEST


def test_describes_an_endpoint_in_service_as_aws_does(hosted: Hosted, iris_endpoint: str) -> None:
    found = hosted.describe(iris_endpoint)
    assert found["EndpointStatus"] == "InService"
    assert found["EndpointArn"] == f"arn:aws:sagemaker:us-east-1:123456789012:endpoint/{iris_endpoint}"
    assert found["LastModifiedTime"] > found["CreationTime"]
    assert "FailureReason" not in found
    assert "PendingDeploymentSummary" not in found
    (variant,) = found["ProductionVariants"]
    assert variant["VariantName"] == "one"
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (1, 1)
    assert (variant["CurrentWeight"], variant["DesiredWeight"]) == (1.0, 1.0)
    assert variant["DeployedImages"][0]["SpecifiedImage"] == IMAGE


def test_describes_a_model_without_unset_members(hosted: Hosted, obedient: Path) -> None:
    """With an empty VpcConfig, as moto returns it, Terraform replaces the model in every apply."""
    name = hosted.model(obedient, GREETING="hello")
    found = hosted.sagemaker.describe_model(ModelName=name)
    assert set(found) == {
        "ModelName", "ModelArn", "PrimaryContainer", "ExecutionRoleArn", "CreationTime", "EnableNetworkIsolation",
        "ResponseMetadata",
    }  # fmt: skip
    assert found["PrimaryContainer"]["Environment"] == {"GREETING": "hello"}
    hosted.sagemaker.delete_model(ModelName=name)


def test_lists_and_health_contain_the_endpoint(hosted: Hosted, iris_endpoint: str) -> None:
    listed = hosted.sagemaker.list_endpoints(NameContains=iris_endpoint, StatusEquals="InService")["Endpoints"]
    assert [endpoint["EndpointName"] for endpoint in listed] == [iris_endpoint]
    assert {"name": iris_endpoint, "status": "InService"} in hosted.localaws.health()["endpoints"]


def test_uses_the_execution_role_for_the_archive_and_the_log(hosted: Hosted, iris_endpoint: str) -> None:
    done = hosted.calls_of_the_role()
    assert {"s3:GetObject", "logs:CreateLogStream", "logs:PutLogEvents"} <= done


def test_writes_the_containers_output_to_its_log_stream(hosted: Hosted, iris_endpoint: str) -> None:
    hosted.predict(iris_endpoint, SPLIT)
    ((stream, lines),) = hosted.until(
        lambda: hosted.log(iris_endpoint), lambda log: "POST /invocations" in str(log)
    ).items()
    assert stream.startswith("one/i-")
    assert any("is loaded; listening on" in line for line in lines)


def test_a_containers_own_port_rejects_requests_that_do_not_come_from_localaws(
    hosted: Hosted, iris_endpoint: str
) -> None:
    (lines,) = hosted.log(iris_endpoint).values()
    (address,) = re.findall(r"listening on (127\.0\.0\.1:\d+)", " ".join(lines))
    direct = HTTP.post(
        f"http://{address}/invocations",
        content=SPLIT,
        headers={"content-type": "application/json", "x-serving-token": "guessed"},
    )
    assert direct.status_code == 403
    assert HTTP.get(f"http://{address}/ping").status_code == 403
    assert hosted.predict(iris_endpoint, SPLIT) is not None


def test_tags_are_added_replaced_and_deleted(hosted: Hosted, iris_endpoint: str) -> None:
    arn = hosted.describe(iris_endpoint)["EndpointArn"]
    hosted.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "1"}])
    hosted.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "2"}])
    hosted.sagemaker.delete_tags(ResourceArn=arn, TagKeys=["b"])
    assert hosted.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "2"}]


def test_update_loses_no_request_failed_update_keeps_the_model_and_delete_removes_everything(
    hosted: Hosted, obedient: Path, tmp_path: Path
) -> None:
    name = hosted.endpoint(obedient, GREETING="first")
    first = hosted.describe(name)["EndpointConfigName"]
    second = hosted.config(hosted.model(obedient, GREETING="second"))

    with Stream(hosted, name) as stream:
        hosted.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=second)
        during = hosted.describe(name)
        assert during["EndpointStatus"] == "Updating"
        assert during["EndpointConfigName"] == first
        assert during["PendingDeploymentSummary"]["EndpointConfigName"] == second
        for change in (
            lambda: hosted.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=first),
            lambda: hosted.sagemaker.delete_endpoint(EndpointName=name),
        ):
            with pytest.raises(ClientError, match='Cannot update in-progress endpoint "arn:aws:sagemaker'):
                change()
        assert hosted.settled(name)["EndpointConfigName"] == second
    assert stream.failures == []
    # The traffic shifts once: the old model answers all requests until then, the new model all later ones.
    assert stream.answers == [["first"], ["second"]]

    save_obedient(tmp_path / "broken")
    (tmp_path / "broken" / "MLmodel").unlink()
    third = hosted.config(hosted.model(tmp_path / "broken"))
    with Stream(hosted, name) as stream:
        hosted.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=third)
        after = hosted.settled(name)
    assert stream.failures == []
    assert stream.answers == [["second"]]
    assert after["EndpointStatus"] == "InService"
    assert after["EndpointConfigName"] == second
    assert "variant one did not pass the ping health check" in after["FailureReason"]
    assert "There is no MLflow model in" in str(hosted.log(name))

    # A deleted endpoint leaves no folders and no process files.
    folders = hosted.localaws.settings.data / "endpoints"
    notes = hosted.localaws.settings.run / "processes"
    assert list(folders.glob(f"endpoint-{name}-*"))
    assert list(notes.glob(f"endpoint-{name}-*"))
    hosted.delete(name)
    assert not list(folders.glob(f"endpoint-{name}-*"))
    assert not list(notes.glob(f"endpoint-{name}-*"))
    with pytest.raises(ClientError, match="not found"):
        hosted.predict(name, SPLIT)
    with pytest.raises(ClientError, match='Could not find endpoint "arn:aws:sagemaker:us-east-1:123456789012:endpoint'):
        hosted.describe(name)


def test_chooses_between_two_variants_by_name_and_by_weight(hosted: Hosted, obedient: Path) -> None:
    """The execution role also makes the calls of an image pull, because the image's repository exists."""
    repository = unique("repository")
    ecr = hosted.localaws.client("ecr")
    registry = ecr.create_repository(repositoryName=repository)["repository"]
    ecr.put_image(repositoryName=repository, imageManifest=MANIFEST, imageTag="1")
    name = hosted.endpoint(obedient, obedient, image=f"{registry['repositoryUri']}:1", GREETING="hello")
    assert {"ecr:GetAuthorizationToken", "ecr:BatchGetImage"} <= hosted.calls_of_the_role()
    who = '{"dataframe_records": [{"x": 1}]}'
    # The container has the model's Environment and the role's credentials.
    assert hosted.predict(name, Stream.BODY, TargetVariant="two") == ["hello"]
    assert hosted.predict(name, Stream.BODY.replace("GREETING", "AWS_ACCESS_KEY_ID"))[0].startswith("ASIA")
    processes = [hosted.predict(name, who, TargetVariant=variant)[0] for variant in ("one", "two")]
    assert len(set(processes)) == 2
    assert {hosted.predict(name, who)[0] for _ in range(40)} == set(processes)
    hosted.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=name, DesiredWeightsAndCapacities=[{"VariantName": "one", "DesiredWeight": 0}]
    )
    assert {hosted.predict(name, who)[0] for _ in range(20)} == {processes[1]}
    assert [v["CurrentWeight"] for v in hosted.describe(name)["ProductionVariants"]] == [0, 1]

    # A container that exits is restarted. Until then, DescribeEndpoint does not count it.
    with pytest.raises(hosted.runtime.exceptions.ModelError) as gone:
        hosted.predict(name, '{"dataframe_records": [{"die": 1}]}', TargetVariant="one")
    assert gone.value.response["OriginalStatusCode"] == 0
    assert "could not get a response from the" in gone.value.response["OriginalMessage"]
    counts = hosted.until(
        lambda: [v["CurrentInstanceCount"] for v in hosted.describe(name)["ProductionVariants"]],
        lambda seen: seen[0] == 0,
    )
    assert counts == [0, 1]
    hosted.until(
        lambda: [v["CurrentInstanceCount"] for v in hosted.describe(name)["ProductionVariants"]],
        lambda seen: seen == [1, 1],
    )
    assert hosted.predict(name, who, TargetVariant="one") != [processes[0]]
    hosted.delete(name)
