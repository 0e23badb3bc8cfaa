"""Chooses the hyperparameters of a tuning job's training jobs.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-how-it-works.html
"""

import itertools
from collections.abc import Iterator
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
    """One search: `learn` from earlier ones, `ask` for values, `tell` the objective's value."""

    def __init__(self, config: dict[str, Any]) -> None:
        """`config` is a HyperParameterTuningJobConfig that `check` accepts."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._ranges = config.get("ParameterRanges") or {}
        self._distributions: dict[str, Any] = dict(_distributions(self._ranges))
        seed = config.get("RandomSeed")
        strategy = config["Strategy"]
        samplers: Any = optuna.samplers
        sampler = samplers.TPESampler(seed=seed) if strategy == "Bayesian" else samplers.RandomSampler(seed=seed)
        direction = config["HyperParameterTuningJobObjective"]["Type"].lower()
        self._study = optuna.create_study(sampler=sampler, direction=direction)
        self._grid = list(self._combinations()) if strategy == "Grid" else None
        self._most = len(self._grid) if self._grid else 0

    def learn(self, given: dict[str, str], value: float) -> None:
        """Take over the result of an earlier search, as far as its hyperparameters are within this one's ranges."""
        from optuna.trial import create_trial

        known = {name: one for name in self._distributions if (one := self._within(name, given.get(name))) is not None}
        distributions = {name: self._distributions[name] for name in known}
        self._study.add_trial(create_trial(params=known, distributions=distributions, value=value))

    def size(self, limit: int | None) -> int:
        """The number of training jobs."""
        return self._most or limit or 0

    def ask(self) -> tuple[Any, dict[str, str]]:
        """A trial, and its hyperparameters, which are texts."""
        if self._grid is not None:
            return self._study.ask(), self._grid.pop(0)
        trial = self._study.ask(self._distributions)
        return trial, {name: str(value) for name, value in trial.params.items()}

    def tell(self, trial: Any, value: float | None) -> None:
        """The result of a trial; None if its training job failed."""
        from optuna.trial import TrialState

        if value is None:
            self._study.tell(trial, state=TrialState.FAIL)
        else:
            self._study.tell(trial, value)

    def _within(self, name: str, text: str | None) -> Any:
        """A hyperparameter's value in the type of its range; None if it is not within."""
        one = self._distributions[name]
        if text is None:
            return None
        if hasattr(one, "choices"):
            return text if text in one.choices else None
        try:
            value = type(one.low)(text)
        except ValueError:
            return None
        return value if one.low <= value <= one.high else None

    def _combinations(self) -> Any:
        ranges = self._ranges.get(_KINDS[2]) or []
        for values in itertools.product(*(one["Values"] for one in ranges)):
            yield {one["Name"]: value for one, value in zip(ranges, values, strict=True)}


def _distributions(ranges: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    for one in ranges.get(_KINDS[0]) or []:
        log = one.get("ScalingType") == "Logarithmic"
        yield one["Name"], IntDistribution(int(one["MinValue"]), int(one["MaxValue"]), log=log)
    for one in ranges.get(_KINDS[1]) or []:
        log = one.get("ScalingType") == "Logarithmic"
        yield one["Name"], FloatDistribution(float(one["MinValue"]), float(one["MaxValue"]), log=log)
    for one in ranges.get(_KINDS[2]) or []:
        yield one["Name"], CategoricalDistribution(one["Values"])
