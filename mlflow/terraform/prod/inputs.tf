# Written by `make docs` from the inputs of module platform. Do not edit: change them there.

variable "project_name" {
  description = "First part of every name, such as \"mlflow\" or a team's name. The server role's name contains it, and a server's role cannot change: if you rename the project later, Terraform replaces the server and its runs are lost."
  type        = string
  nullable    = false
}

variable "environment" {
  description = "Second part of every name, such as \"staging\" or \"prod\". If you rename it later, Terraform replaces the server, as with `project_name`."
  type        = string
  nullable    = false
}

variable "backend" {
  description = "What runs MLflow: `server`, a tracking server with a size, a version and an hourly price, or `serverless`, an MLflow App, which CloudFormation creates. An App has no size, schedule, choice of version or read-only access. A change replaces one by the other, which is empty: see docs/guides/mlflow-app.md."
  type        = string
  default     = "server"
  nullable    = false
}

variable "mlflow_version" {
  description = "MLflow version of the active tracking server, as major.minor; `mlflow_versions.json` lists the supported ones. Each version is a server of its own, because AWS cannot upgrade a server in place. If you change only this input, Terraform deletes the old server **with its experiments and runs**: use `make upgrade`, which copies them first."
  type        = string
  default     = "3.0"
  nullable    = false
}

