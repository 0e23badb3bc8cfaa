"""Requests to create or to update stacks: names, where the template is, and updates that change nothing.

Sources: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html and API_UpdateStack. The
pattern of names is moto's for stack sets.
"""

from typing import Any

from moto.core.exceptions import ServiceException
from werkzeug.exceptions import HTTPException

from localaws.errors import AwsError
from localaws.services import stack_template


def template_of(response: Any) -> str:
    """The text of the template that a request gives or refers to.

    Raises:
        AwsError: ValidationError.
    """
    name, body, url = (response._get_param(one) for one in ("StackName", "TemplateBody", "TemplateURL"))
    if name and not name.startswith("arn:") and not stack_template.NAME.fullmatch(name):
        pattern = "Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"
        raise _refusal(
            f"1 validation error detected: Value '{name}' at 'stackName' failed to satisfy constraint: {pattern}"
        )
    if response._get_bool_param("UsePreviousTemplate", False):
        if body or url:
            raise _refusal("You cannot specify both usePreviousTemplate and Template Body/Template URL.")
        return str(response.cloudformation_backend.get_stack(name).template)
    if bool(body) == bool(url):
        raise _refusal("Either Template URL or Template Body must be specified.")
    if body:
        if len(str(body).encode(errors="surrogatepass")) > stack_template.BODY:
            limit = f"Member must have length less than or equal to {stack_template.BODY}"
            raise _refusal(
                f"1 validation error detected: Value at 'templateBody' failed to satisfy constraint: {limit}"
            )
        return str(body)
    try:
        return str(response._get_stack_from_s3_url(url))
    except (HTTPException, ServiceException, AttributeError, ValueError, IndexError):
        raise _refusal("TemplateURL must reference a valid S3 object to which you have access.") from None


def check_change(response: Any, template: dict[str, Any]) -> None:
    """Refuse an update that changes neither the template nor parameters, tags, topics or the policy.

    Raises:
        AwsError: ValidationError.
    """
    stack = response.cloudformation_backend.get_stack(response._get_param("StackName"))
    tags = {tag["Key"]: tag["Value"] for tag in response._get_param("Tags", [])}
    given = {one["ParameterKey"]: one for one in response._get_param("Parameters", [])}
    topics = response._get_param("NotificationARNs")
    same = (
        template == stack_template.parse(stack.template)
        and all(
            _same_parameter(stack, name, rule, given.get(name))
            for name, rule in (template.get("Parameters") or {}).items()
        )
        and (not tags or tags == stack.tags)
        and (not topics or topics == stack.notification_arns)
        and not response._get_param("StackPolicyBody")
    )
    if same:
        raise _refusal("No updates are to be performed.")


def _same_parameter(stack: Any, name: str, rule: dict[str, Any], given: dict[str, Any] | None) -> bool:
    if given is not None and given.get("UsePreviousValue"):
        return True
    former = stack.stack_parameters.get(name)
    value = given.get("ParameterValue") if given is not None else rule.get("Default")
    return str(value) == (",".join(map(str, former)) if isinstance(former, list) else str(former))


def _refusal(message: str) -> AwsError:
    return AwsError("ValidationError", message)
