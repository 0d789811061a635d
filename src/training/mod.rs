//! How the detector's model is made: examples from a corpus, folds that keep voices and sources apart, a fit, its
//! calibration and its scores.
