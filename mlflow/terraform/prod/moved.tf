# States from before the platform module: the resources move to their new addresses and are not changed.
moved {
  from = module.mlflow
  to   = module.platform.module.mlflow
}

moved {
  from = module.serving
  to   = module.platform.module.serving
}
