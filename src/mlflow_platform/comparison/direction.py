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
    .union(("ae", "ape", "mape", "smape", "mdape", "wape", "wmape", "maape", "sse", "ssr", "rss", "cosh", "logcosh"))
    .union(("aic", "bic", "inertia", "bouldin", "fid", "lpips", "bpb", "bpc", "bpd", "toxicity"))
    .union(("false", "fpr", "fnr", "fdr", "regret", "cost", "distance", "misclassified", "misclassification", "wrong"))
    .union(("ter", "winkler", "far", "frr", "miss", "mistakes", "failure", "failures", "failed", "impurity"))
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
_MEASURED_AT = re.compile(r"(?<=[^A-Za-z])(?:at|per)(?=[^A-Za-z])(?!.class)|(?<=[a-z])(?:At|Per)(?=[A-Z])(?!Class)|@")
# CatBoost's objectives that are metrics, too (catboost.ai/docs/en/concepts/loss-functions). Their parts say nothing.
_CATBOOST = re.compile(
    r"(?<![A-Za-z])(?:MultiClass(?:OneVsAll)?|(?:Multi|Group|LogLin)Quantile|Lq|PairLogit(?:Pairwise)?|QuerySoftMax"
    r"|SurvivalAft)(?![A-Za-z])"
)
# CatBoost's expected reciprocal rank. `ERR` may also be an error.
_CATBOOST_UNCLEAR = re.compile(r"(?<![A-Za-z])ERR(?![A-Za-z])")
# Rank 1 is the best one, so that a mean rank is better if smaller. That is not so for a mean reciprocal rank.
_RANK, _RECIPROCAL, _MEANS = "rank", "reciprocal", frozenset(("mean", "median", "average", "avg"))
# Metrics of which larger values are better.
_LARGER = (
    frozenset(("accuracy", "acc", "auc", "auroc", "auprc", "aucpr", "aupr", "prauc", "roc", "precision", "prec"))
    .union(("pre", "recall", "sensitivity", "specificity", "fbeta", "tpr", "tnr", "ppv", "npv"))
    .union(("true", "ap", "map", "mar", "mrr", "dcg", "ndcg", "hit", "hits"))
    .union(("found", "reciprocal", "rsquared", "score", "scores", "explained", "likelihood", "loglikelihood"))
    .union(("loglik", "elbo", "lift", "kappa", "qwk", "mcc", "corrcoef", "corr", "pearson", "spearman"))
    .union(("kendall", "concordance", "gini", "uplift", "informedness", "markedness", "jaccard", "iou", "miou"))
    .union(("io", "similarity", "agreement", "correct", "rand", "silhouette", "calinski", "harabasz"))
    .union(("homogeneity", "completeness", "purity", "psnr", "ssim", "snr", "sdr", "bleu", "rouge", "rougel"))
    .union(("meteor", "chrf", "match", "correctness", "relevance", "faithfulness", "fluency", "groundedness"))
    .union(("coherence", "helpfulness", "pass", "passed", "success", "win", "wins", "reward", "rewards"))
    .union(("return", "returns", "profit", "revenue", "sharpe", "sortino", "throughput"))
    .union(("rocauc", "bacc", "fscore", "measure", "fowlkes", "matthews", "gmean", "nmi", "ami", "cindex", "rsq"))
    .union(("top", "bertscore", "sacrebleu", "safety", "conversion", "kge"))
)
# `f1`, `F:beta=2`, `TotalF1`, `adj_r2`, `R²` and `r_squared`.
_F_OR_R = re.compile(
    r"(?<![A-Za-z])[fFrR][_^]?[0-9²]|(?<=[a-z])[FR][0-9²]|(?<![A-Za-z])(?:[rR][_ -]?[sS]quared|[fF][:_ -]?beta)"
)
# Larger is better of numbers of these per unit of time.
_RATES = frozenset(("requests", "samples", "rows", "records", "tokens", "images", "steps", "iterations", "queries"))
# With one of these words a name may mean the opposite: `cost_savings`, `error_reduction`, `distance_correlation`,
# `time_between_failures`.
_TURNING = frozenset(
    ("saving", "savings", "saved", "reduction", "reduced", "improvement", "gain", "avoided", "benefit", "free")
).union(("correlation", "traveled", "travelled", "covered", "effectiveness", "efficiency", "between", "without"))
# With one of these words, a name of another metric may mean either: `accuracy_std`, `interval_score`, `risk_score`.
_UNCLEAR = (
    frozenset(("bias", "std", "stddev", "gap", "drift", "skewness", "kurtosis", "count", "difference", "diff", "delta"))
    .union(("interval", "anomaly", "outlier", "risk", "energy", "parity", "odds"))
    .union(("variance", "dice", "tversky", _RANK))
)
# The words with which an unclear one is clear: these names are better if larger.
_CLEAR = {
    "variance": frozenset(("explained",)),
    "dice": frozenset(("score", "coefficient", "coef", "index", "similarity")),
    "tversky": frozenset(("score", "index")),
    "interval": frozenset(("accuracy",)),
    _RANK: frozenset((_RECIPROCAL,)),
}


def is_maximized(metric: str) -> bool:
    """Whether larger values of a metric are better, judged by its name.

    Raises:
        InputError: the name does not say it: it has no word of a metric that is known here, or may mean either.
    """
    parts = _MEASURED_AT.split(metric)
    name = parts[0]
    words = {word.lower() for word in _WORD.findall(name)}
    if words & _NEGATIVE and words & _LIKELIHOOD:
        return words >= _NEGATIVE  # `neg_negative_likelihood_ratio` is negated once more
    smaller = (
        _NORM.search(name)
        or _CATBOOST.search(name)
        or any(word in _SMALLER or word.endswith(_SMALLER_ENDS) for word in words)
        or (_RANK in words and words & _MEANS and _RECIPROCAL not in words)
    )
    turned = _TURNING & words or _EXPLAINED.search(name)
    known = words & _LARGER or _F_OR_R.search(name) or (len(parts) > 1 and words & _RATES)
    clear = [word for word in _CLEAR if word in words and words & _CLEAR[word]]
    unclear = (_UNCLEAR & words) - set(clear) or not (known or clear)
    if (smaller and _TURNING & words) or (not smaller and not turned and unclear) or _CATBOOST_UNCLEAR.search(name):
        raise InputError(
            f"the name {metric!r} does not say whether larger values are better: give --maximize or --minimize."
        )
    return _NEGATED in words or bool(turned) or not smaller
