//! The resolver against a small DNS server on loopback.
