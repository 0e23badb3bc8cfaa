"""The transform job of a batch prediction: its name, its start, and waiting until it has ended.

A job's name is derived from the model and the inputs. So the same command finds the job that a killed run started. A
job that failed or was stopped is followed by another attempt, as SageMaker never reuses the name of a job.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from mlflow_common.errors import PreconditionError
from mlflow_common.waiting import Clock, Progress, wait_for
from mlflow_platform.batch.inputs import Part
from mlflow_platform.endpoints.creation import as_list
from mlflow_platform.endpoints.model_archive import split_uri
from mlflow_platform.endpoints.specification import stem
from mlflow_platform.endpoints.state import is_missing

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient

    from mlflow_platform.endpoints.specification import EndpointSpec

_DIGEST = 10
_MOST_ATTEMPTS = 99
_RUNNING = {"InProgress", "Stopping"}
# The most that a transform job may take is AWS's matter; this only bounds the waiting.
_TIMEOUT = 24 * 3600.0
# MaxConcurrentTransforms * MaxPayloadInMB may be 100 at most (CreateTransformJob). MLflow's requests have at most 6 MB.
_PAYLOAD_MB, _CONCURRENT = 6, 8


@dataclass(frozen=True)
class Job:
    """A transform job. `root` is the S3 URI below which its inputs (`in/`) and outputs (`out/`) are."""

    name: str
    root: str
    status: str
    reason: str = ""

    @property
    def outputs(self) -> str:
        """The S3 URI below which the outputs are."""
        return f"{self.root}/out"


class Batches:
    """Starts transform jobs and follows them."""

    def __init__(self, sagemaker: SageMakerClient, s3: S3Client, *, progress: Progress, clock: Clock) -> None:
        self._sagemaker, self._s3 = sagemaker, s3
        self._progress, self._clock = progress, clock

    def run(self, spec: EndpointSpec, parts: Sequence[Part], store: str) -> Job:
        """Upload the inputs, start a job unless one runs or is done already, and wait until it has ended.

        Args:
            spec: names the SageMaker model, which must exist, and the instances.
            store: the environment's artifact store.

        Raises:
            PlatformError: it takes longer than a day.
            botocore's errors: AWS refused the job.
        """
        job = self._find(spec, parts, store)
        if job.status == "":
            self._progress(f"uploading {len(parts)} {'file' if len(parts) == 1 else 'files'} of requests")
            for part in parts:
                bucket, key = split_uri(f"{job.root}/in/{part.name}")
                self._s3.put_object(Bucket=bucket, Key=key, Body=part.body)
            self._progress(f"starting the transform job {job.name}")
            self._start(spec, job)
        else:
            self._progress(f"the transform job {job.name} exists already")
        return wait_for(
            lambda: self._describe(job.name, job.root),
            settled=lambda job: job.status not in _RUNNING,
            describe=lambda job: f"transform job {job.name}: {job.status}",
            progress=self._progress,
            clock=self._clock,
            timeout=_TIMEOUT,
        )

    def _find(self, spec: EndpointSpec, parts: Sequence[Part], store: str) -> Job:
        """The job that runs or is done for these inputs; else one without a status, for the next attempt."""
        digest = hashlib.sha256("\0".join([spec.model_name, spec.instance_type, str(spec.instance_count)]).encode())
        for part in parts:
            # The outputs are read by the names of the parts, so the same rows in other parts are another job.
            digest.update(f"\0{part.name}\0".encode())
            digest.update(part.body)
        base = f"{stem(spec.endpoint)[: 63 - _DIGEST - 4]}-{digest.hexdigest()[:_DIGEST]}"
        for attempt in range(1, _MOST_ATTEMPTS + 1):
            name = f"{base}-{attempt}"
            job = self._describe(name, f"{store}/batch/{name}")
            if job.status in {"Failed", "Stopped"}:
                self._progress(f"the transform job {name} is {job.status}, so there will be another attempt")
            elif job.status == "Completed" and not self._has_outputs(job):
                self._progress(
                    f"the outputs of the transform job {name} were deleted, so there will be another attempt"
                )
            else:
                return job
        raise PreconditionError(
            f"{_MOST_ATTEMPTS} transform jobs for these inputs have failed, or their outputs were deleted. Change the "
            "inputs."
        )

    def _describe(self, name: str, root: str) -> Job:
        try:
            found = self._sagemaker.describe_transform_job(TransformJobName=name)
        except ClientError as error:
            if is_missing(error):
                return Job(name, root, "")
            raise
        return Job(name, root, found["TransformJobStatus"], found.get("FailureReason", ""))

    def _has_outputs(self, job: Job) -> bool:
        bucket, key = split_uri(f"{job.outputs}/")
        # split_uri removes the slash at the end.
        return self._s3.list_objects_v2(Bucket=bucket, Prefix=f"{key}/", MaxKeys=1)["KeyCount"] > 0

    def _start(self, spec: EndpointSpec, job: Job) -> None:
        source: Any = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"{job.root}/in/"}}
        resources: Any = {"InstanceType": spec.instance_type, "InstanceCount": spec.instance_count}
        try:
            self._sagemaker.create_transform_job(
                TransformJobName=job.name,
                ModelName=spec.model_name,
                MaxConcurrentTransforms=_CONCURRENT,
                MaxPayloadInMB=_PAYLOAD_MB,
                BatchStrategy="SingleRecord",
                TransformInput={"DataSource": source, "ContentType": "application/json", "SplitType": "Line"},
                TransformOutput={
                    "S3OutputPath": job.outputs,
                    "Accept": "application/json",
                    "AssembleWith": "Line",
                },
                TransformResources=resources,
                Tags=as_list(spec.tags),
            )
        except (ClientError, BotoCoreError):
            # AWS may have started the job although its answer was lost.
            if self._describe(job.name, job.root).status == "":
                raise
