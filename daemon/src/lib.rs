//! The rooms of parvisd; `service` puts them together.

mod audit;
mod config;
pub mod ctl;
mod dial;
pub mod directory;
pub mod dossier;
mod engine;
mod gate;
pub mod mail;
pub mod service;
pub mod store;
mod sweep;
mod words;
mod workers;
