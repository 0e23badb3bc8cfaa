# The key names nobody but the account: who may use it is said in each role's own policy. So the key does not wait
# for the role, nor the role for the key, and no change of a role can lock the account out of its key.
resource "aws_kms_key" "artifacts" {
  count = var.create_kms_key ? 1 : 0

  description             = "MLflow artifacts of ${local.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = data.aws_iam_policy_document.key.json
  tags                    = var.tags
}

resource "aws_kms_alias" "artifacts" {
  count = var.create_kms_key ? 1 : 0

  name          = "alias/${local.name}-mlflow-artifacts"
  target_key_id = aws_kms_key.artifacts[0].key_id
}

data "aws_iam_policy_document" "key" {
  statement {
    sid       = "AccountDecidesByIAMPolicy"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${local.account_id}:root"]
    }
  }
}
