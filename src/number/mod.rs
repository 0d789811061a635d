//! Telephone numbers: how they are written, read, masked and placed on the map.
//!
//! [`E164`] is the one identity of a callee. [`parse`] makes it of what people write into lists, or says with a
//! [`NumberFault`] why not and what to do. [`zones`] tells in which time zones the phone may ring,
//! [`country`] whose number it is, and [`ZoneGroup`] names such a set of zones with one number.

mod e164;
mod parse;
mod zones;

pub use e164::{DIGITS_MAX, E164, Masked};
pub use parse::{NumberFault, Region, national, parse};
pub use zones::{ZoneGroup, country, is_bound_to_a_place, zones};
