//! browsers
