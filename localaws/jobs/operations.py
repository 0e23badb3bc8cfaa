"""SageMaker's operations on processing and training jobs. They replace moto's, which run nothing."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from localaws import references
from localaws.endpoints.model_source import resolved
from localaws.endpoints.records import Records
from localaws.endpoints.role import HOSTING, RoleClients
from localaws.iam.trust import sagemaker_source
from localaws.jobs import processing, training, transform, tuning, warm_start
from localaws.jobs.container import Containers
from localaws.jobs.jobs import Jobs
from localaws.jobs.listing import matching, page, select
from localaws.jobs.record import PROCESSING, TRAINING, TRANSFORM, TUNING, Job, Kind
from localaws.jobs.tuning import OBJECTIVE
from localaws.principals import Principals
from localaws.services.context import Caller, Handler, Operations

Run = Callable[[Job, Path, RoleClients, Containers], None]
_RUNS: dict[str, tuple[Callable[[dict[str, Any]], None], Run]] = {
    PROCESSING.noun: (processing.check, processing.run),
    TRAINING.noun: (training.check, training.run),
}


class JobOperations:
    """Creates, describes, lists and stops jobs."""

    def __init__(self, jobs: Jobs, principals: Principals, account: str) -> None:
        self._jobs = jobs
        self._principals = principals
        self._account = account
        self._records = Records(account)

    def operations(self) -> Operations:
        """The operations for SageMaker's dispatcher."""
        handlers: dict[str, Handler] = {}
        for kind in (PROCESSING, TRAINING):
            handlers |= {
                f"Create{kind.noun}": partial(self.create, kind),
                f"Describe{kind.noun}": partial(self.describe, kind),
                f"List{kind.noun}s": partial(self.list, kind),
                f"Stop{kind.noun}": partial(self.stop, kind),
            }
        handlers |= {
            "CreateTransformJob": self.create_transform,
            "DescribeTransformJob": partial(self.describe, TRANSFORM),
            "ListTransformJobs": partial(self.list, TRANSFORM),
            "StopTransformJob": partial(self.stop, TRANSFORM),
            "CreateHyperParameterTuningJob": self.create_tuning,
            "DescribeHyperParameterTuningJob": self.describe_tuning,
            "ListHyperParameterTuningJobs": self.list_tuning,
            "ListTrainingJobsForHyperParameterTuningJob": self.list_children,
            "StopHyperParameterTuningJob": partial(self.stop, TUNING),
        }
        return Operations(handlers=handlers)

    def create(self, kind: Kind, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """CreateXJob.

        Raises:
            AwsError: ValidationException for a request that AWS or localaws cannot run; ResourceInUse.
        """
        check, run = _RUNS[kind.noun]
        check(given)
        self._check_references(caller.region, given)
        self._principals.check_trust(given["RoleArn"], HOSTING, sagemaker_source(caller.region, self._account))

        def runner(job: Job, folder: Path, clients: RoleClients) -> None:
            run(job, folder, clients, self._jobs.containers)

        return {f"{kind.noun}Arn": self._jobs.start(kind, caller.region, given, given["RoleArn"], runner).arn}

    def create_transform(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """CreateTransformJob: the job uses the role of its model.

        Raises:
            AwsError: ValidationException for a request that AWS or localaws cannot run; ResourceInUse.
        """
        transform.check(given)
        self._check_references(caller.region, given)
        model = self._records.model(caller.region, given["ModelName"])
        containers = {"PrimaryContainer": model.primary_container, "Containers": model.containers}
        transform.check_model(resolved(self._account, caller.region, containers))

        def runner(job: Job, folder: Path, clients: RoleClients) -> None:
            transform.run(job, folder, clients, self._jobs.containers, model)

        job = self._jobs.start(TRANSFORM, caller.region, given, model.execution_role_arn, runner)
        return {"TransformJobArn": job.arn}

    def create_tuning(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """CreateHyperParameterTuningJob: the training jobs use the role of their definition.

        Raises:
            AwsError: ValidationException for a request that AWS or localaws cannot run; ResourceInUse.
        """
        tuning.check(given, self._account, warm_start.parents(given, caller.region, self._jobs))
        self._check_references(caller.region, given["TrainingJobDefinition"])
        role = given["TrainingJobDefinition"]["RoleArn"]
        self._principals.check_trust(role, HOSTING, sagemaker_source(caller.region, self._account))
        job = self._jobs.start(TUNING, caller.region, given, role, partial(tuning.run, jobs=self._jobs))
        return {"HyperParameterTuningJobArn": job.arn}

    def describe_tuning(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """DescribeHyperParameterTuningJob."""
        job = self._jobs.find(TUNING, caller.region, given["HyperParameterTuningJobName"])
        return tuning.describe(job, self._jobs)

    def list_tuning(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """ListHyperParameterTuningJobs."""
        found = []
        for job in self._jobs.all(TUNING, caller.region):
            config = job.given["HyperParameterTuningJobConfig"]
            limits = {"Strategy": config["Strategy"], "ResourceLimits": config["ResourceLimits"]}
            found.append({**tuning.describe(job, self._jobs), **limits})
        items, token = select(found, given, TUNING.noun, by="HyperParameterTuningJobName")
        return {"HyperParameterTuningJobSummaries": items, **({"NextToken": token} if token else {})}

    def list_children(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """ListTrainingJobsForHyperParameterTuningJob.

        "The default is Name. If the value of this field is FinalObjectiveMetricValue, any training jobs that did not
        return an objective metric are not listed": API_ListTrainingJobsForHyperParameterTuningJob
        """
        job = self._jobs.find(TUNING, caller.region, given["HyperParameterTuningJobName"])
        found = tuning.children(job, self._jobs)
        if given.get("StatusEquals"):
            found = [one for one in found if one["TrainingJobStatus"] == given["StatusEquals"]]
        if given.get("SortBy") == "FinalObjectiveMetricValue":
            found = [one for one in found if OBJECTIVE in one]
            found.sort(key=lambda one: one[OBJECTIVE]["Value"], reverse=given.get("SortOrder") == "Descending")
        else:
            found = matching(found, given, TRAINING.noun, by="TrainingJobName")
        items, token = page(found, given)
        return {"TrainingJobSummaries": items, **({"NextToken": token} if token else {})}

    def describe(self, kind: Kind, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """DescribeXJob."""
        return self._jobs.find(kind, caller.region, given[f"{kind.noun}Name"]).describe()

    def list(self, kind: Kind, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """ListXJobs."""
        found = [job.describe() for job in self._jobs.all(kind, caller.region)]
        items, token = select(found, given, kind.noun)
        return {f"{kind.noun}Summaries": items, **({"NextToken": token} if token else {})}

    def stop(self, kind: Kind, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """StopXJob."""
        self._jobs.find(kind, caller.region, given[f"{kind.noun}Name"]).request_stop()
        return {}

    def _check_references(self, region: str, given: dict[str, Any]) -> None:
        """Refuse keys, networks and training images that do not exist. Processing jobs fail with their image later."""
        references.check_keys(self._account, region, given)
        config = given.get("VpcConfig") or (given.get("NetworkConfig") or {}).get("VpcConfig")
        references.check_network(self._account, region, config)
        image = (given.get("AlgorithmSpecification") or {}).get("TrainingImage")
        if image:
            references.check_training_image(self._account, region, image, given["RoleArn"])
