//! How the detector's model is made: from a corpus to the file that is built in.
//!
//! Each clip is replayed and gives [`examples`], the features at moments of its greeting. [`folds`] parts the clips so that
//! no voice and no source is in two of them. [`fit`] is the regression, [`calibrate`] makes its output a probability,
//! [`probe`] tests whether it tells sources apart rather than people from machines, and [`train`] puts it all together:
//! the same corpus and seed give the same file, byte for byte.
pub mod calibrate;
pub mod examples;
pub mod fit;
pub mod folds;
pub mod probe;
pub mod train;
