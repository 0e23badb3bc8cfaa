"""The permissions that calls to services other than S3 require.

The action is the operation's name. The parameters determine the resource.

Source of the ARNs and of dependent actions: each service's page of the service authorization reference, such as
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html
"""

import re
from collections.abc import Iterator
from typing import Any

from localaws.call import Call
from localaws.iam.function_names import function_arn
from localaws.iam.permission import Keys, RequiredPermission, ResourceLookup, account_of, texts

# The first template whose parameters are all in the call determines the resource. `{Name=x}` has a default. `:last`
# keeps the text after the last slash, `:bare` removes a leading slash, and `:project` keeps the text before the first
# colon. A parameter that is already an ARN is used unchanged.
RESOURCES: dict[str, tuple[str, ...]] = {
    "application-autoscaling": (
        "{ResourceARN}",
        "arn:aws:application-autoscaling:{region}:{account}:scalable-target/*",
    ),
    "budgets": (
        "{ResourceARN}",
        "arn:aws:budgets::{account}:budget/{BudgetName}",
        "arn:aws:budgets::{account}:budget/*",
    ),
    "cloudformation": ("arn:aws:cloudformation:{region}:{account}:stack/{StackName}/*",),
    "cloudtrail": (
        "{ResourceId}",
        "{ResourceIdList}",
        "arn:aws:cloudtrail:{region}:{account}:trail/{TrailName}",
        "arn:aws:cloudtrail:{region}:{account}:trail/{Name}",
    ),
    "cloudwatch": (
        "{ResourceARN}",
        "arn:aws:cloudwatch:{region}:{account}:alarm:{AlarmName}",
        "arn:aws:cloudwatch:{region}:{account}:alarm:{AlarmNames}",
        "arn:aws:cloudwatch::{account}:dashboard/{DashboardName}",
        "arn:aws:cloudwatch::{account}:dashboard/{DashboardNames}",
    ),
    "codebuild": (
        "arn:aws:codebuild:{region}:{account}:project/{projectName}",
        "arn:aws:codebuild:{region}:{account}:project/{name}",
        "arn:aws:codebuild:{region}:{account}:project/{names}",
        # A build's id is PROJECT:UUID, and its permissions are those of the project.
        "arn:aws:codebuild:{region}:{account}:project/{ids:project}",
        "arn:aws:codebuild:{region}:{account}:project/{id:project}",
    ),
    "codecommit": ("arn:aws:codecommit:{region}:{account}:{repositoryName}",),
    "codepipeline": (
        "{resourceArn}",
        "arn:aws:codepipeline:{region}:{account}:{pipelineName}/{stageName}/{actionName}",
        "arn:aws:codepipeline:{region}:{account}:{pipelineName}",
        "arn:aws:codepipeline:{region}:{account}:{name}",
    ),
    "ecr": (
        "{resourceArn}",
        "arn:aws:ecr:{region}:{account}:repository/{repositoryName}",
        "arn:aws:ecr:{region}:{account}:repository/{repositoryNames}",
    ),
    "events": (
        "{ResourceARN}",
        "arn:aws:events:{region}:{account}:rule/{Rule}",
        "arn:aws:events:{region}:{account}:rule/{Name}",
    ),
    "iam": (
        # AddUserToGroup and AddRoleToInstanceProfile change the group and the profile.
        "arn:aws:iam::{account}:instance-profile/{InstanceProfileName}",
        "arn:aws:iam::{account}:group/{GroupName}",
        "arn:aws:iam::{account}:role/{RoleName}",
        "arn:aws:iam::{account}:user/{UserName}",
        "{OpenIDConnectProviderArn}",
        "{PolicyArn}",
        "arn:aws:iam::{account}:policy/{PolicyName}",
    ),
    "lambda": (
        "{Resource}",
        "arn:aws:lambda:{region}:{account}:function:{FunctionName}",
    ),
    "logs": (
        "{resourceArn}",
        "arn:aws:logs:{region}:{account}:log-group:{logGroupName}:log-stream:{logStreamName}",
        # The ARN of a log group includes its streams, so the resource in a policy must end in ":*" to match.
        "arn:aws:logs:{region}:{account}:log-group:{logGroupName}:log-stream:",
    ),
    "scheduler": (
        "{ResourceArn}",
        "arn:aws:scheduler:{region}:{account}:schedule/{groupName}/{Name}",
        "arn:aws:scheduler:{region}:{account}:schedule/{GroupName=default}/{Name}",
    ),
    "sns": ("{TopicArn}", "{ResourceArn}", "arn:aws:sns:{region}:{account}:{Name}"),
    "sqs": ("arn:aws:sqs:{region}:{account}:{QueueName}", "arn:aws:sqs:{region}:{account}:{QueueUrl:last}"),
    "ssm": (
        "arn:aws:ssm:{region}:{account}:parameter/{Name:bare}",
        "arn:aws:ssm:{region}:{account}:parameter/{Names:bare}",
        "arn:aws:ssm:{region}:{account}:parameter/{Path:bare}",
        "arn:aws:ssm:{region}:{account}:parameter/{ResourceId:bare}",
    ),
    "states": (
        "{stateMachineArn}",
        "{executionArn}",
        "{resourceArn}",
        "arn:aws:states:{region}:{account}:stateMachine:{name}",
    ),
    "sts": ("{RoleArn}",),
}
# SageMaker checks every resource that these parameters name. The first one is the resource that the call creates.
SAGEMAKER = {
    "ActionName": "action",
    "EndpointName": "endpoint",
    "EndpointConfigName": "endpoint-config",
    "HyperParameterTuningJobName": "hyper-parameter-tuning-job",
    "ModelName": "model",
    "ModelPackageGroupName": "model-package-group",
    "ModelPackageName": "model-package",
    "PipelineName": "pipeline",
    "ProcessingJobName": "processing-job",
    "TrackingServerName": "mlflow-tracking-server",
    "TrainingJobName": "training-job",
    "TransformJobName": "transform-job",
}
UNNAMED = {"CreateDomain": "domain", "CreateMlflowApp": "mlflow-app"}
SAGEMAKER_ARNS = (
    *("Arn", "ResourceArn", "ModelPackageArn", "SourceArn", "DestinationArn", "PipelineArn", "PipelineExecutionArn"),
)
# The lists of what belongs to one resource require the permission on it; others require it on everything.
SAGEMAKER_LISTS = (
    "ListPipelineExecutionSteps",
    "ListPipelineExecutions",
    "ListPipelineParametersForExecution",
    "ListPipelineVersions",
    "ListTags",
    "ListTrainingJobsForHyperParameterTuningJob",
)
RENAMED = {
    "budgets:CreateBudget": "budgets:ModifyBudget",
    "budgets:CreateNotification": "budgets:ModifyBudget",
    "budgets:CreateSubscriber": "budgets:ModifyBudget",
    "budgets:DeleteNotification": "budgets:ModifyBudget",
    "budgets:DeleteSubscriber": "budgets:ModifyBudget",
    "budgets:UpdateNotification": "budgets:ModifyBudget",
    "budgets:UpdateSubscriber": "budgets:ModifyBudget",
    "budgets:DeleteBudget": "budgets:ModifyBudget",
    "budgets:DescribeBudget": "budgets:ViewBudget",
    "budgets:DescribeBudgets": "budgets:ViewBudget",
    "budgets:DescribeNotificationsForBudget": "budgets:ViewBudget",
    "budgets:DescribeSubscribersForNotification": "budgets:ViewBudget",
    "budgets:UpdateBudget": "budgets:ModifyBudget",
    "lambda:Invoke": "lambda:InvokeFunction",
}
# A creation with tags also requires the permission to tag.
TAGGING = {
    "application-autoscaling": "TagResource",
    "cloudtrail": "AddTags",
    "cloudwatch": "TagResource",
    "ecr": "TagResource",
    "events": "TagResource",
    "kms": "TagResource",
    "lambda": "TagResource",
    "logs": "TagResource",
    "sagemaker": "AddTags",
    "sns": "TagResource",
    "sqs": "TagQueue",
    "states": "TagResource",
}
TAG_PARAMETERS = ("Tags", "tags", "Tags.member.1.Key", "TagsList")
# Services that a role can be passed to, and the parameters that contain it.
TAKES_ROLES = ("cloudformation", "codebuild", "codepipeline", "events", "lambda", "sagemaker", "scheduler", "states")
ROLE_PARAMETERS = {"executionrole", "executionrolearn", "role", "rolearn", "servicerole"}
# Calls about roles that have iam:PermissionsBoundary as a condition key.
BOUNDARY_OPERATIONS = (
    "AttachRolePolicy",
    "CreateRole",
    "DeleteRolePermissionsBoundary",
    "DeleteRolePolicy",
    "DetachRolePolicy",
    "PutRolePermissionsBoundary",
    "PutRolePolicy",
)
ROLE_ARN = re.compile(r"arn:[^:]+:iam::\d{12}:role/.+")
PLACE = re.compile(r"\{(\w+)(?::(\w+))?(?:=(\w+))?\}")


