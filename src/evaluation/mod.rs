//! How well the detector judges: verdicts held against labels, by condition, with intervals, as tables and as a page.
//!
//! [`judged`] pairs each labelled clip with what was said about it; who judged is a closure of the caller's, so the
//! detector as it ships, another engine and the held-out folds of a training are all measured by the same rules.
//! [`expectation`] states these rules: which verdict is right for which label. [`report`] counts, with a Wilson interval
//! on every share ([`share`]), and [`text`] and [`page`] show the counts to people. [`trace`] and [`picture`] draw what the
//! detector saw in one clip, and the moment and cause of each decision, so that a wrong one can be understood.
pub mod beeps;
pub mod chart;
pub mod condition;
pub mod confusion;
pub mod distribution;
pub mod expectation;
pub mod judged;
pub mod markup;
pub mod page;
pub mod picture;
pub mod plot;
pub mod report;
pub mod sentence;
pub mod share;
pub mod shown;
pub mod tally;
pub mod text;
pub mod tones;
pub mod trace;
