locals {
  has_pipeline = var.training_pipeline != null
  name         = "${var.project_name}-${var.environment}"
  role_name    = "${var.global_name_prefix}${local.name}-pipeline-role"

  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  region     = split(".", data.aws_region.current.endpoint)[1]

  # The ARN without a reference to the role, because the role's own policy names it.
  role_arn      = "arn:${local.partition}:iam::${local.account_id}:role${var.iam_path}${local.role_name}"
  sagemaker_arn = "arn:${local.partition}:sagemaker:${local.region}:${local.account_id}"

  # SageMaker names the jobs of pipelines pipelines-EXECUTION-STEP-RANDOM.
  job_arns     = [for kind in ["processing-job", "training-job"] : "${local.sagemaker_arn}:${kind}/pipelines-*"]
  job_log_arns = [for kind in ["ProcessingJobs", "TrainingJobs"] : "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:/aws/sagemaker/${kind}*"]
  # Names of tuning jobs have at most 32 characters, so they are sweep- and a part of the run's id.
  tuning_job_arn = "${local.sagemaker_arn}:hyper-parameter-tuning-job/sweep-*"
  pipeline_arns  = ["${local.sagemaker_arn}:pipeline/${local.name}-*"]

  artifact_path        = trimsuffix(trimprefix(var.artifact_store_uri, "s3://"), "/")
  artifact_bucket_name = split("/", local.artifact_path)[0]
  artifact_bucket_arn  = "arn:${local.partition}:s3:::${local.artifact_bucket_name}"

  # kms:ViaService for S3; in AWS China with the suffix of its partition.
  s3_via_service = distinct([for suffix in ["amazonaws.com", data.aws_partition.current.dns_suffix] : "s3.${local.region}.${suffix}"])
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

# Buckets and prefixes that the patterns of the inputs let pass, and that do not work: a bucket's name that is an IP address or has two
# adjacent periods; in a prefix the folders "." and "..", which clients resolve, and "#" and "$", which begin a URI's fragment and a
# variable of an IAM policy.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html and
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
locals {
  refused_bucket = "^(s3://|arn:[a-z-]+:s3:::)?([^/]*[.][.]|[0-9]+([.][0-9]+){3}(/|$))|/[.][.]?(/|$)|[#$[:cntrl:]]|^.{700}"
  bucket_rule    = "S3 takes no IP address as a bucket's name, and no two periods side by side."
  store_rule     = "${local.bucket_rule} A prefix has none of # $ * ? and no folder named only . or .., and the address has fewer than 700 characters."
}
