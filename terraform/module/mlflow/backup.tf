# A nightly backup of the active server: CodeBuild runs the transfer tool of this repository, which writes an archive. Nights share
# files in the archive, so a lifecycle rule cannot tell which ones are still needed: the tool deletes those that only backups older
# than the newest `keep` use (docs/reference/archive-format.md).
locals {
  has_backup         = var.backup != null
  backup_name        = "${local.name}-mlflow-backup"
  global_backup_name = "${local.global_name}-mlflow-backup"

  backup_server      = local.is_serverless ? local.app_name : local.server_names[var.mlflow_version]
  backup_server_arn  = "arn:${local.partition}:sagemaker:${local.region}:${local.account_id}:mlflow-tracking-server/${local.backup_server}"
  backup_project_arn = "arn:${local.partition}:codebuild:${local.region}:${local.account_id}:project/${local.backup_name}"

  # The archive is below backups/ in the artifact store, or in the bucket of backup.destination_uri.
  backup_destination_uri = local.has_backup ? var.backup.destination_uri : null
  backup_archive_uri     = "${trimsuffix(coalesce(local.backup_destination_uri, "${local.artifact_store_uri}/backups"), "/")}/${local.backup_server}"

  # Everything below backups/, and the parts of it that archives use: an archive is named after its server.
  backup_objects_arn = "arn:${local.partition}:s3:::${local.artifact_path}/backups/*"
  backup_archives_arns = [
    for name in concat(["${local.name}-*"], [for name in sort(values(var.tracking_server_name_override)) : "${name}/*" if !startswith(name, "${local.name}-")]) :
    "arn:${local.partition}:s3:::${local.artifact_path}/backups/${name}"
  ]

  # CodeBuild's source is a folder that holds one object: https://docs.aws.amazon.com/codebuild/latest/APIReference/API_ProjectSource.html
  backup_source     = "${local.artifact_path}/backups/tool"
  backup_tool_file  = "tool.json.gz"
  backup_tool_arn   = "arn:${local.partition}:s3:::${local.backup_source}/*"
  backup_repository = local.has_backup ? coalesce(var.backup.repository, "${path.module}/../../..") : ""
  backup_files = local.has_backup ? merge(
    { for file in fileset(local.backup_repository, "src/{mlflow_common,mlflow_transfer}/**/*.{json,py,sql}") : file => file("${local.backup_repository}/${file}") },
    { "requirements.lock" = file("${path.module}/backup/requirements.lock") },
  ) : {}

  # Older runs still name their former stores. Paths may hold any character, so the command names variables.
  backup_former_stores = join("", [for index, _ in var.former_artifact_store_uris : " --trust-artifacts \"$FORMER_STORE_${index}\""])

  # Writes each file of the archive to its path. No program but Python is needed.
  backup_unpack = "python -c 'import gzip, json, pathlib; files = json.loads(gzip.open(\"${local.backup_tool_file}\").read()); [(pathlib.Path(name).parent.mkdir(parents=True, exist_ok=True), pathlib.Path(name).write_text(text, encoding=\"utf-8\")) for name, text in files.items()]'"
}

# The tool as one object: the provider alone cannot make a zip file, and one object per file would exceed S3's limit of 10 tags per
# object wherever the provider's default_tags do. `sensitive` keeps the content out of the plan's output.
resource "aws_s3_object" "backup_tool" {
  count = local.has_backup ? 1 : 0

  bucket         = local.artifact_bucket_name
  key            = trimprefix("${local.backup_source}/${local.backup_tool_file}", "${local.artifact_bucket_name}/")
  content_base64 = sensitive(base64gzip(jsonencode(local.backup_files)))
  content_type   = "application/gzip"
  force_destroy  = var.object_lock != null
  tags           = { project = var.project_name, environment = var.environment }

  override_provider {
    default_tags {
      tags = {}
    }
  }

  lifecycle {
    # With override_provider, provider 5.100 reads tags_all as empty and would plan an update every time.
    ignore_changes = [tags_all]

    precondition {
      condition     = contains(keys(local.backup_files), "src/mlflow_transfer/cli.py")
      error_message = "The backup runs src/mlflow_transfer of this repository, which is not at ${local.backup_repository}. Set backup.repository to the folder of a checkout."
    }
  }

  depends_on = [
    aws_s3_bucket.artifacts,
    aws_s3_bucket_server_side_encryption_configuration.artifacts,
    aws_s3_bucket_versioning.artifacts,
  ]
}

resource "aws_codebuild_project" "backup" {
  count = local.has_backup ? 1 : 0

  name         = local.backup_name
  description  = "Backs up the MLflow server of ${local.name}"
  service_role = aws_iam_role.backup[0].arn
  tags         = var.tags

  # The first backup copies everything; later ones copy what changed.
  build_timeout          = 480
  concurrent_build_limit = 1

  source {
    type     = "S3"
    location = "${local.backup_source}/"
    buildspec = jsonencode({
      version = "0.2"
      phases = {
        install = {
          runtime-versions = { python = "3.12" }
          commands = [
            local.backup_unpack,
            "python -m pip install --quiet --require-hashes --requirement requirements.lock",
          ]
        }
        build = {
          commands = ["PYTHONPATH=src python -m mlflow_transfer backup \"$TRACKING_SERVER_ARN\" \"$ARCHIVE\" --keep \"$KEEP\"${local.backup_former_stores}"]
        }
      }
    })
  }

  environment {
    type         = "LINUX_CONTAINER"
    compute_type = "BUILD_GENERAL1_SMALL"
    image        = "aws/codebuild/amazonlinux-x86_64-standard:5.0"

    environment_variable {
      name  = "TRACKING_SERVER_ARN"
      value = local.backup_server_arn
    }

    environment_variable {
      name  = "ARCHIVE"
      value = local.backup_archive_uri
    }

    environment_variable {
      name  = "KEEP"
      value = var.backup.keep
    }

    dynamic "environment_variable" {
      for_each = var.former_artifact_store_uris

      content {
        name  = "FORMER_STORE_${environment_variable.key}"
        value = environment_variable.value
      }
    }

    # pip reads its options from variables of this form: https://pip.pypa.io/en/stable/topics/configuration/#environment-variables
    dynamic "environment_variable" {
      for_each = var.backup.package_index_url == null ? [] : [var.backup.package_index_url]

      content {
        name  = "PIP_INDEX_URL"
        value = environment_variable.value
      }
    }
  }

  dynamic "vpc_config" {
    for_each = var.backup.vpc == null ? [] : [var.backup.vpc]

    content {
      vpc_id             = vpc_config.value.vpc_id
      subnets            = vpc_config.value.subnet_ids
      security_group_ids = vpc_config.value.security_group_ids
    }
  }

  artifacts {
    type = "NO_ARTIFACTS"
  }

  logs_config {
    cloudwatch_logs {
      group_name = aws_cloudwatch_log_group.backup[0].name
    }
  }

  depends_on = [aws_iam_role_policy.backup, aws_s3_object.backup_tool]
}

resource "aws_cloudwatch_log_group" "backup" {
  count = local.has_backup ? 1 : 0

  name              = "/aws/codebuild/${local.backup_name}"
  retention_in_days = 90
  tags              = var.tags
}
