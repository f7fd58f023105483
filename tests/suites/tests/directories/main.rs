//! The directories that a campus may have, real: the stand's own 389 Directory Server and Samba AD beside OpenLDAP, and
//! what each of them answers, as the page on directories says it.

#[cfg(test)]
mod asking;
#[cfg(test)]
mod delegation;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod facts;
#[cfg(test)]
mod follow;
#[cfg(test)]
mod leash;
#[cfg(test)]
mod life;
#[cfg(test)]
mod support;
