//! The directory room on every directory that campuses run: the watch by each of its ways, and the writes.
//!
//! The same tests on all of them, wherever the behaviour is the same.

/// A module for each ground, and in it these tests, each on a ground of its own.
#[cfg(test)]
macro_rules! on_each {
    ($tests:tt $($name:ident: $ground:expr;)*) => { $( $crate::on_each!(@ $name $ground, $tests); )* };
    (@ $name:ident $ground:expr, [$($test:ident),*]) => {
        mod $name {
            use super::*;

            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$test($ground).await;
                }
            )*
        }
    };
}
#[cfg(test)]
pub(crate) use on_each;

/// A test on each directory, and on 389 DS without its plugin too: by the way that the watch would choose.
#[cfg(test)]
macro_rules! on_every_directory {
    ($test:ident) => {
        $crate::on_every_directory! { @ $test
            openldap: $crate::ground::Ground::slapd(parvisd::directory::Way::Sync);
            ds389: $crate::ground::Ground::ds389(parvisd::directory::Way::Sync);
            ds389_without_its_plugin: $crate::ground::Ground::ds389(parvisd::directory::Way::PersistentSearch);
            active_directory: $crate::ground::Ground::samba(parvisd::directory::Way::Dirsync);
        }
    };
    (@ $test:ident $($name:ident: $ground:expr;)*) => { $(
        #[test]
        fn $name() {
            $test($ground);
        }
    )* };
}
#[cfg(test)]
pub(crate) use on_every_directory;

#[cfg(test)]
mod cost;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod filters;
#[cfg(test)]
mod ground;
#[cfg(test)]
mod mappings;
#[cfg(test)]
mod network;
#[cfg(test)]
mod odd;
#[cfg(test)]
mod refused;
#[cfg(test)]
mod seen;
#[cfg(test)]
mod soak;
#[cfg(test)]
mod story;
#[cfg(test)]
mod tap;
#[cfg(test)]
mod ways;
#[cfg(test)]
mod writes;
