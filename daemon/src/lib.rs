//! The rooms of parvisd; `service` puts them together.

pub mod directory;
pub mod mail;
pub mod store;
