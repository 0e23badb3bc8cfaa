"""Checks of a Terraform plan before it is applied: losses, rules, cost."""
