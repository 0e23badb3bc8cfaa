"""moto's memory in a file: every class of moto's objects can be loaded, and no other class."""

import io
import os
import pickle

import boto3
import pytest
from moto import mock_aws

from localaws.state import moto_pickle

US = {"region_name": "us-east-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}


class Evil:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> object:
        return os.system, ("true",)


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps(Evil()),
        b"",
        b"not a pickle",
        pickle.dumps({"s3": 1}),
        b"\x80\x04\x8c\x04moto\x8c\tos.systemq\x93.",
        b"\x80\x04\x8c\x12localaws.processes\x8c\x10subprocess.Popen\x93.",
        b"\x80\x04\x8c\x14moto.core.base_backend\x8c\x06uuid4q\x00\x93.",
    ],
)
def test_only_moto_s_own_classes_are_loaded(content: bytes) -> None:
    with pytest.raises(moto_pickle.UnreadableError):
        moto_pickle.load(io.BytesIO(content))


@pytest.mark.system
def test_resources_of_many_services_are_restored() -> None:
    with mock_aws():
        kms, sqs, ssm = (boto3.client(name, **US) for name in ("kms", "sqs", "ssm"))
        rsa = kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec="RSA_2048")["KeyMetadata"]["KeyId"]
        signed = kms.sign(KeyId=rsa, Message=b"m", SigningAlgorithm="RSASSA_PSS_SHA_256")["Signature"]
        queue = sqs.create_queue(QueueName="q.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
        ssm.put_parameter(Name="/a/b", Value="1", Type="String")
        boto3.client("ec2", **US).create_vpc(CidrBlock="10.1.0.0/16")
        boto3.client("ecr", **US).create_repository(repositoryName="images")
        boto3.client("events", **US).put_rule(Name="nightly", ScheduleExpression="rate(1 day)")
        boto3.client("iam", **US).create_role(RoleName="r", AssumeRolePolicyDocument="{}")
        functions = boto3.client("lambda", **US)
        function = {"FunctionName": "f", "Runtime": "python3.12", "Handler": "code.handle"}
        role, code = "arn:aws:iam::123456789012:role/r", {"ZipFile": b"not an archive"}
        functions.create_function(**function, Role=role, Code=code)
        arn = functions.publish_version(FunctionName="f")["FunctionArn"]
        file = io.BytesIO()
        moto_pickle.dump(file)
    with mock_aws():
        file.seek(0)
        moto_pickle.load(file)
        assert kms.verify(KeyId=rsa, Message=b"m", Signature=signed, SigningAlgorithm="RSASSA_PSS_SHA_256")[
            "SignatureValid"
        ]
        assert sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["FifoQueue"])["Attributes"]
        ssm.put_parameter(Name="/a/b", Value="2", Type="String", Overwrite=True)
        history = ssm.get_parameter_history(Name="/a/b")["Parameters"]
        assert [one["Value"] for one in history] == ["1", "2"]
        assert "10.1.0.0/16" in [one["CidrBlock"] for one in boto3.client("ec2", **US).describe_vpcs()["Vpcs"]]
        assert boto3.client("ecr", **US).describe_repositories()["repositories"]
        assert boto3.client("events", **US).list_rules()["Rules"][0]["Name"] == "nightly"
        assert functions.get_function(FunctionName=arn)["Configuration"]["Version"] == "1"