def service_permissions(call: Call, prefix: str, lookup: ResourceLookup) -> Iterator[RequiredPermission]:
    """Yields the permissions that a call requires."""
    parameters: dict[str, Any] = call.parameters
    action = f"{prefix}:{call.operation}"
    resources = _resources(call, prefix, parameters, lookup) or ["*"]
    requested = _requested_tags(parameters) | _instance_types(parameters) | _scaling(prefix, parameters)
    if prefix == "iam":
        requested |= _role_keys(call.operation, parameters, lookup)
    for resource in resources:
        context = requested | {f"aws:ResourceTag/{key}": value for key, value in lookup.tags(resource).items()}
        yield RequiredPermission(RENAMED.get(action, action), resource, account_of(resource, lookup.account), context)
    created = call.operation.startswith(("Create", "RegisterScalableTarget"))
    if created and any(parameters.get(name) for name in TAG_PARAMETERS):
        tagging = f"Tag{call.operation.removeprefix('Create')}" if prefix == "iam" else TAGGING.get(prefix)
        if tagging:
            # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html
            cause: Keys = {"sagemaker:TaggingAction": call.operation} if prefix == "sagemaker" else {}
            yield RequiredPermission(
                f"{prefix}:{tagging}", resources[0], account_of(resources[0], lookup.account), requested | cause
            )
    if prefix in TAKES_ROLES:
        for role in _roles(parameters):
            passing: Keys = {"iam:PassedToService": f"{prefix}.amazonaws.com"}
            if resources[0] != "*":
                passing["iam:AssociatedResourceArn"] = resources[0]
            yield RequiredPermission("iam:PassRole", role, account_of(role, lookup.account), passing)