variable "retained_mlflow_versions" {
  description = "MLflow versions of further servers that are kept beside the active one: a new server before it becomes active, or an old one until you retire it. If you remove a version, Terraform deletes its server with all experiments and runs. `make upgrade` and `make retire` change this input."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "tracking_server_name_override" {
  description = "Names of servers that were not created by this module, by MLflow version, such as `{ \"3.0\" = \"my-server\" }`. Keep an entry for as long as its server exists: without it, Terraform replaces the server and its runs are lost. See docs/guides/adopt-existing.md."
  type        = map(string)
  default     = {}
  nullable    = false

  # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateMlflowTrackingServer.html
}

variable "tracking_server_size" {
  description = "Small, Medium or Large: for teams of up to 25, 50 or 100 people. You can change it later without losing data."
  type        = string
  default     = "Small"
  nullable    = false
}

variable "automatic_model_registration" {
  description = "Whether a model version registered in MLflow also appears as a model package in the SageMaker registry. The AWS provider never sends a change from true to false. To turn it off, also run `aws sagemaker update-mlflow-tracking-server --no-automatic-model-registration`; otherwise every plan shows the difference."
  type        = bool
  default     = true
  nullable    = false
}

variable "weekly_maintenance_window_start" {
  description = "Day and time, in UTC, at which AWS may start the weekly maintenance of the server, such as \"Tue:13:30\". Null lets AWS choose."
  type        = string
  default     = null
}

variable "create_s3_bucket" {
  description = "Whether the module creates the artifact bucket. To use an existing bucket, set it to false and set `artifact_store_uri`."
  type        = bool
  default     = true
  nullable    = false
}

variable "bucket_name_suffix" {
  description = "Last part of the new bucket's name, `{project_name}-{environment}-mlflow-artifacts-{bucket_name_suffix}`. Bucket names are shared by all AWS accounts, so choose a unique suffix. Required if `create_s3_bucket` is true."
  type        = string
  default     = null
}

variable "bucket_name_override" {
  description = "Whole name of the bucket, instead of the one with `bucket_name_suffix`. With an `import` block, the module manages a bucket that exists already: see docs/guides/adopt-existing.md. Unlike a bucket in `artifact_store_uri`, it gets the module's settings and policy."
  type        = string
  default     = null
}

variable "artifact_store_uri" {
  description = "Existing bucket, or a prefix in one, for the artifacts: `s3://bucket` or `s3://bucket/prefix`, in the server's region. Required if `create_s3_bucket` is false. The module does not change that bucket's settings or policy. Existing runs keep their old artifact location if you change this: see `former_artifact_store_uris`."
  type        = string
  default     = null
}

variable "former_artifact_store_uris" {
  description = "Artifact stores that this environment used before, such as `[\"s3://old-bucket/mlflow\"]`. Runs keep the artifact location that they were created with, so the server, clients, endpoints and backups may still read there. Nothing new is written there."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "noncurrent_version_expiration_days" {
  description = "Number of days for which an overwritten or deleted artifact can be recovered. Null keeps (and bills) every version forever."
  type        = number
  default     = 90
}

variable "artifact_transition" {
  description = "Moves artifacts to a cheaper storage class this many days after they were written, such as `{ days = 90, storage_class = \"STANDARD_IA\" }`. Only classes with immediate access are allowed, because MLflow and endpoints cannot wait for a restore."
  type = object({
    days          = number
    storage_class = string
  })
  default = null
}

variable "deleted_artifact_expiration_days" {
  description = "Deletes objects with the tag `mlflow.deleted` = `true` this many days after they were created (not after they were tagged). They can be recovered for `noncurrent_version_expiration_days` after that. No tool sets this tag automatically: see the README. Null keeps them."
  type        = number
  default     = null
}

variable "object_lock" {
  description = "Default retention of every object version in the new bucket, such as `{ mode = \"GOVERNANCE\", days = 30 }`. Until it ends, the version cannot be deleted; in `COMPLIANCE` mode not even the account's root user, so `terraform destroy` fails until then. S3 never turns Object Lock off again once a bucket has it. Uploads must then carry a checksum, as AWS's SDKs and CLI send it. Null sets none."
  type = object({
    mode = string
    days = number
  })
  default = null
}

variable "replication" {
  description = "Copies every new object version of the new bucket to another bucket with versioning, such as `{ bucket_arn = \"arn:aws:s3:::acme-mlflow-copy\" }`. `kms_key_arn` is a key in the destination's region, needed when the artifacts have a customer key. `account_id` is the destination's account, if it is another one; its owner must allow the role of the output `replication_role_arn`. If the artifact bucket has, or ever had, `object_lock`, the destination needs Object Lock too. Deletions are not replicated. An alarm reports objects that were not copied; AWS bills the metrics for it (about 1 USD a month). Null sets none."
  type = object({
    bucket_arn    = string
    account_id    = optional(string)
    kms_key_arn   = optional(string)
    storage_class = optional(string, "STANDARD")
  })
  default = null
}

variable "access_logs" {
  description = "Where S3 writes its access logs: a bucket in the same account and region that allows `logging.s3.amazonaws.com` to put objects, and a key prefix (default: the artifact bucket's name and a slash)."
  type = object({
    bucket = string
    prefix = optional(string)
  })
  default = null
}

variable "data_events" {
  description = "Records who wrote or deleted which artifact, and who changed what in MLflow, as data events of a CloudTrail trail. `bucket` is an existing bucket for the logs, whose owner allows what the output `data_events_bucket_policy` says; the logs are below `prefix` (optional), and encrypted with `kms_key_arn` if its policy allows CloudTrail that. `reads` (false) also records reads, which are many more. AWS charges 0.10 USD for 100,000 events, and for the stored logs. Of an MLflow App, only the artifacts are recorded. Null records nothing."
  type = object({
    bucket      = string
    prefix      = optional(string)
    kms_key_arn = optional(string)
    reads       = optional(bool, false)
  })
  default = null

  # https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_CreateTrail.html
}

variable "cors_allowed_origins" {
  description = "Web origins whose pages may read artifacts from the bucket, such as your Studio domain, `https://d-abcdefghijkl.studio.us-east-1.sagemaker.aws`."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "kms_key_id" {
  description = "Existing KMS key that encrypts the artifacts: its ARN, or its id if it is in this account and region. Short for `kms = { key_id = … }`."
  type        = string
  default     = null
}

variable "kms" {
  description = "Encryption of the artifacts. `create` makes a KMS key for the new bucket; `key_id` (ARN or id) or `alias` names an existing one, whose own policy must allow its use. Without a key, S3-managed keys (SSE-S3) encrypt. `former_key_arns`: keys of older artifacts, which stay readable. For a new key: `administrator_arns` are the only roles and users that may administer it (empty: the account's IAM policies decide) and must include the caller of Terraform, a role with its path (Terraform then needs `iam:GetRole` on its own role), unless `skip_caller_check` is true (for a role that only plans); `deletion_window_days` is KMS's waiting period. `allow_aws_managed_key` accepts uploads that ask for `aws:kms` without a key id, which S3 encrypts under the account's `aws/s3` key instead of yours."
  type = object({
    create                = optional(bool, false)
    key_id                = optional(string)
    alias                 = optional(string)
    former_key_arns       = optional(list(string), [])
    administrator_arns    = optional(list(string), [])
    skip_caller_check     = optional(bool, false)
    deletion_window_days  = optional(number, 30)
    allow_aws_managed_key = optional(bool, false)
  })
  default  = {}
  nullable = false
}

variable "create_role" {
  description = "Whether the module creates the server's role. To use an existing role, set it to false and set `role_arn`."
  type        = bool
  default     = true
  nullable    = false
}

variable "role_arn" {
  description = "Existing role for the server. Required if `create_role` is false. The module does not change it: it must trust `sagemaker.amazonaws.com` and have a policy like the output `mlflow_role_policy` before the server is created."
  type        = string
  default     = null
}

variable "role_name_override" {
  description = "Name of the server's role, instead of `{project_name}-{environment}-mlflow-role`, with its path if it has one, such as \"service-role/AmazonSageMaker-ExecutionRole-20260101T000000\". Without one its path is \"/\", whatever `iam_path` is. With an `import` block, the module manages a role that exists already: see docs/guides/adopt-existing.md."
  type        = string
  default     = null
}

variable "harden_server_role" {
  description = "Restricts the server's role more than AWS documents: the trust policy requires `aws:SourceAccount`, and S3 rights are the four actions that MLflow's code calls instead of `s3:Get*`, `s3:Put*` and `s3:List*`. This was tested on localaws, not on AWS. If AWS needs more, creating a server fails after up to 25 minutes (`CreateFailed`): try it in staging first."
  type        = bool
  default     = false
  nullable    = false
}

variable "exclusive_role_policies" {
  description = "Whether Terraform removes policies that were attached to the module's roles outside Terraform. Set it to false if other tools attach policies to them; for your own, use `additional_role_policies`."
  type        = bool
  default     = true
  nullable    = false
}

variable "reader_role_names" {
  description = "Names of existing roles that may see runs, models and artifacts. The module attaches the reader policies to them."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "writer_role_names" {
  description = "Names of existing roles that may also log runs, register models and, with `deployment_policy_document`, deploy them. They cannot delete what others made. The module attaches the writer policies to them."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "admin_role_names" {
  description = "Names of existing roles that may also delete and restore, and start and stop the server. The module attaches the admin policies to them."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "deletion_protected_from_role_names" {
  description = "Names of existing roles that may not delete this environment's tracking servers, its App and the App's stack, such as the role that applies this configuration. A plan that would delete or replace one then fails when it is applied, with AccessDenied, and the server stays. To delete one, first remove the role from this input and apply."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "verify_client_roles" {
  description = "Whether the plan fails if a role of `reader_role_names`, `writer_role_names`, `admin_role_names` or `deletion_protected_from_role_names` does not exist (needs `iam:ListRoles`). Set it to false if the same configuration creates these roles."
  type        = bool
  default     = true
  nullable    = false
}

variable "readers_may_open_ui" {
  description = "Whether readers may open the UI. AWS does not document whether a UI session is limited to the other rights of the person who opened it. Set it to false if a reader must never be able to write. Writers and admins may always open it."
  type        = bool
  default     = true
  nullable    = false
}

variable "additional_role_policies" {
  description = "More policies for the server's role: a name of your choice (used only in Terraform's address) to a policy's ARN."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "iam_path" {
  description = "IAM path of all roles and policies, such as \"/ml/\". Choose it before the first apply: a role or policy gets another path only by being replaced, and a server with another role is replaced too."
  type        = string
  default     = "/"
  nullable    = false
}

variable "global_name_prefix" {
  description = "Prefix of the names that all regions of an account share, such as \"euw1-\": those of roles, policies, the dashboard, the budget and the delivery's bucket. With it, the same `project_name` and `environment` exist in two regions of one account. Choose it before the first apply, as `iam_path`."
  type        = string
  default     = ""
  nullable    = false
}

variable "permissions_boundary_arn" {
  description = "ARN of the permissions boundary for every role that the module creates, if your organization requires one. It must allow what the roles do."
  type        = string
  default     = null
}

variable "backup" {
  description = "A nightly, incremental backup of the active server; null makes none. `schedule_expression` and `timezone` say when (an EventBridge Scheduler expression; the server must run then; the default time zone is that of `schedule`, or else UTC; Scheduler skips a local time that the change to summer time leaves out, such as 2:30 in Europe), and `keep` how many backups to keep. An alarm is raised when none succeeded for `alarm_after_hours`. `destination_uri` writes to that bucket, which may be in another account, instead of `backups/` in the artifact store; `destination_kms_key_arn` is its key, and the output `backup_destination_policy` what its owner must allow. `vpc` runs the job in these subnets, and `package_index_url` installs Python packages from an index that needs no password instead of from PyPI. `repository` is the folder of a checkout of this repository, needed when the module was copied out of one."
  type = object({
    schedule_expression     = optional(string, "cron(30 2 * * ? *)")
    timezone                = optional(string)
    keep                    = optional(number, 30)
    alarm_after_hours       = optional(number, 26)
    destination_uri         = optional(string)
    destination_kms_key_arn = optional(string)
    vpc = optional(object({
      vpc_id             = string
      subnet_ids         = list(string)
      security_group_ids = list(string)
    }))
    package_index_url = optional(string)
    repository        = optional(string)
  })
  default = null
}

variable "schedule" {
  description = "When EventBridge Scheduler starts and stops the server, to save its hourly cost: two cron expressions and their time zone, such as `{ start = \"cron(0 8 ? * MON-FRI *)\", stop = \"cron(0 20 ? * MON-FRI *)\", time_zone = \"Europe/Berlin\" }`. While the server is stopped, runs cannot be logged or seen. Null never stops it, and does not start a server that an earlier schedule has stopped."
  type = object({
    start     = string
    stop      = string
    time_zone = optional(string, "UTC")
  })
  default = null
}

variable "notifications" {
  # The type is any, so that Terraform knows from the names of the attributes whether a topic is given, even if that topic
  # is created in the same apply and its ARN is not known yet.
  description = "Sends messages when a server changes its state or fails, and when the schedule or a backup fails. `{ emails = [\"team@example.com\"] }` or `{}` creates an encrypted topic; `{ topic_arn = … }` uses an existing one. Each address must confirm a message from AWS first. Null sends nothing."
  type        = any
  default     = null
}

variable "monthly_budget_usd" {
  description = "Monthly budget in US dollars. The topic of `notifications` receives a message when 80 % of it is spent, and when the forecast exceeds it. AWS counts everything with the tag `project` of this project, in all environments of the account, after you activate `project` as a cost allocation tag. Null creates no budget."
  type        = number
  default     = null
}

variable "create_dashboard" {
  description = "Whether a CloudWatch dashboard shows the environment: alarms, starts and stops, backups, traffic, latency and errors of endpoints, drift, storage and cost. AWS charges for more than three dashboards in an account."
  type        = bool
  default     = false
  nullable    = false
}

variable "publish_parameters" {
  description = "Whether the outputs that clients need are published in SSM Parameter Store, under `/{project_name}/{environment}/`, for clients without access to the Terraform state."
  type        = bool
  default     = true
  nullable    = false
}

variable "tags" {
  description = "Tags for everything that the module creates, in addition to the provider's default_tags."
  type        = map(string)
  default     = {}
  nullable    = false

  # https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html#id_tags_naming_best_practices
  # CodeBuild's lengths: https://docs.aws.amazon.com/codebuild/latest/APIReference/API_Tag.html
}

variable "mlflow_image_repository" {
  description = "Another repository in the same account and region that endpoints may pull from. `mlflow sagemaker build-and-push-container` pushes to this repository, and MLflow deploys from it by default. Null allows only this module's repository."
  type        = string
  default     = "mlflow-pyfunc"
}

variable "allowed_instance_types" {
  description = "Instance types that endpoints may use, such as `[\"ml.m5.large\", \"ml.c7i.*\"]`; a type may contain `*`. Empty allows all. Serverless endpoints are always allowed."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "async_topic_arns" {
  description = "SNS topics to which asynchronous endpoints may send notifications of results and errors (`deploy_model.py --async --notify`)."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "endpoint_vpc" {
  description = "Subnets, in two or more availability zones, and security groups in which endpoints may run (`deploy_model.py --subnet … --security-group …`). Null gives the endpoints' role no rights on network interfaces."
  type = object({
    subnet_ids         = list(string)
    security_group_ids = list(string)
  })
  default = null
}

variable "image_build" {
  description = "The CodeBuild project that builds serving images; null makes none. `vpc` runs the builds in these subnets, and `package_index_url` installs Python packages from an index that needs no password instead of from PyPI. `compute_type` is the size of the machine, and `timeout_minutes` ends a build that takes longer."
  type = object({
    compute_type      = optional(string, "BUILD_GENERAL1_MEDIUM")
    timeout_minutes   = optional(number, 60)
    package_index_url = optional(string)
    vpc = optional(object({
      vpc_id             = string
      subnet_ids         = list(string)
      security_group_ids = list(string)
    }))
  })
  default = {}
}

variable "image_pusher_principal_arns" {
  description = "ARNs of IAM roles or users that may assume the role `{project_name}-{environment}-image-pusher`, which builds and pushes serving images. Empty creates no such role; the output `image_pusher_policy_arn` gives other roles the same rights."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "keep_images" {
  description = "How many serving images with a tag the repository keeps, the newest ones. An endpoint whose image has expired cannot scale out, so keep more than are in use. Null keeps all. Images without a tag expire after 14 days."
  type        = number
  default     = 200
}

variable "model_package_readers" {
  description = "Other accounts that may list and describe a registered model's packages in SageMaker's Model Registry, as `{ iris = [\"444455556666\"] }`. Makes the package group `{project_name}-{environment}-{model}`, which `promote.py` pushes to, and its resource policy. Import a group that exists already. Deploying a package takes more: `docs/guides/promote.md`."
  type        = map(set(string))
  default     = {}
  nullable    = false
}

variable "monitoring" {
  description = "A scheduled job that monitors the endpoints that capture data: a SageMaker processing job runs `scripts/monitor.py run` of this repository; null makes none. `image_uri` is an image in an ECR repository of this account and region, built from `monitoring/requirements.txt` of the serving module. `schedule_expression` and `timezone` say when (an EventBridge Scheduler expression; the tracking server must run then). An alarm is raised when no run was completed for `alarm_after_hours`. `arguments` are options of `monitor.py run`, such as `[\"--threshold\", \"accuracy=0.9\"]`. `repository` is the folder of a checkout of this repository, needed when the module was copied out of one."
  type = object({
    image_uri           = string
    schedule_expression = optional(string, "cron(15 * * * ? *)")
    timezone            = optional(string, "UTC")
    instance_type       = optional(string, "ml.t3.medium")
    volume_size_gb      = optional(number, 20)
    timeout_minutes     = optional(number, 55)
    alarm_after_hours   = optional(number, 3)
    arguments           = optional(list(string), [])
    repository          = optional(string)
  })
  default = null
}

variable "training_pipeline" {
  description = "What `scripts/run_pipeline.py` needs: the role of the training pipeline and its jobs, and a policy for those who run it; null makes neither. `image_repositories` are the names of the ECR repositories in this account and region that the jobs may pull from, such as `[\"training\"]`."
  type = object({
    image_repositories = optional(list(string), [])
  })
  default = null
}

variable "delivery" {
  description = "A CodePipeline pipeline from a push to a validated endpoint: source, build of `buildspec.yml` (tests and training), manual approval, build of `buildspec-deploy.yml` (deploy and validate). Approving a package of the model in SageMaker's registry deploys it too. null makes none. `source` is `{ connection_arn, repository }` for GitHub (`OWNER/NAME`) or `{ codecommit_repository }`, each with an optional `branch`. `image_uri` is the image of the training jobs. `training_arguments`, `deploy_arguments` and `validation_arguments` are options of `run_pipeline.py`, `deploy_model.py` and `validate_endpoint.py`, such as `[\"--threshold=0.9\"]`. `package_index_url` is the package index of the builds. Needs `training_pipeline`."
  type = object({
    source = object({
      connection_arn        = optional(string)
      repository            = optional(string)
      codecommit_repository = optional(string)
      branch                = optional(string, "main")
    })
    model_name           = string
    image_uri            = string
    training_arguments   = optional(list(string), [])
    deploy_arguments     = optional(list(string), [])
    validation_arguments = optional(list(string), [])
    train_buildspec      = optional(string, "buildspec.yml")
    deploy_buildspec     = optional(string, "buildspec-deploy.yml")
    package_index_url    = optional(string)
    compute_type         = optional(string, "BUILD_GENERAL1_SMALL")
    timeout_minutes      = optional(number, 120)
  })
  default = null
}

variable "studio" {
  description = "A SageMaker Studio domain with IAM authentication, in which the tracking server shows up; null makes none. `user_profiles` are the users' levels, `reader` or `writer`, by the names of their profiles. Without `internet_access` all traffic of the users' applications goes through the VPC. `kms_key_arn` is a key of your own for the users' files; null uses AWS's key. JupyterLab and Code Editor stop after `idle_minutes` without use, or after a shorter time that their user chooses. Changing `vpc_id`, `subnet_ids`, `kms_key_arn`, `project_name` or `environment` replaces the domain, and with it all profiles and their spaces. `kms_key_arn` is untested on AWS. `docs/guides/studio.md` has the rights that it needs, and says how to change the network."
  type = object({
    vpc_id             = string
    subnet_ids         = list(string)
    security_group_ids = list(string)
    user_profiles      = map(string)
    internet_access    = optional(bool, false)
    kms_key_arn        = optional(string)
    idle_minutes       = optional(number, 120)
  })
  default = null
}
