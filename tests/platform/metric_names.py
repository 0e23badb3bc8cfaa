"""The metrics that training libraries log, and whether larger values are better as their documentation says.

- scikit-learn: scikit-learn.org/stable/modules/model_evaluation.html
- XGBoost: xgboost.readthedocs.io/en/stable/parameter.html (`eval_metric`)
- LightGBM: lightgbm.readthedocs.io/en/latest/Parameters.html (`metric`)
- CatBoost: catboost.ai/docs/en/concepts/loss-functions, with the pages of each kind
- Keras: keras.io/api/metrics and keras.io/api/losses
- MLflow: mlflow.org/docs/latest/ml/evaluation, and mlflow/models/evaluation/evaluators
"""

_SMALLER = """
log_loss brier_score_loss hamming_loss hinge_loss zero_one_loss mean_pinball_loss max_error coverage_error
label_ranking_loss davies_bouldin_score mean_absolute_error mean_squared_error root_mean_squared_error
mean_squared_log_error root_mean_squared_log_error median_absolute_error mean_absolute_percentage_error
mean_poisson_deviance mean_gamma_deviance mean_tweedie_deviance negative_likelihood_ratio median_ae medianAE
rmse rmsle mae mape mphe logloss error error@0.7 merror mlogloss poisson-nloglik gamma-nloglik cox-nloglik
gamma-deviance tweedie-nloglik@1.5 aft-nloglik
l1 l2 huber gamma_deviance binary_logloss binary_error multi_logloss multi_error cross_entropy cross_entropy_lambda
kullback_leibler
Logloss CrossEntropy BalancedErrorRate BrierScore HingeLoss HammingLoss ZeroOneLoss MultiClass MultiClassOneVsAll
MultiLogloss MultiCrossEntropy MAE MAPE RMSE LogCosh FairLoss NumErrors SMAPE MSLE MedianAbsoluteError MultiRMSE
MultiRMSEWithMissingValues RMSEWithUncertainty Huber:delta=2 PairLogit PairLogitPairwise QueryRMSE QueryCrossEntropy
QuerySoftMax SurvivalAft:dist=Normal Lq:q=2 LogLinQuantile MultiQuantile GroupQuantile validation/MultiClass
learn-MultiClass
binary_crossentropy categorical_crossentropy sparse_categorical_crossentropy kl_divergence hinge squared_hinge
categorical_hinge log_cosh logcosh mean_squared_logarithmic_error binary_focal_crossentropy false_positives
false_negatives val_loss error_count mean_per_class_error meanPerClassError
toxicity/v1/mean toxicity/v1/ratio latency mean_rank median_rank average_rank meanRank
"""

_LARGER = """
accuracy balanced_accuracy top_k_accuracy average_precision f1_macro precision recall jaccard roc_auc_ovr r2
neg_log_loss
neg_brier_score neg_max_error neg_mean_absolute_error neg_mean_gamma_deviance neg_negative_likelihood_ratio
positive_likelihood_ratio explained_variance explained_variance_score d2_tweedie_score d2_pinball_score d2_brier_score
d2_absolute_error_score adjusted_rand_score adjusted_mutual_info_score completeness_score homogeneity_score
fowlkes_mallows_score v_measure_score matthews_corrcoef cohen_kappa_score calinski_harabasz_score silhouette_score
ndcg_score dcg_score label_ranking_average_precision_score
auc aucpr pre@5 ndcg@10 map@5- interval-regression-accuracy auc_mu
Precision Recall F1 F:beta=2 BalancedAccuracy MCC Accuracy AUC QueryAUC PRAUC NormalizedGini Kappa WKappa TotalF1 R2
LogLikelihoodOfPrediction PairAccuracy PFound NDCG:top=10 DCG FilteredDCG AverageGain PrecisionAt:top=3 MAP MRR
binary_accuracy cosine_similarity f1_score fbeta_score precision_at_recall sensitivity_at_specificity mean_io_u
pearson_correlation concordance_correlation true_positives true_negatives
mean_per_class_accuracy
accuracy_score precision_recall_auc exact_match/v1 rougeL/v1/mean bleu/v1/mean answer_similarity/v1/mean
dice_coefficient dice_score spearman_rank_correlation lift mean_reciprocal_rank reciprocalRank
"""

_UNCLEAR = """
variance exact_match/v1/variance prediction_variance rank ERR ERR:top=10 YetiRank YetiRankPairwise StochasticRank
StochasticFilter CtrFactor quantile expectile poisson gamma tweedie fair Poisson Tweedie Quantile:alpha=0.1 Expectile
Fair multiclass Cox QueryAverage Focal dice tversky circle mean sum example_count sum_on_target mean_on_target
token_count flesch_kincaid_grade_level/v1/mean ari_grade_level/v1/mean valid_0-tweedie
skewness residual_std
"""

SMALLER, LARGER, UNCLEAR = _SMALLER.split(), _LARGER.split(), _UNCLEAR.split()
