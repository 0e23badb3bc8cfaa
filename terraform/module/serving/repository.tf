# The images that endpoints run.
locals {
  repository_name = "${local.name}-serving"
}

resource "aws_ecr_repository" "serving" {
  name         = local.repository_name
  force_delete = var.dangerously_delete_images_on_destroy
  tags         = var.tags

  # An endpoint that scales out or recovers pulls its image again by tag: it must be the one that was tested.
  image_tag_mutability = "IMMUTABLE"

  image_scanning_configuration {
    scan_on_push = true
  }

  # ECR's own key, not the key of the artifacts: a repository's key cannot change. If the artifacts got a key later, Terraform
  # would replace the repository and lose its images.
  encryption_configuration {
    encryption_type = "AES256"
  }
}

resource "aws_ecr_lifecycle_policy" "serving" {
  repository = aws_ecr_repository.serving.name

  policy = jsonencode({
    rules = concat(
      [{
        rulePriority = 1
        description  = "Images that no tag names any more"
        selection = {
          tagStatus   = "untagged"
          countType   = "sinceImagePushed"
          countUnit   = "days"
          countNumber = 14
        }
        action = { type = "expire" }
      }],
      # ECR does not know which images endpoints run, so only a number of newer images makes one old.
      var.keep_images == null ? [] : [{
        rulePriority = 2
        description  = "All but the newest images"
        selection = {
          tagStatus      = "tagged"
          tagPatternList = ["*"]
          countType      = "imageCountMoreThan"
          countNumber    = var.keep_images
        }
        action = { type = "expire" }
      }],
    )
  })
}
