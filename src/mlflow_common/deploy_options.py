"""The options of deploy_model.py, in the groups in which its help shows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import typer

from mlflow_common.console import Debug, Env, Json, Local

_HOSTING, _TRAFFIC, _ACTIONS = "What serves", "How traffic moves", "Other actions"
_VARIANTS = "Several models"

ModelUri = Annotated[
    str | None,
    typer.Argument(
        metavar="MODEL",
        help="models:/NAME@ALIAS, models:/NAME/VERSION (or latest), models:/m-ID, runs:/RUN_ID/PATH, "
        "s3://BUCKET/PATH (a model folder or a model.tar.gz), or the ARN of a SageMaker model package.",
        show_default=False,
    ),
]
EndpointName = Annotated[
    str | None, typer.Option("--endpoint", metavar="NAME", help="The endpoint. Default: PROJECT-ENV-MODEL.")
]
ImageUri = Annotated[
    str | None,
    typer.Option(
        "--image",
        "--image-uri",
        metavar="URI",
        help="The serving image. Default: the one that build_image.py built for the model, else MLflow's mlflow-pyfunc "
        "in the account's ECR.",
        rich_help_panel=_HOSTING,
    ),
]
InstanceType = Annotated[str, typer.Option(help="The type of the instances.", rich_help_panel=_HOSTING)]
InstanceCount = Annotated[int, typer.Option(min=1, help="The number of instances.", rich_help_panel=_HOSTING)]
StartupTimeout = Annotated[
    int,
    typer.Option(min=60, max=3600, help="Seconds that the container may take to start.", rich_help_panel=_HOSTING),
]
DownloadTimeout = Annotated[
    int | None,
    typer.Option(
        min=60,
        max=3600,
        help="Seconds that the download of the model may take. Default: AWS's.",
        rich_help_panel=_HOSTING,
    ),
]
ReplaceModel = Annotated[
    bool,
    typer.Option(
        "--replace-model",
        help="Allow the endpoint to serve another registered model from now on.",
        rich_help_panel=_HOSTING,
    ),
]
Approve = Annotated[
    bool,
    typer.Option(
        "--approve",
        help="Approve a model package that waits for its approval, and deploy it.",
        rich_help_panel=_HOSTING,
    ),
]
ServerlessSize = Annotated[
    str | None,
    typer.Option(
        "--serverless",
        metavar="MB[:N]",
        help="Use serverless capacity instead of instances: memory, and requests at the same time (default 5).",
        rich_help_panel=_HOSTING,
    ),
]
Asynchronous = Annotated[
    bool,
    typer.Option(
        "--async",
        help="Queue the requests, and leave the answers in the artifact bucket, below async/. See predict_async.py.",
        rich_help_panel=_HOSTING,
    ),
]
Notify = Annotated[
    str | None,
    typer.Option(metavar="TOPIC", help="With --async: an SNS topic for results and errors.", rich_help_panel=_HOSTING),
]
Concurrency = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=1000,
        metavar="N",
        help="With --async: how many requests an instance processes at the same time. Default: AWS chooses.",
        rich_help_panel=_HOSTING,
    ),
]
Autoscale = Annotated[
    str | None,
    typer.Option(
        metavar="MIN:MAX",
        help="Scale each variant between MIN and MAX instances; off ends it. MIN can be 0 with --async.",
        rich_help_panel=_HOSTING,
    ),
]
ScalingTarget = Annotated[
    float | None,
    typer.Option(
        "--target",
        metavar="N",
        help="With --autoscale: the requests per minute for each instance; with --async, the requests in its queue.",
        rich_help_panel=_HOSTING,
    ),
]
Subnets = Annotated[
    list[str] | None,
    typer.Option(
        "--subnet",
        metavar="ID",
        help="Run in this subnet of a VPC. Can be repeated.",
        rich_help_panel=_HOSTING,
        show_default=False,
    ),
]
SecurityGroups = Annotated[
    list[str] | None,
    typer.Option(
        "--security-group",
        metavar="ID",
        help="A security group for --subnet. Can be repeated.",
        rich_help_panel=_HOSTING,
        show_default=False,
    ),
]
KmsKey = Annotated[
    str | None,
    typer.Option(metavar="KEY", help="Encrypt the instances' volumes with this key.", rich_help_panel=_HOSTING),
]
Tags = Annotated[
    list[str] | None,
    typer.Option(
        "--tag",
        metavar="KEY=VALUE",
        help="Another tag for everything that is created. Can be repeated.",
        rich_help_panel=_HOSTING,
        show_default=False,
    ),
]
Challenger = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL", help="Another model that answers a share of the requests.", rich_help_panel=_VARIANTS
    ),
]
Variants = Annotated[
    list[str] | None,
    typer.Option(
        "--variant",
        metavar="NAME=MODEL:WEIGHT",
        help="A variant of that name that answers this share of the requests. Can be repeated.",
        rich_help_panel=_VARIANTS,
        show_default=False,
    ),
]
Weight = Annotated[
    float,
    typer.Option(
        min=0.0,
        max=1.0,
        help="The share of the requests that the challenger answers, or that the shadow gets copies of.",
        rich_help_panel=_VARIANTS,
    ),
]
Shadow = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="Another model that gets copies of requests; its answers are dropped.",
        rich_help_panel=_VARIANTS,
    ),
]
Shift = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=WEIGHT",
        help="Change a variant's weight, such as Challenger=0.5. Can be repeated.",
        rich_help_panel=_VARIANTS,
        show_default=False,
    ),
]
Capture = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=100,
        metavar="PERCENT",
        help="Store this share of requests and answers in the artifact bucket, below captured/.",
        rich_help_panel=_HOSTING,
    ),
]
StrategyName = Annotated[
    str,
    typer.Option(
        "--strategy",
        metavar="NAME",
        help="How an update moves traffic: all-at-once, canary, linear or rolling.",
        rich_help_panel=_TRAFFIC,
    ),
]
Share = Annotated[
    int | None,
    typer.Option(
        metavar="PERCENT",
        help="The size of the canary, of a linear step or of a rolling batch. Default: 10, 25 or 25.",
        rich_help_panel=_TRAFFIC,
    ),
]
Wait = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=3600,
        metavar="SECONDS",
        help="How long each step is observed. Default: 300, and 0 with all-at-once.",
        rich_help_panel=_TRAFFIC,
    ),
]
KeepOld = Annotated[
    int,
    typer.Option(
        min=0,
        max=3600,
        metavar="SECONDS",
        help="How long the old instances stay after the last step.",
        rich_help_panel=_TRAFFIC,
    ),
]
MaxLatency = Annotated[
    float | None,
    typer.Option(
        min=0.001,
        metavar="MS",
        help="Roll an update back if the 99th percentile of the model's latency exceeds this.",
        rich_help_panel=_TRAFFIC,
    ),
]
MaxFailures = Annotated[
    float,
    typer.Option(
        min=0.0,
        max=1.0,
        metavar="SHARE",
        help="Roll an update back if more than this share of the requests fails.",
        rich_help_panel=_TRAFFIC,
    ),
]
Alarms = Annotated[
    bool,
    typer.Option(
        " /--no-alarms",
        help="Update without automatic rollback on failed requests.",
        rich_help_panel=_TRAFFIC,
        show_default=False,
    ),
]
SmokeRequest = Annotated[
    bool,
    typer.Option(
        " /--no-smoke-request",
        help="Move traffic without a request with the model's input example.",
        rich_help_panel=_TRAFFIC,
        show_default=False,
    ),
]
Rollback = Annotated[
    bool,
    typer.Option(
        "--rollback", help="Return the endpoint to the configuration that served before.", rich_help_panel=_ACTIONS
    ),
]
Status = Annotated[
    bool,
    typer.Option(
        "--status",
        help="Show what the environment's endpoints serve, or only --endpoint NAME or MODEL.",
        rich_help_panel=_ACTIONS,
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show what would change, and change nothing.", rich_help_panel=_ACTIONS)
]
Delete = Annotated[
    bool,
    typer.Option(
        "--delete",
        help="Remove the endpoint, its configurations, models, archives and alarms.",
        rich_help_panel=_ACTIONS,
    ),
]


@dataclass(frozen=True)
class DeployOptions:
    """The options of deploy_model.py, as given. `explicit` has the flags of those that the command line names."""

    uri: ModelUri = None
    env: Env = "staging"
    local: Local = False
    name: EndpointName = None
    image_uri: ImageUri = None
    instance_type: InstanceType = "ml.m5.large"
    instance_count: InstanceCount = 1
    startup_timeout: StartupTimeout = 900
    download_timeout: DownloadTimeout = None
    replace_model: ReplaceModel = False
    approve: Approve = False
    serverless: ServerlessSize = None
    asynchronous: Asynchronous = False
    notify: Notify = None
    concurrency: Concurrency = None
    autoscale: Autoscale = None
    target: ScalingTarget = None
    subnet: Subnets = None
    security_group: SecurityGroups = None
    kms_key: KmsKey = None
    tag: Tags = None
    capture: Capture = None
    challenger: Challenger = None
    shadow: Shadow = None
    variant: Variants = None
    weight: Weight = 0.1
    shift: Shift = None
    strategy: StrategyName = "all-at-once"
    share: Share = None
    wait: Wait = None
    keep_old: KeepOld = 0
    max_latency: MaxLatency = None
    max_failures: MaxFailures = 0.5
    alarms: Alarms = True
    smoke_request: SmokeRequest = True
    rollback: Rollback = False
    status: Status = False
    dry_run: DryRun = False
    delete: Delete = False
    as_json: Json = False
    debug: Debug = False
    explicit: frozenset[str] = field(default=frozenset())
