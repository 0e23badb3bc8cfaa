"""A pipeline in the form of AWS's public examples runs unchanged, with SageMaker's own XGBoost.

The form is that of sm-pipelines_preprocess_train_evaluate_batch_transform in aws/amazon-sagemaker-examples, as version
2 of SageMaker's SDK renders it: processing, training, evaluation, a condition, then a registered model, a model and a
transform job. A Lambda function deploys the model to an endpoint, as in sm-pipelines_lambda_step.
"""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localaws.jobs.conftest import JobBench, channel, given_input, given_output
from tests.localaws.pipelines.test_executions import start, steps, wait
from tests.localaws.pipelines.test_outside import create_function

XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.0-1-cpu-py3"
SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:0.23-1-cpu-py3"
BATCH = "0.2,1\n0.8,0\n"
PREPROCESS = """
import pathlib
base = "/opt/ml/processing"
rows = [line.split(",") for line in pathlib.Path(base, "input/rows.csv").read_text().split()]
for name, part in (("train", rows[:70]), ("validation", rows[70:85]), ("test", rows[85:])):
    pathlib.Path(base, name, name + ".csv").write_text("".join(",".join(row) + "\\n" for row in part))
"""
EVALUATE = """
import json, pathlib, pickle, tarfile
import pandas, xgboost
with tarfile.open("/opt/ml/processing/model/model.tar.gz") as tar:
    tar.extractall(path=".")
model = pickle.load(open("xgboost-model", "rb"))
table = pandas.read_csv("/opt/ml/processing/test/test.csv", header=None)
found = model.predict(xgboost.DMatrix(table.iloc[:, 1:].values))
mse = float(((table.iloc[:, 0] - found) ** 2).mean())
report = {"regression_metrics": {"mse": {"value": mse, "standard_deviation": 0.0}}}
pathlib.Path("/opt/ml/processing/evaluation/evaluation.json").write_text(json.dumps(report))
"""
# As `lambda_helper.py` of the example.
DEPLOY = """
import json
import boto3

def handle(event, context):
    client = boto3.client("sagemaker")
    variant = {"InstanceType": "ml.m4.xlarge", "InitialVariantWeight": 1, "InitialInstanceCount": 1}
    variant |= {"ModelName": event["model_name"], "VariantName": "AllTraffic"}
    config, endpoint = event["endpoint_config_name"], event["endpoint_name"]
    client.create_endpoint_config(EndpointConfigName=config, ProductionVariants=[variant])
    client.create_endpoint(EndpointName=endpoint, EndpointConfigName=config)
    return {"statusCode": 200, "body": json.dumps("Created Endpoint!")}
"""
ENDPOINT = "abalone"


def get(path: str) -> dict[str, Any]:
    return {"Get": path}


def processing(
    bench: JobBench, name: str, image: str, code: str, inputs: list[dict[str, Any]], outputs: list[str]
) -> dict[str, Any]:
    given = [given_output(one, f"s3://{bench.bucket}/{name}/{one}", f"/opt/ml/processing/{one}") for one in outputs]
    return {
        "Name": name,
        "Type": "Processing",
        "Arguments": {
            "RoleArn": bench.role,
            "AppSpecification": {
                "ImageUri": image,
                "ContainerEntrypoint": ["python3", "/opt/ml/processing/input/code/script.py"],
            },
            "ProcessingResources": {
                "ClusterConfig": {
                    "InstanceCount": get("Parameters.ProcessingInstanceCount"),
                    "InstanceType": "ml.m5.xlarge",
                    "VolumeSizeInGB": 30,
                }
            },
            "ProcessingInputs": [*inputs, given_input("code", code, "/opt/ml/processing/input/code")],
            "ProcessingOutputConfig": {"Outputs": [one for config in given for one in config["Outputs"]]},
        },
        "RetryPolicies": [
            {
                "BackoffRate": 2.0,
                "IntervalSeconds": 1,
                "ExpireAfterMin": 5,
                "ExceptionType": ["Step.SERVICE_FAULT", "Step.THROTTLING"],
            }
        ],
    }


