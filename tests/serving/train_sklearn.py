"""A small model of others: gradient boosting on rows in which the first feature says what follows. Writes argv[1]."""

import sys

import joblib
import numpy
from sklearn.ensemble import GradientBoostingClassifier

rng = numpy.random.default_rng(7)
rows = rng.uniform(-1, 1, size=(600, 36)).astype(numpy.float32)
drift = rows[:, 0] + rng.normal(0, 0.2, size=600)
labels = numpy.where(drift > 0.3, 1, numpy.where(drift < -0.3, -1, 0))
joblib.dump(GradientBoostingClassifier(n_estimators=20, random_state=7).fit(rows, labels), sys.argv[1])
