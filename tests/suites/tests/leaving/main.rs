//! How mail leaves: signed, and by another way than SMTP. With real programs at the other end.
#![cfg(test)]

mod dkim;
mod local;
mod mx;