def training(bench: JobBench) -> dict[str, Any]:
    outputs = {
        name: get(f"Steps.AbaloneProcess.ProcessingOutputConfig.Outputs['{name}'].S3Output.S3Uri")
        for name in ("train", "validation")
    }
    return {
        "Name": "AbaloneTrain",
        "Type": "Training",
        "Arguments": {
            "AlgorithmSpecification": {"TrainingInputMode": "File", "TrainingImage": XGBOOST},
            "OutputDataConfig": {"S3OutputPath": f"s3://{bench.bucket}/AbaloneTrain"},
            "StoppingCondition": {"MaxRuntimeInSeconds": 86400},
            "ResourceConfig": {
                "VolumeSizeInGB": 30,
                "InstanceCount": 1,
                "InstanceType": get("Parameters.TrainingInstanceType"),
            },
            "RoleArn": bench.role,
            "InputDataConfig": [
                {**channel(name, uri), "ContentType": "text/csv"}  # type: ignore[arg-type]
                for name, uri in outputs.items()
            ],
            "HyperParameters": {"objective": "reg:linear", "num_round": "20", "max_depth": "3", "eta": "0.3"},
            "DebugHookConfig": {"S3OutputPath": f"s3://{bench.bucket}/AbaloneTrain", "CollectionConfigurations": []},
            "ProfilerConfig": {"S3OutputPath": f"s3://{bench.bucket}/AbaloneTrain", "DisableProfiler": False},
        },
    }


def registering(bench: JobBench, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "Name": "AbaloneRegisterModel-RegisterModel",
        "Type": "RegisterModel",
        "Arguments": {
            "ModelPackageGroupName": "AbaloneModelPackageGroupName",
            "ModelMetrics": {
                "ModelQuality": {
                    "Statistics": {
                        "ContentType": "application/json",
                        "S3Uri": f"s3://{bench.bucket}/AbaloneEval/evaluation/evaluation.json",
                    }
                },
                "Bias": {},
                "Explainability": {},
            },
            "InferenceSpecification": {
                "Containers": [{"Image": XGBOOST, "Environment": {}, "ModelDataUrl": data}],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
                "SupportedRealtimeInferenceInstanceTypes": ["ml.t2.medium", "ml.m5.xlarge"],
                "SupportedTransformInstanceTypes": ["ml.m5.xlarge"],
            },
            "ModelApprovalStatus": get("Parameters.ModelApprovalStatus"),
            "SkipModelValidation": "None",
        },
    }


def deploying(bench: JobBench) -> dict[str, Any]:
    return {
        "Name": "LambdaStep",
        "Type": "Lambda",
        "FunctionArn": create_function(bench, "sagemaker-deploy", DEPLOY),
        "Arguments": {
            "model_name": get("Steps.AbaloneCreateModel-CreateModel.ModelName"),
            "endpoint_config_name": ENDPOINT,
            "endpoint_name": ENDPOINT,
        },
        "OutputParameters": [{"OutputName": name, "OutputType": "String"} for name in ("statusCode", "body")],
    }


def deciding(bench: JobBench) -> dict[str, Any]:
    data = get("Steps.AbaloneTrain.ModelArtifacts.S3ModelArtifacts")
    mse = {
        "Std:JsonGet": {
            "PropertyFile": get("Steps.AbaloneEval.PropertyFiles.EvaluationReport"),
            "Path": "regression_metrics.mse.value",
        }
    }
    model = {
        "Name": "AbaloneCreateModel-CreateModel",
        "Type": "Model",
        "Arguments": {
            "ExecutionRoleArn": bench.role,
            "PrimaryContainer": {"Image": XGBOOST, "Environment": {}, "ModelDataUrl": data},
        },
    }
    transform = {
        "Name": "AbaloneTransform",
        "Type": "Transform",
        "Arguments": {
            "ModelName": get("Steps.AbaloneCreateModel-CreateModel.ModelName"),
            "TransformInput": {
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": get("Parameters.BatchData")}},
                "ContentType": "text/csv",
                "SplitType": "Line",
            },
            "TransformOutput": {"S3OutputPath": f"s3://{bench.bucket}/AbaloneTransform"},
            "TransformResources": {"InstanceCount": 1, "InstanceType": "ml.m5.xlarge"},
        },
    }
    threshold = get("Parameters.MseThreshold")
    message = {"Std:Join": {"On": " ", "Values": ["Execution failed due to MSE >", threshold]}}
    return {
        "Name": "AbaloneMSECond",
        "Type": "Condition",
        "Arguments": {
            "Conditions": [{"Type": "LessThanOrEqualTo", "LeftValue": mse, "RightValue": threshold}],
            "IfSteps": [registering(bench, data), model, transform, deploying(bench)],
            "ElseSteps": [{"Name": "AbaloneMSEFail", "Type": "Fail", "Arguments": {"ErrorMessage": message}}],
        },
    }