def _role_keys(operation: str, parameters: dict[str, Any], lookup: ResourceLookup) -> Keys:
    """The condition keys of calls about a role: the boundary in the call, else that of the role, and the policy.

    Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
    """
    found: Keys = {}
    if operation not in BOUNDARY_OPERATIONS:
        return found
    role = parameters.get("RoleName")
    boundary = parameters.get("PermissionsBoundary") or (lookup.role_boundary(role) if isinstance(role, str) else None)
    if boundary:
        found["iam:PermissionsBoundary"] = str(boundary)
    if operation in ("AttachRolePolicy", "DetachRolePolicy"):
        found["iam:PolicyARN"] = str(parameters["PolicyArn"])
    return found


def _scaling(prefix: str, parameters: dict[str, Any]) -> Keys:
    """The condition keys of Application Auto Scaling.

    Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_applicationautoscaling.html
    """
    if prefix != "application-autoscaling":
        return {}
    given = {"service-namespace": "ServiceNamespace", "scalable-dimension": "ScalableDimension"}
    return {f"{prefix}:{key}": str(parameters[name]) for key, name in given.items() if name in parameters}


def _instance_types(parameters: dict[str, Any]) -> Keys:
    """The condition key for the instance types in an endpoint configuration.

    Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html
    """
    variants = parameters.get("ProductionVariants")
    found = [
        one["InstanceType"]
        for one in (variants if isinstance(variants, list) else [])
        if isinstance(one, dict) and isinstance(one.get("InstanceType"), str)
    ]
    return {"sagemaker:InstanceTypes": found} if found else {}


def _requested_tags(parameters: dict[str, Any]) -> Keys:
    """The condition keys for the tags in a call, which are a list of Key and Value (in KMS TagKey), or a mapping."""
    given = parameters.get("Tags") or parameters.get("tags") or parameters.get("TagsList") or {}
    if isinstance(given, list):
        given = {
            tag.get("Key", tag.get("TagKey")): tag.get("Value", tag.get("TagValue"))
            for tag in given
            if isinstance(tag, dict)
        }
    context: Keys = {f"aws:RequestTag/{key}": str(value) for key, value in given.items()}
    return context | ({"aws:TagKeys": list(map(str, given))} if given else {})


