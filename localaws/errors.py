"""AWS errors, in the wire format of the service that was called."""

import json
import re
import secrets
import uuid
from dataclasses import dataclass, field
from xml.sax import saxutils

# What no XML document can contain: https://www.w3.org/TR/xml/#charsets
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


# S3's text for a body that is not XML, or not the one of the operation:
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
MALFORMED_XML = "The XML you provided was not well-formed or did not validate against our published schema"


@dataclass
class AwsError(Exception):
    """An error response: AWS's code, the HTTP status, a message, and headers of this error."""

    code: str
    message: str
    status: int = 400
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


def render(error: AwsError, protocol: str) -> tuple[dict[str, str], bytes]:
    """Headers and body of an error, as botocore and the Go SDK parse it for that protocol.

    Source: https://smithy.io/2.0/aws/protocols/ (each protocol's "operation error serialization").
    """
    request_id = str(uuid.uuid4())
    if protocol == "ec2":
        body = (
            f"<Response><Errors><Error><Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
            f"</Error></Errors><RequestID>{request_id}</RequestID></Response>"
        )
        return {"content-type": "text/xml", "x-amzn-requestid": request_id}, body.encode()
    if protocol == "query":
        body = (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{escape(error.code)}</Code>"
            f"<Message>{escape(error.message)}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
        )
        return {"content-type": "text/xml", "x-amzn-requestid": request_id}, body.encode()
    if protocol == "rest-xml":
        # Sixteen digits, as in https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html: Terraform prints
        # it above the id of a lock, which is a UUID.
        request_id = secrets.token_hex(8).upper()
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            f"<Error><Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
            f"<RequestId>{request_id}</RequestId></Error>"
        )
        return {"content-type": "application/xml", "x-amz-request-id": request_id}, body.encode()
    content = {"__type": error.code, "message": error.message, "Message": error.message}
    headers = {
        "content-type": "application/x-amz-json-1.1" if protocol == "json" else "application/json",
        "x-amzn-errortype": error.code,
        "x-amzn-requestid": request_id,
    }
    return headers, json.dumps(content).encode()


def escape(text: str) -> str:
    """Text in an XML document. A character that XML cannot contain becomes `?`."""
    return saxutils.escape(NOT_XML.sub("?", text))