def definition(bench: JobBench) -> dict[str, Any]:
    raw = bench.put("abalone/rows.csv", "".join(f"{3 + row % 9},{row % 9 / 10},{row % 2}\n" for row in range(100)))
    inputs = [
        given_input("model", get("Steps.AbaloneTrain.ModelArtifacts.S3ModelArtifacts"), "/opt/ml/processing/model"),  # type: ignore[arg-type]
        given_input(
            "test",
            get("Steps.AbaloneProcess.ProcessingOutputConfig.Outputs['test'].S3Output.S3Uri"),  # type: ignore[arg-type]
            "/opt/ml/processing/test",
        ),
    ]
    evaluate = bench.put("abalone/evaluate/script.py", EVALUATE)
    evaluating = processing(bench, "AbaloneEval", XGBOOST, evaluate, inputs, ["evaluation"])
    report = {"PropertyFileName": "EvaluationReport", "OutputName": "evaluation", "FilePath": "evaluation.json"}
    parts = ["train", "validation", "test"]
    preprocess = bench.put("abalone/preprocess/script.py", PREPROCESS)
    rows = [given_input("rows", raw, "/opt/ml/processing/input")]
    batch = bench.put("abalone/batch", BATCH)
    return {
        "Version": "2020-12-01",
        "Metadata": {},
        "Parameters": [
            {"Name": "ProcessingInstanceCount", "Type": "Integer", "DefaultValue": 1},
            {"Name": "TrainingInstanceType", "Type": "String", "DefaultValue": "ml.m5.xlarge"},
            {"Name": "ModelApprovalStatus", "Type": "String", "DefaultValue": "PendingManualApproval"},
            {"Name": "BatchData", "Type": "String", "DefaultValue": batch},
            {"Name": "MseThreshold", "Type": "Float", "DefaultValue": 6.0},
        ],
        "PipelineExperimentConfig": {
            "ExperimentName": get("Execution.PipelineName"),
            "TrialName": get("Execution.PipelineExecutionId"),
        },
        "Steps": [
            processing(bench, "AbaloneProcess", SKLEARN, preprocess, rows, parts),
            training(bench),
            {**evaluating, "PropertyFiles": [report]},
            deciding(bench),
        ],
    }


def predict(bench: JobBench) -> None:
    """The model answers at the endpoint as in the transform job, and refuses what SageMaker's image refuses."""
    waiting = {"Delay": 1, "MaxAttempts": 120}
    bench.sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=ENDPOINT, WaiterConfig=waiting)
    given = {"EndpointName": ENDPOINT, "Body": BATCH, "ContentType": "text/csv"}
    invoke = bench.localaws.client("sagemaker-runtime").invoke_endpoint
    answer = invoke(**given)
    text = answer["Body"].read().decode()
    assert (answer["ContentType"], text) == ("text/csv", bench.get("AbaloneTransform/batch.out"))
    scores = [
        one["score"] for one in json.loads(invoke(**given, Accept="application/json")["Body"].read())["predictions"]
    ]
    assert scores == [float(line) for line in text.split()]
    with pytest.raises(ClientError, match=r"ModelError.*\(415\).*Content-type application/xml is not supported"):
        invoke(**{**given, "ContentType": "application/xml"})
    bench.sagemaker.delete_endpoint(EndpointName=ENDPOINT)


def test_the_abalone_example_registers_a_model_and_transforms_a_batch(bench: JobBench) -> None:
    sagemaker = bench.sagemaker
    text = json.dumps(definition(bench))
    sagemaker.create_pipeline(PipelineName="AbalonePipeline", RoleArn=bench.role, PipelineDefinition=text)
    arn = start(bench, "AbalonePipeline", ModelApprovalStatus="Approved")
    found, ran = wait(bench, arn), steps(bench, arn)
    assert found["PipelineExecutionStatus"] == "Succeeded", ran
    branch = {"AbaloneRegisterModel-RegisterModel", "AbaloneCreateModel-CreateModel", "AbaloneTransform"}
    branch |= {"LambdaStep"}
    assert set(ran) == {"AbaloneProcess", "AbaloneTrain", "AbaloneEval", "AbaloneMSECond", *branch}
    low, high = map(float, bench.get("AbaloneTransform/batch.out").split())
    assert (round(low), round(high)) == (5, 11)
    package = ran["AbaloneRegisterModel-RegisterModel"]["Metadata"]["RegisterModel"]["Arn"]
    assert sagemaker.describe_model_package(ModelPackageName=package)["ModelApprovalStatus"] == "Approved"
    outputs = ran["LambdaStep"]["Metadata"]["Lambda"]["OutputParameters"]
    assert outputs == [{"Name": "statusCode", "Value": "200"}, {"Name": "body", "Value": '"Created Endpoint!"'}]
    predict(bench)
    job = ran["AbaloneTrain"]["Metadata"]["TrainingJob"]["Arn"].rsplit("/", 1)[-1]
    metrics = sagemaker.describe_training_job(TrainingJobName=job)["FinalMetricDataList"]
    assert {one["MetricName"] for one in metrics} == {"train:rmse", "validation:rmse"}

    strict = start(bench, "AbalonePipeline", MseThreshold="-1")
    assert wait(bench, strict)["PipelineExecutionStatus"] == "Failed"
    assert steps(bench, strict)["AbaloneMSEFail"]["FailureReason"] == "Execution failed due to MSE > -1.0"
