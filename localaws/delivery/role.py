"""How CodePipeline and EventBridge assume the roles of pipelines and targets."""

from localaws.iam.trust import Service

# Source of the condition keys: https://docs.aws.amazon.com/codepipeline/latest/userguide/how-to-custom-role.html
CODEPIPELINE = Service(
    "codepipeline.amazonaws.com",
    "InvalidStructureException",
    "CodePipeline is not authorized to perform AssumeRole on role {role}",
)
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-identity-based.html
EVENTS = Service(
    "events.amazonaws.com",
    "ValidationException",
    "Provided role '{role}' cannot be assumed by principal 'events.amazonaws.com'.",
)
