//! Mail: templates, the message, the SMTP conversation.
//!
//! It turns a template and values into an RFC 5322 message, and hands a message to an SMTP server. It knows neither
//! enrolments nor the store nor the directory; when and whether to send is `workers`' business.
