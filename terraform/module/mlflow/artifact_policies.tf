# What each level of clients may do with artifacts. No level can change the bucket's settings or the key.
data "aws_iam_policy_document" "artifact_access" {
  for_each = {
    reader = [data.aws_iam_policy_document.read.json]
    writer = [data.aws_iam_policy_document.write.json, data.aws_iam_policy_document.writer_limits.json]
    admin  = [data.aws_iam_policy_document.write.json, data.aws_iam_policy_document.administer_artifacts.json]
  }

  source_policy_documents = each.value
}

data "aws_iam_policy_document" "write" {
  source_policy_documents = [data.aws_iam_policy_document.read.json]

  statement {
    sid       = "AllowWriteArtifacts"
    actions   = ["s3:AbortMultipartUpload", "s3:PutObject"]
    resources = [local.artifact_objects_arn]
  }

  dynamic "statement" {
    for_each = local.has_kms_key ? [local.kms_key_arn] : []

    content {
      sid       = "AllowEncryptArtifacts"
      actions   = ["kms:GenerateDataKey"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = local.s3_via_service
      }
    }
  }
}

# The backup job runs what is stored below backups/, and a restore trusts it: see backup.tf.
data "aws_iam_policy_document" "writer_limits" {
  statement {
    sid       = "DenyBackupWrites"
    effect    = "Deny"
    actions   = ["s3:AbortMultipartUpload", "s3:PutObject"]
    resources = [local.backup_objects_arn]
  }
}

data "aws_iam_policy_document" "administer_artifacts" {
  statement {
    sid       = "AllowListArtifactVersions"
    actions   = ["s3:ListBucketVersions"]
    resources = [local.artifact_bucket_arn]

    dynamic "condition" {
      for_each = local.artifact_prefix == "" ? [] : ["${local.artifact_prefix}/*"]

      content {
        test     = "StringLike"
        variable = "s3:prefix"
        values   = [condition.value]
      }
    }
  }

  statement {
    sid = "AllowDeleteAndRecoverArtifacts"
    actions = [
      "s3:DeleteObject",
      "s3:DeleteObjectVersion",
      "s3:GetObjectTagging",
      "s3:GetObjectVersion",
      "s3:PutObjectTagging",
    ]
    resources = [local.artifact_objects_arn]
  }

  # What `scripts/clean_up.py` needs: an image, a model or a configuration may be deleted only if nothing in the account uses it, and
  # artifacts that this server does not know only if they are not those of an MLflow App.
  statement {
    sid     = "AllowFindUsesOfModels"
    actions = ["sagemaker:DescribeEndpoint", "sagemaker:DescribeEndpointConfig", "sagemaker:DescribeModel", "sagemaker:DescribeModelPackage"]
    resources = [for kind in ["endpoint", "endpoint-config", "model", "model-package"] :
      "arn:${local.partition}:sagemaker:${local.region}:${local.account_id}:${kind}/*"
    ]
  }

  # An App's ARN has an id that AWS makes, and an App that was made by hand may have no tags: only the right on every App shows them all.
  statement {
    sid       = "AllowDescribeApps"
    actions   = ["sagemaker:DescribeMlflowApp"]
    resources = ["arn:${local.partition}:sagemaker:${local.region}:${local.account_id}:mlflow-app/*"]
  }

  # AWS supports no resource for these actions.
  statement {
    sid       = "AllowFindModelPackagesAndApps"
    actions   = ["sagemaker:ListMlflowApps", "sagemaker:ListModelPackageGroups"]
    resources = ["*"]
  }

  # The repository of module serving has the environment's prefix.
  statement {
    sid       = "AllowDeleteImages"
    actions   = ["ecr:BatchDeleteImage", "ecr:DescribeImages"]
    resources = ["arn:${local.partition}:ecr:${local.region}:${local.account_id}:repository/${local.name}-serving"]
  }

  # What `scripts/cost.py` needs to count the minutes of image builds. The project of module serving has the environment's prefix.
  statement {
    sid       = "AllowReadBuilds"
    actions   = ["codebuild:BatchGetBuilds", "codebuild:ListBuildsForProject"]
    resources = ["arn:${local.partition}:codebuild:${local.region}:${local.account_id}:project/${local.name}-serving-image"]
  }

  # An admin may run a backup, which writes objects and marks old ones as deleted. The versions stay recoverable until the bucket's
  # lifecycle rule removes them. A tag could let an object expire earlier (deleted_artifact_expiration_days).
  statement {
    sid       = "DenyBackupVersionDeletion"
    effect    = "Deny"
    actions   = ["s3:DeleteObjectVersion", "s3:PutObjectTagging"]
    resources = [local.backup_objects_arn]
  }

  # The job runs this object with rights of its own. Only Terraform replaces it.
  statement {
    sid       = "DenyBackupToolWrites"
    effect    = "Deny"
    actions   = ["s3:DeleteObject", "s3:PutObject"]
    resources = [local.backup_tool_arn]
  }
}
