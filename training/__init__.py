"""The example ML project: data sets, models, parameters, and what is logged of a training."""
