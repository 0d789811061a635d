//! How well the detector judges: verdicts held against labels, by condition, with intervals, as tables and as a page.
