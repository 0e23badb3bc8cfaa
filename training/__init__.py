"""The example ML project: data sets, models, parameters, and the logging of a training."""
