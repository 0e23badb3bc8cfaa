"""Measures policies as IAM and S3 do."""


def characters(document: str) -> int:
    """The number of characters that IAM counts: all but white space.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html#reference_iam-quotas-entity-length
    """
    return sum(not character.isspace() for character in document)
