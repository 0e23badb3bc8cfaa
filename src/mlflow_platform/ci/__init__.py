"""What CI shows of a Terraform plan: a comment on the pull request, an issue about drift, GitLab's report."""
