"""The front on localaws's port: signature checks, call log, faults."""

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.support.http import HTTP
from tests.support.running import RunningLocalAws


def test_the_credentials_of_the_env_file_belong_to_the_administrator(localaws: RunningLocalAws) -> None:
    identity = localaws.client("sts").get_caller_identity()
    assert identity["Account"] == localaws.env["AWS_ACCOUNT_ID"]
    assert identity["Arn"].endswith(":user/localaws")


def test_a_wrong_secret_is_refused(localaws: RunningLocalAws) -> None:
    with pytest.raises(ClientError) as refused:
        localaws.client("sagemaker", aws_secret_access_key="wrong").list_models()
    assert refused.value.response["Error"]["Code"] == "InvalidSignatureException"


def test_an_unsigned_call_is_refused(localaws: RunningLocalAws) -> None:
    assert HTTP.get(f"{localaws.url}/some-bucket").status_code == 403


def test_an_upload_by_a_form_is_refused_with_what_to_use_instead(localaws: RunningLocalAws) -> None:
    form = localaws.client("s3").generate_presigned_post("some-bucket", "a")
    answer = HTTP.post(form["url"], data=form["fields"], files={"file": b"a"})
    assert (answer.status_code, "Presign a PUT" in answer.text) == (501, True)


def test_an_unsigned_call_is_refused_in_the_protocol_of_its_client(localaws: RunningLocalAws) -> None:
    unsigned = Config(signature_version=UNSIGNED)
    role = {"RoleArn": "arn:aws:iam::123456789012:role/ci", "RoleSessionName": "ci"}
    sts = localaws.client("sts")
    for call in (
        lambda: sts.assume_role_with_web_identity(**role, WebIdentityToken="token"),
        lambda: sts.assume_role_with_saml(
            RoleArn=role["RoleArn"], PrincipalArn="arn:aws:iam::123456789012:saml-provider/x", SAMLAssertion="abcd"
        ),
        lambda: localaws.client("iam", config=unsigned).list_roles(),
        lambda: localaws.client("sagemaker", config=unsigned).list_models(),
    ):
        with pytest.raises(ClientError, match="Request is missing Authentication Token") as refused:
            call()
        assert refused.value.response["Error"]["Code"] == "MissingAuthenticationToken"


def test_a_fault_affects_only_its_resource(localaws: RunningLocalAws) -> None:
    localaws.fault("sagemaker:DescribeModel", error="ThrottlingException", message="Slow.", resource="fault-front")
    sagemaker = localaws.client("sagemaker")
    with pytest.raises(ClientError, match="ValidationException"):
        sagemaker.describe_model(ModelName="another-front")
    with pytest.raises(ClientError, match=r"ThrottlingException.*Slow"):
        sagemaker.describe_model(ModelName="fault-front")
    logged = [call for call in localaws.calls("fault-front") if call["resource"] == "fault-front"]
    assert [call["error"] for call in logged] == ["ThrottlingException"]


def test_a_call_with_a_lost_response_takes_effect(localaws: RunningLocalAws) -> None:
    localaws.fault("sns:CreateTopic", lost=True, resource="lost-front")
    sns = localaws.client("sns")
    with pytest.raises(ConnectionClosedError):
        sns.create_topic(Name="lost-front")
    assert "lost-front" in [topic["TopicArn"].split(":")[-1] for topic in sns.list_topics()["Topics"]]
