"""Schedule, notifications and published parameters: needed permissions, and permissions that must be denied."""

from tests.policy.asking import NO_TLS, OTHER_ACCOUNT, OTHER_SERVER, ROLES, SERVER, Denied, Documented, on
from tests.policy.judging import Ask

SCHEDULER_SERVICE = "scheduler.amazonaws.com"
EVENTS = "events.amazonaws.com"
# The services that state for which account they publish.
PUBLISHERS = ("budgets.amazonaws.com", "cloudwatch.amazonaws.com")
QUEUE = "arn:aws:sqs:{region}:{account}:{name}-mlflow-schedule-failures"
TOPIC = "arn:aws:sns:{region}:{account}:{name}-mlflow-events"
EVENTS_KEY = "arn:aws:kms:{region}:{account}:key/planned-events"
PARAMETERS = "arn:aws:ssm:{region}:{account}:parameter/"
GROUP = "arn:aws:scheduler:{region}:{account}:schedule-group/{name}-mlflow"
MACHINE = "arn:aws:states:{region}:{account}:stateMachine:{name}-mlflow-start-stop"
STATES_SERVICE = "states.amazonaws.com"
STATES_PAGE = "https://docs.aws.amazon.com/step-functions/latest/dg/procedure-create-iam-role.html"
SCHEDULE_PAGE = "https://docs.aws.amazon.com/scheduler/latest/UserGuide/setting-up.html"
EVENTS_PAGE = "https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html#eb-sns-permissions"
TOPIC_KEY_PAGE = "https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html"
START_AND_STOP = ("sagemaker:StartMlflowTrackingServer", "sagemaker:StopMlflowTrackingServer")
OURS: dict[str, str | None] = {"aws:SourceAccount": "{account}"}
THEIRS: dict[str, str | None] = {"aws:SourceAccount": OTHER_ACCOUNT}

OPERATIONS_DOCUMENTED = (
    Documented("scheduler", SCHEDULE_PAGE, (*on(MACHINE, "states:StartExecution"), *on(QUEUE, "sqs:SendMessage"))),
    Documented(
        "start_stop",
        STATES_PAGE,
        (
            *on(SERVER, "sagemaker:DescribeMlflowTrackingServer", *START_AND_STOP),
            *on(QUEUE, "sqs:SendMessage"),
        ),
    ),
    Documented(
        STATES_SERVICE,
        STATES_PAGE,
        (Ask("sts:AssumeRole", ROLES + "/{start_stop_role}", OURS | {"aws:SourceArn": MACHINE}),),
    ),
    Documented(
        SCHEDULER_SERVICE,
        "https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html",
        (Ask("sts:AssumeRole", ROLES + "/{scheduler_role}", OURS | {"aws:SourceArn": GROUP}),),
    ),
    *(
        Documented(
            service,
            TOPIC_KEY_PAGE,
            (
                Ask("sns:Publish", TOPIC, OURS),
                *(Ask(action, EVENTS_KEY, OURS) for action in ("kms:Decrypt", "kms:GenerateDataKey")),
            ),
        )
        for service in PUBLISHERS
    ),
    # EventBridge sends no source condition keys, neither to the topic nor to its key.
    Documented(EVENTS, EVENTS_PAGE, on(TOPIC, "sns:Publish")),
    Documented(EVENTS, TOPIC_KEY_PAGE, on(EVENTS_KEY, "kms:Decrypt", "kms:GenerateDataKey")),
    Documented(
        "administrator",
        "https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html",
        on(EVENTS_KEY, "kms:DescribeKey", "kms:PutKeyPolicy"),
    ),
    *(
        Documented(
            client,
            "https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-access.html",
            on(PARAMETERS + "{project}/{environment}", "ssm:GetParametersByPath")
            + on(PARAMETERS + "{project}/{environment}/mlflow_tracking_uri", "ssm:GetParameter", "ssm:GetParameters"),
        )
        for client in ("reader", "writer", "admin")
    ),
)

OPERATIONS_DENIED = (
    Denied("Start or stop a server", "scheduler", on(SERVER, *START_AND_STOP)),
    Denied("Start another state machine", "scheduler", on(MACHINE + "-other", "states:StartExecution")),
    Denied("Change the state machine", "scheduler", on(MACHINE, "states:UpdateStateMachine")),
    Denied(
        "Start, stop or describe another server",
        "start_stop",
        on(OTHER_SERVER, "sagemaker:DescribeMlflowTrackingServer", *START_AND_STOP),
    ),
    Denied(
        "Change or delete the server",
        "start_stop",
        on(SERVER, "sagemaker:DeleteMlflowTrackingServer", "sagemaker:UpdateMlflowTrackingServer"),
    ),
    *(
        row
        for subject in ("scheduler", "start_stop")
        for row in (
            Denied("Send to another queue", subject, on(QUEUE + "-other", "sqs:SendMessage")),
            Denied("Read or purge the queue", subject, on(QUEUE, "sqs:ReceiveMessage", "sqs:PurgeQueue")),
            Denied("Call without TLS", subject, (Ask("sqs:SendMessage", QUEUE, NO_TLS),)),
        )
    ),
    Denied(
        "Assume the role for another account or state machine",
        STATES_SERVICE,
        (
            Ask("sts:AssumeRole", ROLES + "/{start_stop_role}", THEIRS | {"aws:SourceArn": MACHINE}),
            Ask("sts:AssumeRole", ROLES + "/{start_stop_role}", OURS | {"aws:SourceArn": MACHINE + "-other"}),
        ),
    ),
    Denied(
        "Assume the role for another account or group",
        SCHEDULER_SERVICE,
        (
            Ask("sts:AssumeRole", ROLES + "/{scheduler_role}", THEIRS | {"aws:SourceArn": GROUP}),
            Ask("sts:AssumeRole", ROLES + "/{scheduler_role}", OURS | {"aws:SourceArn": GROUP + "-other"}),
        ),
    ),
    *(Denied("Publish for another account", service, (Ask("sns:Publish", TOPIC, THEIRS),)) for service in PUBLISHERS),
    *(
        Denied("Use the topic's key for another account", service, (Ask("kms:GenerateDataKey", EVENTS_KEY, THEIRS),))
        for service in PUBLISHERS
    ),
    Denied("Subscribe to the topic", EVENTS, on(TOPIC, "sns:Subscribe")),
    Denied("Call without TLS", "administrator", (Ask("sns:Publish", TOPIC, NO_TLS),)),
    *(
        Denied(
            "Use another environment's parameters",
            client,
            on(PARAMETERS + "{project}/other", "ssm:GetParametersByPath")
            + on(PARAMETERS + "{project}/other/mlflow_tracking_uri", "ssm:GetParameter", "ssm:GetParameters")
            + on(PARAMETERS + "{project}/{environment}", "ssm:PutParameter"),
        )
        for client in ("reader", "writer", "admin")
    ),
)

# Mutants that no test can detect, and the reason.
OPERATIONS_REDUNDANT = {
    f"resource arn:aws:sns:us-east-1:123456789012:{{name}}-mlflow-events/{sid} on every resource": (
        "A topic's policy applies only to its own topic, whatever resource it names."
    )
    for sid in ("AllowPublishFromThisAccount", "AllowPublishEvents")
}
