"""Chooses the hyperparameters of a tuning job's training jobs.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-how-it-works.html
"""

import itertools
from typing import Any

from localaws.endpoints.records import refusal

_KINDS = ("IntegerParameterRanges", "ContinuousParameterRanges", "CategoricalParameterRanges")


def check(config: dict[str, Any]) -> None:
    """Refuse what AWS refuses beyond the model's constraints, and what localaws cannot run.

    Raises:
        AwsError: ValidationException.
    """
    strategy, ranges = config["Strategy"], config.get("ParameterRanges") or {}
    if strategy not in ("Bayesian", "Random", "Grid"):
        raise refusal(f"localaws does not run the strategy {strategy}. Use Bayesian, Random or Grid.")
    if config.get("StrategyConfig"):
        # "This parameter should be provided only if Hyperband is selected as the strategy":
        # API_HyperParameterTuningJobConfig
        raise refusal("StrategyConfig can only be specified for the strategy Hyperband.")
    criteria = config.get("TuningJobCompletionCriteria") or {}
    for name in ("BestObjectiveNotImproving", "ConvergenceDetected"):
        if criteria.get(name):
            raise refusal(f"localaws does not run the completion criterion {name}. Use TargetObjectiveMetricValue.")
    if "HyperParameterTuningJobObjective" not in config:
        raise refusal("HyperParameterTuningJobObjective must be specified.")
    if not any(ranges.get(kind) for kind in _KINDS):
        raise refusal("At least one hyperparameter range must be specified.")
    if strategy == "Grid" and any(ranges.get(kind) for kind in _KINDS[:2]):
        raise refusal("Only categorical parameters are supported with the Grid strategy.")
    if strategy != "Grid" and not config["ResourceLimits"].get("MaxNumberOfTrainingJobs"):
        raise refusal(f"MaxNumberOfTrainingJobs must be specified for the {strategy} strategy.")
    for kind, number in ((_KINDS[0], int), (_KINDS[1], float)):
        for one in ranges.get(kind) or []:
            try:
                low, high = number(one["MinValue"]), number(one["MaxValue"])
            except ValueError:
                raise refusal(f"The range of {one['Name']} must have numbers as MinValue and MaxValue.") from None
            if low >= high or (one.get("ScalingType") == "Logarithmic" and low <= 0):
                raise refusal(f"The range of {one['Name']} is empty, or not above 0 with Logarithmic scaling.")


class Search:
    """One search: `ask` for values, `tell` the objective's value."""

    def __init__(self, config: dict[str, Any]) -> None:
        """`config` is a HyperParameterTuningJobConfig that `check` accepts."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._ranges = config.get("ParameterRanges") or {}
        seed = config.get("RandomSeed")
        strategy = config["Strategy"]
        samplers: Any = optuna.samplers
        sampler = samplers.TPESampler(seed=seed) if strategy == "Bayesian" else samplers.RandomSampler(seed=seed)
        direction = config["HyperParameterTuningJobObjective"]["Type"].lower()
        self._study = optuna.create_study(sampler=sampler, direction=direction)
        self._grid = list(self._combinations()) if strategy == "Grid" else None
        self._most = len(self._grid) if self._grid else 0

    def size(self, limit: int | None) -> int:
        """The number of training jobs."""
        return self._most or limit or 0

    def ask(self) -> tuple[Any, dict[str, str]]:
        """A trial, and its hyperparameters, which are texts."""
        trial = self._study.ask()
        if self._grid is not None:
            return trial, self._grid.pop(0)
        values: dict[str, Any] = {}
        for one in self._ranges.get(_KINDS[0]) or []:
            log = one.get("ScalingType") == "Logarithmic"
            values[one["Name"]] = trial.suggest_int(one["Name"], int(one["MinValue"]), int(one["MaxValue"]), log=log)
        for one in self._ranges.get(_KINDS[1]) or []:
            low, high, log = float(one["MinValue"]), float(one["MaxValue"]), one.get("ScalingType") == "Logarithmic"
            values[one["Name"]] = trial.suggest_float(one["Name"], low, high, log=log)
        for one in self._ranges.get(_KINDS[2]) or []:
            values[one["Name"]] = trial.suggest_categorical(one["Name"], one["Values"])
        return trial, {name: str(value) for name, value in values.items()}

    def tell(self, trial: Any, value: float | None) -> None:
        """The result of a trial; None if its training job failed."""
        from optuna.trial import TrialState

        if value is None:
            self._study.tell(trial, state=TrialState.FAIL)
        else:
            self._study.tell(trial, value)

    def _combinations(self) -> Any:
        ranges = self._ranges.get(_KINDS[2]) or []
        for values in itertools.product(*(one["Values"] for one in ranges)):
            yield {one["Name"]: value for one, value in zip(ranges, values, strict=True)}
