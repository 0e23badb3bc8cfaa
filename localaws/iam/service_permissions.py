"""The permissions that calls to services other than S3 require.

The action is the operation's name. The parameters determine the resource.

Source of the ARNs and of dependent actions: each service's page of the service authorization reference, such as
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html
"""

import base64
import re
from collections.abc import Iterator
from typing import Any

from localaws.call import Call
from localaws.iam.function_names import function_arn
from localaws.iam.passed_roles import passed_roles, service_principal
from localaws.iam.permission import Keys, RequiredPermission, ResourceLookup, account_of, texts

# The first template whose parameters are all in the call determines the resource. `{Name=x}` has a default. `:last`
# keeps the text after the last slash, `:bare` removes a leading slash, `:project` keeps the text before the first
# colon, and `:group` the name in a log group's ARN. Any other parameter that is already an ARN is used unchanged.
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
    "lambda": (
        "{Resource}",
        "arn:aws:lambda:{region}:{account}:function:{FunctionName}",
    ),
    "logs": (
        "{resourceArn}",
        "arn:aws:logs:{region}:{account}:log-group:{logGroupName}:log-stream:{logStreamName}",
        "arn:aws:logs:{region}:{account}:log-group:{logGroupIdentifier:group}:log-stream:{logStreamName}",
        # The ARN of a log group includes its streams, so the resource in a policy must end in ":*" to match.
        "arn:aws:logs:{region}:{account}:log-group:{logGroupName}:log-stream:",
        "arn:aws:logs:{region}:{account}:log-group:{logGroupIdentifier:group}:log-stream:",
        "arn:aws:logs:{region}:{account}:log-group:{logGroupIdentifiers:group}:log-stream:",
        "arn:aws:logs:{region}:{account}:log-group:{logGroupNames}:log-stream:",
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
# AddUserToGroup and AddRoleToInstanceProfile change the group and the profile.
IAM_ENTITIES = {
    "InstanceProfileName": "instance-profile",
    "GroupName": "group",
    "RoleName": "role",
    "UserName": "user",
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
CREATES = ("Create", "PutMetricAlarm", "PutParameter", "PutRule", "RegisterScalableTarget")
TAGGING = {
    "application-autoscaling": "TagResource",
    "cloudtrail": "AddTags",
    "cloudwatch": "TagResource",
    "codecommit": "TagResource",
    "codepipeline": "TagResource",
    "ecr": "TagResource",
    "events": "TagResource",
    "kms": "TagResource",
    "lambda": "TagResource",
    "logs": "TagResource",
    "sagemaker": "AddTags",
    "scheduler": "TagResource",
    "sns": "TagResource",
    "sqs": "TagQueue",
    "ssm": "AddTagsToResource",
    "states": "TagResource",
}
TAG_PARAMETERS = ("Tags", "tags", "TagsList", "ResourceTags")
TAG_KEY_PARAMETERS = ("TagKeys", "tagKeys", "ResourceTagKeys")
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
KEY_ID = re.compile(r"(?:mrk-)?[0-9a-f-]+")
SESSION_ACTIONS = {"Tags": "TagSession", "SourceIdentity": "SetSourceIdentity"}
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-sts
SESSION_KEYS = {
    "ExternalId": "sts:ExternalId",
    "RoleSessionName": "sts:RoleSessionName",
    "SourceIdentity": "sts:SourceIdentity",
}
PLACE = re.compile(r"\{(\w+)(?::(\w+))?(?:=(\w+))?\}")


def service_permissions(call: Call, prefix: str, lookup: ResourceLookup) -> Iterator[RequiredPermission]:
    """Yields the permissions that a call requires."""
    parameters: dict[str, Any] = call.parameters
    action = f"{prefix}:{call.operation}"
    resources = _resources(call, prefix, parameters, lookup) or ["*"]
    requested = _requested_tags(parameters) | _instance_types(parameters) | _scaling(prefix, parameters)
    if prefix == "iam":
        requested |= _role_keys(call.operation, parameters, lookup)
    if prefix == "sts":
        requested |= {key: str(parameters[name]) for name, key in SESSION_KEYS.items() if name in parameters}
    if action == "kms:ReEncrypt":
        action = "kms:ReEncryptFrom"
        yield from _re_encrypt_to(call, lookup)
    for resource in resources:
        context = requested | {f"aws:ResourceTag/{key}": value for key, value in lookup.tags(resource).items()}
        yield RequiredPermission(RENAMED.get(action, action), resource, account_of(resource, lookup.account), context)
    if call.operation.startswith(CREATES) and any(parameters.get(name) for name in TAG_PARAMETERS):
        tagging = f"Tag{call.operation.removeprefix('Create')}" if prefix == "iam" else TAGGING.get(prefix)
        if tagging:
            # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html
            cause: Keys = {"sagemaker:TaggingAction": call.operation} if prefix == "sagemaker" else {}
            yield RequiredPermission(
                f"{prefix}:{tagging}", resources[0], account_of(resources[0], lookup.account), requested | cause
            )
    if prefix == "sts":
        yield from _session_permissions(call.operation, parameters, resources[0], lookup, requested)
    for role in passed_roles(call, prefix, lookup):
        passing: Keys = {"iam:PassedToService": service_principal(prefix)}
        if resources[0] != "*" and prefix != "iam":
            passing["iam:AssociatedResourceArn"] = resources[0]
        yield RequiredPermission("iam:PassRole", role, account_of(role, lookup.account), passing)


def _session_permissions(
    operation: str, parameters: dict[str, Any], role: str, lookup: ResourceLookup, context: Keys
) -> Iterator[RequiredPermission]:
    """What a session with tags or a source identity requires, of the caller and of the role's trust policy.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html and
    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_monitor.html
    """
    if operation == "AssumeRole":
        for name, action in SESSION_ACTIONS.items():
            if parameters.get(name):
                yield RequiredPermission(f"sts:{action}", role, account_of(role, lookup.account), context)


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
    """The condition keys for the tags in a call, which are a list of Key and Value (in KMS TagKey), or a mapping.

    A call that removes tags has only their keys. Source of the keys of such calls:
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html (DeleteTags)
    """
    given: Any = next((parameters[name] for name in TAG_PARAMETERS if parameters.get(name)), {})
    if isinstance(given, list):
        given = {
            tag.get("Key", tag.get("TagKey", tag.get("key"))): tag.get("Value", tag.get("TagValue", tag.get("value")))
            for tag in given
            if isinstance(tag, dict)
        }
    context: Keys = {f"aws:RequestTag/{key}": str(value) for key, value in given.items()}
    keys = [*map(str, given), *(key for name in TAG_KEY_PARAMETERS for key in texts(parameters.get(name)))]
    return context | ({"aws:TagKeys": keys} if keys else {})


def _resources(call: Call, prefix: str, parameters: dict[str, Any], lookup: ResourceLookup) -> list[str]:
    if prefix == "sagemaker":
        return _sagemaker(call, parameters, lookup)
    if prefix == "kms":
        return _kms(call, parameters, lookup)
    if prefix == "iam":
        return _iam(call, parameters, lookup)
    if prefix == "events":
        return _events(call, parameters, lookup)
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
        if len(values) == 1 and values[0].startswith("arn:") and change != "group":
            return values
        arns = [arn + before + _changed(value, change) for arn in arns for value in values]
        end = place.end()
    return [arn + template[end:] for arn in arns]


def _changed(value: str, change: str | None) -> str:
    if change == "last":
        return value.rsplit("/", 1)[-1]
    if change == "group":
        return value.rpartition(":log-group:")[2].removesuffix(":*")
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
    """The keys that a call names, the one that a ciphertext was made with, the one of an alias, and the alias.

    Source: https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html (the ciphertext names its key) and
    https://docs.aws.amazon.com/kms/latest/developerguide/alias-access.html
    """
    names = [value for name in ("KeyId", "SourceKeyId", "TargetKeyId") for value in texts(parameters.get(name))]
    names += _key_of(parameters.get("CiphertextBlob"))
    keys = [lookup.key_arn(value, call.region) for value in names]
    given = [*texts(parameters.get("AliasName"))]
    if call.operation in ("DeleteAlias", "UpdateAlias"):
        held = [lookup.key_arn(value, call.region) for value in given]
        keys += [arn for arn in held if ":key/alias/" not in arn]
    aliases = [f"arn:aws:kms:{call.region}:{lookup.account}:{value}" for value in given]
    return [*dict.fromkeys(keys), *aliases]


def _re_encrypt_to(call: Call, lookup: ResourceLookup) -> Iterator[RequiredPermission]:
    """ReEncrypt is two permissions: https://docs.aws.amazon.com/kms/latest/APIReference/API_ReEncrypt.html."""
    for given in texts(call.parameters.get("DestinationKeyId")):
        arn = lookup.key_arn(given, call.region)
        context: Keys = {f"aws:ResourceTag/{key}": value for key, value in lookup.tags(arn).items()}
        yield RequiredPermission("kms:ReEncryptTo", arn, account_of(arn, lookup.account), context)


def _key_of(ciphertext: Any) -> list[str]:
    """The id of the key with which moto begins a ciphertext."""
    try:
        found = base64.b64decode(str(ciphertext or ""))[:36].decode()
    except ValueError:
        return []
    return [found] if KEY_ID.fullmatch(found) else []


def _iam(call: Call, parameters: dict[str, Any], lookup: ResourceLookup) -> list[str]:
    """The ARN has the path of what exists, or the one that a creation gives. A call without a user is about the caller.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-arns
    """
    path = parameters.get("Path") or "/"
    for name, kind in IAM_ENTITIES.items():
        given = parameters.get(name)
        if isinstance(given, str):
            created = f"arn:aws:iam::{lookup.account}:{kind}{path}{given}"
            return [created if "Path" in parameters else lookup.iam_arn(kind, given)]
    for name in ("OpenIDConnectProviderArn", "PolicyArn"):
        if parameters.get(name):
            return [str(parameters[name])]
    if "PolicyName" in parameters:
        return [f"arn:aws:iam::{lookup.account}:policy{path}{parameters['PolicyName']}"]
    about_caller = call.input is not None and "UserName" in call.input.members and ":user/" in call.principal
    return [call.principal] if about_caller else []


def _events(call: Call, parameters: dict[str, Any], lookup: ResourceLookup) -> list[str]:
    """A rule of another bus than the default one has the bus in its ARN.

    Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html
    """
    if parameters.get("ResourceARN"):
        return [str(parameters["ResourceARN"])]

    def bus(given: Any) -> str:
        name = str(given or "default")
        return name if name.startswith("arn:") else f"arn:aws:events:{call.region}:{lookup.account}:event-bus/{name}"

    if call.operation == "PutEvents":
        entries = parameters.get("Entries")
        names = [one.get("EventBusName") for one in entries or [] if isinstance(one, dict)]
        return list(dict.fromkeys(map(bus, names)))
    if call.operation.endswith(("EventBus", "Permission")):
        return [bus(parameters.get("EventBusName") or parameters.get("Name"))]
    rule = parameters.get("Rule") or (parameters.get("Name") if call.operation.endswith("Rule") else None)
    start = bus(parameters.get("EventBusName")).replace(":event-bus/", ":rule/").removesuffix("/default")
    return [f"{start}/{rule}"] if rule else []
