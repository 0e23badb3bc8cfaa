"""Renders the training pipeline with SageMaker's own SDK, for `test_sdk.py`. Needs no AWS account and no network.

Usage, in an environment with `requirements.lock` (see CONTRIBUTING.md):
    PYTHONPATH=. python tests/platform/factory/sdk/render.py
"""

import json
from importlib.metadata import version
from pathlib import Path

import boto3
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.processing import ProcessingInput, ProcessingOutput, Processor
from sagemaker.workflow.condition_step import ConditionStep
from sagemaker.workflow.conditions import ConditionGreaterThanOrEqualTo
from sagemaker.workflow.execution_variables import ExecutionVariables
from sagemaker.workflow.fail_step import FailStep
from sagemaker.workflow.functions import Join, JsonGet
from sagemaker.workflow.parameters import ParameterFloat, ParameterInteger, ParameterString
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import PipelineSession
from sagemaker.workflow.properties import PropertyFile
from sagemaker.workflow.retry import (
    SageMakerJobExceptionTypeEnum,
    SageMakerJobStepRetryPolicy,
    StepExceptionTypeEnum,
    StepRetryPolicy,
)
from sagemaker.workflow.steps import CacheConfig, ProcessingStep, TrainingStep

from training.pipeline import CONSTANTS, PARAMETERS

ROLE = "arn:aws:iam::123456789012:role/pipeline"
CODE, OUTPUTS = "s3://bucket/code/1", "s3://bucket/out"
TAGS = [{"Key": "environment", "Value": "staging"}, {"Key": "project", "Value": "mlflow"}]
PROCESSING = "/opt/ml/processing"
KINDS = {"String": ParameterString, "Integer": ParameterInteger, "Float": ParameterFloat}

quiet = {"SchemaVersion": "1.0", "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}}}
session = PipelineSession(
    boto_session=boto3.session.Session("unused", "unused", region_name="us-east-1"),
    default_bucket="bucket",
    sagemaker_config=quiet,
)
parameters = {
    one.name: KINDS[one.type](name=one.name, **({} if one.default is None else {"default_value": one.default}))
    for one in PARAMETERS
}
environment = {
    "MLFLOW_TRACKING_URI": parameters["TrackingUri"],
    "MLFLOW_REGISTRY_URI": parameters["TrackingUri"],
    "MLFLOW_EXPERIMENT_NAME": parameters["Experiment"],
    **CONSTANTS,
}
cache = CacheConfig(enable_caching=True, expire_after="P30D")
retries = [
    StepRetryPolicy(
        exception_types=[StepExceptionTypeEnum.SERVICE_FAULT, StepExceptionTypeEnum.THROTTLING],
        interval_seconds=5,
        backoff_rate=2.0,
        max_attempts=5,
    ),
    SageMakerJobStepRetryPolicy(
        exception_types=[SageMakerJobExceptionTypeEnum.RESOURCE_LIMIT],
        failure_reason_types=[
            SageMakerJobExceptionTypeEnum.INTERNAL_ERROR,
            SageMakerJobExceptionTypeEnum.CAPACITY_ERROR,
        ],
        interval_seconds=60,
        backoff_rate=2.0,
        max_attempts=3,
    ),
]


def processing(entry, name, inputs, given, output=None, instance=None, **more):
    """A processing step that runs an entry point."""
    processor = Processor(
        role=ROLE,
        image_uri=parameters["ImageUri"],
        instance_count=1,
        instance_type=parameters[instance or f"{name}InstanceType"],
        entrypoint=["python3", f"{PROCESSING}/input/code/job.py"],
        volume_size_in_gb=30,
        max_runtime_in_seconds=parameters["MaxStepSeconds"],
        env=environment,
        tags=TAGS,
        sagemaker_session=session,
    )
    words = [entry]
    folder = f"{PROCESSING}/output/{output}"
    for key, value in {**given, **({"output": folder} if output else {})}.items():
        words += [f"--{key}", value]
    target = Join(on="/", values=[OUTPUTS, ExecutionVariables.PIPELINE_EXECUTION_ID, output])
    arguments = processor.run(
        inputs=[
            ProcessingInput(input_name=key, source=source, destination=f"{PROCESSING}/input/{key}")
            for key, source in {"code": CODE, **inputs}.items()
        ],
        outputs=[ProcessingOutput(output_name=output, source=folder, destination=target)] if output else None,
        arguments=words,
    )
    return ProcessingStep(name=name, step_args=arguments, retry_policies=retries, **more)


prepare = processing(
    "prepare",
    "Prepare",
    {"data": parameters["DataUri"]},
    {"data": f"{PROCESSING}/input/data", "target": parameters["TargetColumn"]},
    "prepared",
    cache_config=cache,
)
prepared = prepare.properties.ProcessingOutputConfig.Outputs["prepared"].S3Output.S3Uri
tune = processing("tune", "Tune", {"prepared": prepared}, {}, "tuned", cache_config=cache)
estimator = Estimator(
    image_uri=parameters["ImageUri"],
    role=ROLE,
    instance_count=1,
    instance_type=parameters["TrainInstanceType"],
    volume_size=30,
    max_run=parameters["MaxStepSeconds"],
    output_path=f"{OUTPUTS}/models",
    environment=environment,
    tags=TAGS,
    container_entry_point=["python3", "/opt/ml/input/data/code/job.py"],
    container_arguments=["train"],
    disable_profiler=True,
    debugger_hook_config=False,
    sagemaker_session=session,
)
channels = {
    "code": CODE,
    "prepared": prepared,
    "tuned": tune.properties.ProcessingOutputConfig.Outputs["tuned"].S3Output.S3Uri,
}
train = TrainingStep(
    name="Train",
    step_args=estimator.fit({name: TrainingInput(s3_data=source) for name, source in channels.items()}),
    cache_config=cache,
    retry_policies=retries,
)
report = PropertyFile(name="Report", output_name="report", path="evaluation.json")
evaluate = processing(
    "evaluate",
    "Evaluate",
    {"model": train.properties.ModelArtifacts.S3ModelArtifacts, "prepared": prepared},
    {},
    "report",
    cache_config=cache,
    property_files=[report],
)
register = processing(
    "register",
    "Register",
    {},
    {
        "model-name": parameters["ModelName"],
        "training-job": train.properties.TrainingJobName,
        "alias": parameters["ModelAlias"],
    },
    instance="EvaluateInstanceType",
)
value = JsonGet(step_name="Evaluate", property_file=report, json_path="metrics.accuracy.value")
words = ["accuracy is", value, "which is below the threshold", parameters["Threshold"]]
decide = ConditionStep(
    name="Decide",
    conditions=[ConditionGreaterThanOrEqualTo(left=value, right=parameters["Threshold"])],
    if_steps=[register],
    else_steps=[FailStep(name="Reject", error_message=Join(on=" ", values=words))],
)
pipeline = Pipeline(
    name="training",
    parameters=list(parameters.values()),
    steps=[prepare, tune, train, evaluate, decide],
    # By default the SDK adds the pipeline to SageMaker Experiments. MLflow tracks ours.
    pipeline_experiment_config=None,
    sagemaker_session=session,
)
document = {"sdk": version("sagemaker"), "definition": json.loads(pipeline.definition())}
Path(__file__).with_name("rendered.json").write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
