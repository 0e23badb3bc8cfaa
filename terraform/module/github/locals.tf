locals {
  role_prefix   = "${trimprefix(var.iam_path, "/")}${var.global_name_prefix}"
  bucket_prefix = lower(replace(var.global_name_prefix, "_", "-"))

  issuer   = "token.actions.githubusercontent.com"
  audience = "sts.amazonaws.com"

  account_id   = data.aws_caller_identity.current.account_id
  partition    = data.aws_partition.current.partition
  region       = split(".", data.aws_region.current.endpoint)[1]
  iam_arn      = "arn:${local.partition}:iam::${local.account_id}"
  provider_arn = "${local.iam_arn}:oidc-provider/${local.issuer}"

  environments = {
    for name, given in var.environments : name => {
      name        = "${var.project_name}-${name}"
      global_name = "${var.global_name_prefix}${var.project_name}-${name}"
      # With which the ARNs of the environment's roles and policies begin.
      role_arn_stem   = "${local.iam_arn}:role/${local.role_prefix}${var.project_name}-${name}"
      policy_arn_stem = "${local.iam_arn}:policy/${local.role_prefix}${var.project_name}-${name}"
      tags            = { project = var.project_name, environment = name }
      boundary_arn    = "${local.iam_arn}:policy/${local.role_prefix}${var.project_name}-${name}-ci-boundary"
      # An organization's own boundary takes the place of this module's.
      client_boundary_arn = coalesce(var.permissions_boundary_arn, "${local.iam_arn}:policy/${local.role_prefix}${var.project_name}-${name}-ci-client-boundary")
      state_arn           = "arn:${local.partition}:s3:::${var.state_bucket_name}/${coalesce(given.state_key, "mlflow/${name}/terraform.tfstate")}"
      bucket_arns         = ["arn:${local.partition}:s3:::${var.project_name}-${name}-mlflow-artifacts-*"]
      all_bucket_arns = [
        for bucket in concat(["${var.project_name}-${name}-mlflow-artifacts-*", "${local.bucket_prefix}${var.project_name}-${name}-delivery-*"], given.artifact_bucket_names, given.copy_bucket_names) :
        "arn:${local.partition}:s3:::${bucket}"
      ]
      delivery_bucket_arns = ["arn:${local.partition}:s3:::${local.bucket_prefix}${var.project_name}-${name}-delivery-*"]
      source_arns          = given.delivery_source_arns
      tool_arns = flatten([
        for bucket in concat(["${var.project_name}-${name}-mlflow-artifacts-*"], given.artifact_bucket_names) : [
          for folder in ["tool", "monitoring-tool"] : "arn:${local.partition}:s3:::${bucket}/*backups/${folder}/*"
        ]
      ])
      client_role_arns = [
        for role in concat(["${local.role_prefix}${var.project_name}-${name}-ci-train"], given.client_role_names) : "${local.iam_arn}:role/${role}"
      ]
      # ARNs of service resources by the prefix of their names: arn:PARTITION:SERVICE:REGION:ACCOUNT:…
      resources = {
        for service, kinds in {
          cloudwatch   = ["alarm:"]
          codebuild    = ["project/"]
          codepipeline = [""]
          ecr          = ["repository/"]
          events       = ["rule/"]
          logs         = ["log-group:/aws/codebuild/"]
          scheduler    = ["schedule/default/", "schedule/*/", "schedule-group/"]
          sns          = [""]
          sqs          = [""]
          states       = ["stateMachine:"]
          } : service => [
          for kind in kinds : "arn:${local.partition}:${service}:${local.region}:${local.account_id}:${kind}${var.project_name}-${name}-*"
        ]
      }
      stack_arns     = ["arn:${local.partition}:cloudformation:${local.region}:${local.account_id}:stack/${var.project_name}-${name}-*/*"]
      server_arns    = ["arn:${local.partition}:sagemaker:${local.region}:${local.account_id}:mlflow-tracking-server/${var.project_name}-${name}-*"]
      trail_arns     = ["arn:${local.partition}:cloudtrail:${local.region}:${local.account_id}:trail/${var.project_name}-${name}-*"]
      group_arns     = ["arn:${local.partition}:sagemaker:${local.region}:${local.account_id}:model-package-group/${var.project_name}-${name}-*"]
      parameter_arns = ["arn:${local.partition}:ssm:${local.region}:${local.account_id}:parameter/${var.project_name}/${name}/*"]
      budget_arns    = ["arn:${local.partition}:budgets::${local.account_id}:budget/${var.global_name_prefix}${var.project_name}-${name}-*"]
      dashboard_arns = ["arn:${local.partition}:cloudwatch::${local.account_id}:dashboard/${var.global_name_prefix}${var.project_name}-${name}-*"]
      alias_arns     = ["arn:${local.partition}:kms:${local.region}:${local.account_id}:alias/${var.project_name}-${name}-*"]
    }
  }

  service_arns = {
    for service in ["application-autoscaling", "cloudwatch", "logs", "sagemaker"] : service => "arn:${local.partition}:${service}:${local.region}:${local.account_id}"
  }

  # Studio domains have random ids.
  studio_arns = [for resource in ["domain/*", "user-profile/*/*"] : "${local.service_arns["sagemaker"]}:${resource}"]

  # What the delivery's roles do with its source, by the service in the source's ARN.
  source_actions = merge(
    {
      codecommit = [
        "codecommit:CancelUploadArchive",
        "codecommit:GetBranch",
        "codecommit:GetCommit",
        "codecommit:GetRepository",
        "codecommit:GetUploadArchiveStatus",
        "codecommit:GitPull",
        "codecommit:UploadArchive",
      ]
    },
    { for service in ["codeconnections", "codestar-connections"] : service => [for action in ["GetConnection", "GetConnectionToken", "UseConnection"] : "${service}:${action}"] },
  )

  key_arns       = ["arn:${local.partition}:kms:${local.region}:${local.account_id}:key/*"]
  s3_via_service = distinct([for suffix in ["amazonaws.com", data.aws_partition.current.dns_suffix] : "s3.${local.region}.${suffix}"])

  # Roles by "ENVIRONMENT/PURPOSE". A job with an environment has only that environment as its subject, not its branch.
  roles = merge([
    for name, environment in local.environments : {
      "${name}/plan" = {
        environment = name
        name        = "${environment.global_name}-ci-plan"
        description = "GitHub: plan ${environment.name}"
        subjects    = ["pull_request", "ref:refs/heads/${var.branch}"]
        policies    = ["read"]
        boundary    = var.permissions_boundary_arn
        session     = 7200
      }
      "${name}/apply" = {
        environment = name
        name        = "${environment.global_name}-ci-apply"
        description = "GitHub: apply ${environment.name}"
        subjects    = ["environment:${name}"]
        policies    = ["read", "services", "storage", "roles"]
        boundary    = var.permissions_boundary_arn
        session     = 7200
      }
      "${name}/train" = {
        environment = name
        name        = "${environment.global_name}-ci-train"
        description = "GitHub: train and run the smoke tests in ${environment.name}"
        subjects    = ["ref:refs/heads/${var.branch}"]
        policies    = ["read"]
        boundary    = environment.client_boundary_arn
        # A training job can take longer than an apply.
        session = 14400
      }
    }
  ]...)

  documents = merge([
    for name in keys(local.environments) : {
      "${name}/read"            = data.aws_iam_policy_document.read[name].json
      "${name}/services"        = data.aws_iam_policy_document.services[name].json
      "${name}/storage"         = data.aws_iam_policy_document.storage[name].json
      "${name}/roles"           = data.aws_iam_policy_document.roles[name].json
      "${name}/boundary"        = data.aws_iam_policy_document.boundary["${name}/boundary"].json
      "${name}/client-boundary" = data.aws_iam_policy_document.boundary["${name}/client-boundary"].json
    }
  ]...)

  purposes = {
    read            = "read what Terraform manages, and its state"
    services        = "change services, without deleting tracking servers and images"
    storage         = "change the bucket and the keys, without deleting artifacts and keys"
    roles           = "change roles, within the boundary"
    boundary        = "Maximum permissions of the roles that CI creates"
    client-boundary = "Maximum permissions of the roles that CI attaches policies to"
  }

  attachments = merge([
    for key, role in local.roles : { for policy in role.policies : "${key}/${policy}" => { role = key, policy = "${role.environment}/${policy}" } }
  ]...)

  # IAM does not count white space: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
  managed_policy_limit = 6144
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

# Buckets that the patterns of the inputs let pass, and that S3 refuses: an IP address, or two adjacent periods.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
locals {
  refused_bucket = "^(s3://|arn:[a-z-]+:s3:::)?([^/]*[.][.]|[0-9]+([.][0-9]+){3}(/|$))"
  # Names that Git refuses for a branch: https://git-scm.com/docs/git-check-ref-format
  refused_branch = "^[/.-]|^refs/|[.]{2}|//|/[.]|[/.]$|[.]lock(/|$)"
  bucket_rule    = "S3 takes no IP address as a bucket's name, and no two periods side by side."
}
