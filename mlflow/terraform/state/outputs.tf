output "bucket_name" {
  description = "Bucket that holds the states."
  value       = module.state.bucket_name
}

output "backend_hcl" {
  description = "For each root, what its backend.hcl must hold. `make bootstrap` writes them."
  value       = module.state.backend_hcl
}