def _resources(call: Call, prefix: str, parameters: dict[str, Any], lookup: ResourceLookup) -> list[str]:
    if prefix == "sagemaker":
        return _sagemaker(call, parameters, lookup)
    if prefix == "kms":
        return _kms(call, parameters, lookup)
    if prefix == "scheduler" and call.operation.endswith("ScheduleGroup"):
        return [f"arn:aws:scheduler:{call.region}:{lookup.account}:schedule-group/{parameters.get('Name')}"]
    for name in ("Budget", "NewBudget"):
        if prefix == "budgets" and isinstance(parameters.get(name), dict):
            parameters = {"BudgetName": parameters[name].get("BudgetName")}
    if prefix == "codepipeline" and isinstance(parameters.get("pipeline"), dict):
        parameters = {"name": parameters["pipeline"].get("name")}
    if prefix == "lambda" and isinstance(parameters.get("FunctionName"), str):
        # Of the operations that take a qualifier, Invoke has versions and aliases as its resources:
        # https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
        qualifier = str(parameters.get("Qualifier") or "") if call.operation == "Invoke" else ""
        name = function_arn(parameters["FunctionName"], call.region, lookup.account, qualifier)
        parameters = {**parameters, "FunctionName": name}
    for template in RESOURCES.get(prefix, ()):
        found = _filled(template, parameters, call.region, lookup.account)
        if found:
            return found
    return []


def _filled(template: str, parameters: dict[str, Any], region: str, account: str) -> list[str]:
    """Fills in a template and returns ARNs; none if a parameter is missing. One parameter may be a list."""
    arns = [""]
    end = 0
    for place in PLACE.finditer(template):
        name, change, default = place.groups()
        before = template[end : place.start()]
        given = parameters if name not in ("region", "account") else {"region": region, "account": account}
        values = list(texts(given.get(name))) or ([default] if default else [])
        if len(values) == 1 and values[0].startswith("arn:"):
            return values
        arns = [arn + before + _changed(value, change) for arn in arns for value in values]
        end = place.end()
    return [arn + template[end:] for arn in arns]


def _changed(value: str, change: str | None) -> str:
    if change == "last":
        return value.rsplit("/", 1)[-1]
    if change == "project":
        return value.partition(":")[0]
    return value.removeprefix("/") if change == "bare" else value


def _sagemaker(call: Call, parameters: dict[str, Any], lookup: ResourceLookup) -> list[str]:
    if call.operation.startswith(("List", "Search")) and call.operation not in SAGEMAKER_LISTS:
        return []
    start = f"arn:aws:sagemaker:{call.region}:{lookup.account}:"
    found = [arn for name in SAGEMAKER_ARNS for arn in texts(parameters.get(name))]
    for name, kind in SAGEMAKER.items():
        found += [
            value if value.startswith("arn:") else f"{start}{kind}/{value}" for value in texts(parameters.get(name))
        ]
    # AWS assigns the last part of the ARN later.
    found += [f"{start}{kind}/*" for operation, kind in UNNAMED.items() if call.operation == operation]
    if "DomainId" in parameters and "UserProfileName" in parameters:
        found.append(f"{start}user-profile/{parameters['DomainId']}/{parameters['UserProfileName']}")
    elif "DomainId" in parameters:
        found.append(f"{start}domain/{parameters['DomainId']}")
    if call.operation == "CreateModelPackage" and "ModelPackageGroupName" in parameters:
        # The package's ARN ends in a version that AWS assigns later.
        group = str(parameters["ModelPackageGroupName"]).rsplit("/", 1)[-1]
        found.insert(0, f"{start}model-package/{group}/*")
    return found


def _kms(call: Call, parameters: dict[str, Any], lookup: ResourceLookup) -> list[str]:
    keys = [
        lookup.key_arn(value, call.region) for name in ("KeyId", "TargetKeyId") for value in texts(parameters.get(name))
    ]
    aliases = [f"arn:aws:kms:{call.region}:{lookup.account}:{value}" for value in texts(parameters.get("AliasName"))]
    return keys + aliases


def _roles(value: Any, name: str = "") -> Iterator[str]:
    """Yields every role in the parameters, at any nesting depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _roles(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _roles(inner, name)
    elif isinstance(value, str) and name.lower() in ROLE_PARAMETERS and ROLE_ARN.fullmatch(value):
        yield value
