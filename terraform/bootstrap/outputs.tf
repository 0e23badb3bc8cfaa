output "bucket_name" {
  description = "Bucket that holds the states."
  value       = module.state.bucket_name
}

output "backend_hcl" {
  description = "Content of each root's backend.hcl. `make bootstrap` writes these files."
  value       = module.state.backend_hcl
}
