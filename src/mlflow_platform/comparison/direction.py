"""Decides by a metric's name whether larger values are better.

The names are those that scikit-learn, XGBoost, LightGBM, CatBoost, Keras and statsmodels give their metrics, and what
people write around them.
"""

from __future__ import annotations

import re

from mlflow_common.errors import InputError

# Metrics of which smaller values are better, as whole words of a name.
_SMALLER = (
    frozenset(("brier", "wer", "cer", "eer", "hinge", "nll", "xent", "ppl", "ece", "kl", "leibler", "pinball", "crps"))
    .union(("rmsle", "rmsse", "rmsd", "rmspe", "rae", "rse", "rrse", "msle", "mase", "mphe", "mdae", "medae", "huber"))
    .union(("mape", "smape", "mdape", "wape", "wmape", "maape", "sse", "ssr", "rss", "cosh", "logcosh"))
    .union(("aic", "bic", "inertia", "bouldin", "fid", "lpips", "bpb", "bpc", "bpd", "toxicity"))
    .union(("false", "fpr", "fnr", "fdr", "regret", "cost", "distance", "misclassified", "misclassification", "wrong"))
    .union(("latency", "time", "runtime", "elapsed", "seconds", "duration", "ms", "missing", "memory"))
)
# Ends of words, for XGBoost's `mlogloss`, `merror` and `poisson-nloglik`, Keras's `binary_crossentropy`, and `nrmse`.
_SMALLER_ENDS = (
    *("loss", "losses", "error", "errors", "err", "mse", "mae", "entropy", "divergence"),
    *("deviance", "perplexity", "nloglik"),
)
# LightGBM's `l1` and `l2` are the absolute and the squared error.
_NORM = re.compile(r"(?<![A-Za-z0-9])[lL][12](?![A-Za-z0-9])")
# scikit-learn negates what is better if smaller, so that larger is always better: `neg_mean_squared_error`.
_NEGATED = "neg"
# A negated likelihood is better if smaller: `neg_log_likelihood`.
_NEGATIVE, _LIKELIHOOD = frozenset((_NEGATED, "negative")), frozenset(("likelihood", "loglikelihood", "loglik"))
# scikit-learn's shares of an error that a model explains: `d2_absolute_error_score`.
_EXPLAINED = re.compile(r"(?<![A-Za-z0-9])[dD]2(?![A-Za-z0-9])")
# `validation/rmse` (what validate_endpoint.py logs), `val.loss`, `testRMSE` and `valLoss` have two words each.
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
# What follows says where the metric was measured (`tpr_at_fpr_0.01`, `tprAtFpr`, `recall@fpr=0.01`), or is a divisor
# (`samples_per_ms`, `samplesPerMs`).
_MEASURED_AT = re.compile(r"(?<=[^A-Za-z])(?:at|per)(?=[^A-Za-z])|(?<=[a-z])(?:At|Per)(?=[A-Z])|@")
# With one of these words a name may mean the opposite: `cost_savings`, `error_reduction`, `distance_correlation`,
# `time_between_failures`.
_TURNING = frozenset(
    ("saving", "savings", "saved", "reduction", "reduced", "improvement", "gain", "avoided", "benefit", "free")
).union(("correlation", "traveled", "travelled", "covered", "effectiveness", "efficiency", "between", "without"))
# LightGBM's objectives that are metrics, too, and numbers of which either may be wanted.
_UNCLEAR = frozenset(("quantile", "poisson", "gamma", "tweedie", "fair", "expectile", "multiclass")).union(
    ("bias", "std", "stddev", "gap", "drift")
)


def is_maximized(metric: str) -> bool:
    """Whether larger values of a metric are better, judged by its name.

    Raises:
        InputError: the name does not say it.
    """
    name = _MEASURED_AT.split(metric)[0]
    words = {word.lower() for word in _WORD.findall(name)}
    if words & _NEGATIVE and words & _LIKELIHOOD:
        return False
    smaller = _NORM.search(name) or any(word in _SMALLER or word.endswith(_SMALLER_ENDS) for word in words)
    turned = _TURNING & words or _EXPLAINED.search(name)
    if (smaller and _TURNING & words) or (not smaller and not turned and _UNCLEAR & words):
        raise InputError(
            f"the name {metric!r} does not say whether larger values are better: give --maximize or --minimize."
        )
    return _NEGATED in words or bool(turned) or not smaller
