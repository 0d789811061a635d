//! Doctored traces: each rule shown to fail when it is broken, and to hold when it is not.
